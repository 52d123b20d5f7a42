// Random numbers: those of numpy.random.RandomState(seed), so that a lesson can be repeated in Python.

const SIZE = 624
const SHIFT = 397

// The Mersenne Twister MT19937 (Matsumoto & Nishimura 1998, ACM TOMACS 8, 3) from a whole number below 2^32.
export class RandomState {
  constructor(seed) {
    this.state = new Uint32Array(SIZE)
    this.state[0] = seed
    for (let i = 1; i < SIZE; i++) {
      const before = this.state[i - 1] ^ (this.state[i - 1] >>> 30)
      this.state[i] = Math.imul(1812433253, before) + i
    }
    this.position = SIZE
    this.kept = null
  }

  // The next whole number below 2^32.
  integer() {
    if (this.position === SIZE) this.renew()
    let value = this.state[this.position++]
    value ^= value >>> 11
    value ^= (value << 7) & 0x9d2c5680
    value ^= (value << 15) & 0xefc60000
    value ^= value >>> 18
    return value >>> 0
  }

  renew() {
    const state = this.state
    for (let i = 0; i < SIZE; i++) {
      const joined = (state[i] & 0x80000000) | (state[(i + 1) % SIZE] & 0x7fffffff)
      state[i] = state[(i + SHIFT) % SIZE] ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0)
    }
    this.position = 0
  }

  // Uniform in [0, 1), with 53 bits.
  uniform() {
    const high = this.integer() >>> 5
    return (high * 67108864 + (this.integer() >>> 6)) / 9007199254740992
  }

  // Standard normal: two at a time, by the polar method of Marsaglia & Bray (1964, SIAM Rev. 6, 260).
  normal() {
    if (this.kept !== null) {
      const value = this.kept
      this.kept = null
      return value
    }
    let first, second, square
    do {
      first = 2 * this.uniform() - 1
      second = 2 * this.uniform() - 1
      square = first * first + second * second
    } while (square >= 1 || square === 0)
    const factor = Math.sqrt((-2 * Math.log(square)) / square)
    this.kept = factor * first
    return factor * second
  }
}
