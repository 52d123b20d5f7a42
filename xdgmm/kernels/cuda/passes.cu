// Passes over objects on a card.  `source.py` defines the macros in capitals and writes the lines between @ signs: these
// are the functions of rows of `compiled.py` for one object and one component, in C.
//
// An object is one thread's.  data (n_blocks, N_ROWS, LANES) are `Blocks.data` as they are: eight neighbouring threads
// read 64 bytes of a row.  Of the blocks every few-th one is taken.  A *chunk* is a contiguous range of objects, which one
// block of threads goes through; chunks depend on the data and the layout alone, and their sums are added in a fixed
// order, so that a result has the same bits in each run.  There are no atomics.
//
// theta (K, N_THETA) and amplitude (K, 2) are a mixture as `mixtures.lay_out` fills it, but a component without weight, or
// without density, has V = 1 and an amplitude of zero with a power far below all others: it needs no attention.

typedef REAL real;
typedef long long i64;

#define INLINE __device__ __forceinline__
#define KERNEL(threads, blocks) extern "C" __global__ void __launch_bounds__(threads, blocks)

#define OF_SUMS 0                                            // what of this file a module has
#define OF_OBJECTS 1

const int WARPS = THREADS / 32;

// --- Numbers ---------------------------------------------------------------------------------------------------------

#define TO_WHOLE 6755399441055744.0                          // 1.5 * 2^52: the nearest whole number is in the low bits

#ifndef INFINITY                                             // NVRTC has no <math.h>
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fc00000)
#endif

#ifndef EMULATED
INLINE double about_reciprocal(double a) { double x; asm("rcp.approx.ftz.f64 %0, %1;" : "=d"(x) : "d"(a)); return x; }
INLINE double about_inverse_root(double a) { double x; asm("rsqrt.approx.ftz.f64 %0, %1;" : "=d"(x) : "d"(a)); return x; }
#endif

INLINE double reciprocal(double a) {                         // 20 bits, and one cubic step; no subnormal numbers
    const double x = about_reciprocal(a), e = fma(-a, x, 1.0);
    return fma(x, fma(e, e, e), x);
}
INLINE double mantissa(double x) { return __hiloint2double((__double2hiint(x) & 0xfffff) | 0x3ff00000, __double2loint(x)); }
INLINE int exponent(double x) { return (__double2hiint(x) >> 20) - 1023; }
INLINE double power_of_two(double shifted) { return __hiloint2double((__double2loint(shifted) + 1023) << 20, 0); }
INLINE double scaled(double x, double shifted) {             // x power_of_two(shifted), where both are normal
    return __hiloint2double(__double2hiint(x) + (__double2loint(shifted) << 20), __double2loint(x));
}

// Comparisons by the upper half of the bits, whose order as whole numbers is that of positive numbers: the pipe for
// double precision is what a pass waits for.
INLINE bool is_positive(double x) { return (unsigned)(__double2hiint(x) - 1) < 0x7fefffffu; }  // and normal
INLINE bool is_far_above(double x, double limit) { return __double2hiint(x) > __double2hiint(limit); }  // positive
INLINE bool is_above(double x, double limit) {               // a negative limit whose lower half is zero
    return (unsigned)__double2hiint(x) < (unsigned)__double2hiint(limit);
}
INLINE double lower(double x, double y) {                    // to 20 bits; below zero, or not a number, if one of them is
    const int a = __double2hiint(x), b = __double2hiint(y);
    return __hiloint2double(a < b ? a : b, 0);
}
INLINE double as_pivot(double lowest) { return is_positive(lowest) ? lowest : 0.0; }
INLINE double square_root(double a) {                        // a / sqrt(a) likewise; zero at zero
    const double y = about_inverse_root(a), t = a * y, e = fma(-t, y, 1.0);
    return is_positive(a) ? fma(t, e * fma(e, 0.375, 0.5), t) : 0.0;
}

#if IS_FLOAT32
#undef TO_WHOLE
#define TO_WHOLE 12582912.0f                                 // 1.5 * 2^23
INLINE float reciprocal(float a) { return 1.0f / a; }
INLINE float square_root(float a) { return a > 0.0f ? sqrtf(a) : 0.0f; }
INLINE float mantissa(float x) { return __int_as_float((__float_as_int(x) & 0x7fffff) | 0x3f800000); }
INLINE int exponent(float x) { return (__float_as_int(x) >> 23) - 127; }
INLINE float power_of_two(float shifted) {                   // zero where it would not be normal
    const int n = __float_as_int(shifted) - 0x4b400000;
    return n < -126 ? 0.0f : __int_as_float((n + 127) << 23);
}
INLINE float scaled(float x, float shifted) { return x * power_of_two(shifted); }
INLINE bool is_positive(float x) { return x > 0.0f; }
INLINE bool is_far_above(float x, float limit) { return x > limit; }
INLINE bool is_above(float x, float limit) { return x > limit; }
INLINE float lower(float x, float y) { return x < y ? x : y; }
const real BOTTOM = -1e30f, SMALLEST_PIVOT = 1e-37f, WINDOW = 60.0f;
#else
const real BOTTOM = -1e300, SMALLEST_PIVOT = 1e-300, WINDOW = 500.0;
#endif

INLINE real exp2_of(real y) {
@EXP2@
}
INLINE double log2_of(double x) {
@LOG2@
}

// --- One object ------------------------------------------------------------------------------------------------------

#if IN_CONSTANT
__constant__ real held_theta[MOST_COMPONENTS * N_THETA];
__constant__ real held_amplitude[MOST_COMPONENTS * 2];
#endif

INLINE const real* find_object(const real* data, i64 i, i64 every) {
    return data + (i / LANES) * every * N_ROWS * LANES + i % LANES;
}
INLINE void read(real* x, const real* object) {
#pragma unroll
    for (int row = 0; row < USED_ROWS; row++) x[row] = object[row * LANES];
}
INLINE real weighted_power(real power, const real* object, const real* amplitude, int k, int n_gaussians) {
    power += amplitude[2 * k + 1];
#if MEMBERSHIPS
    power += object[(USED_ROWS + k * MEMBERSHIPS / n_gaussians) * LANES];
#endif
    return power;
}
INLINE void density(const real* x, const real* th, real& power, real& scale, real& pivot) {
@DENSITY@
    power = @POWER@; scale = @SCALE@; pivot = @PIVOT@;
}
INLINE void background(const real* x, const real* amplitude, real& power, real& scale) {
@BACKGROUND@
    power = @BACKGROUND_POWER@; scale = @BACKGROUND_SCALE@;
}

// Power and scale of component k, its weight included.  `leave_out`: without a component that is singular for the object.
INLINE void weigh(const real* x, const real* object, const real* theta, const real* amplitude, int k, int K, bool leave_out,
                  real& power, real& scale, real& pivot) {
    pivot = real(1e30);
    if (BACKGROUNDS && k == K - 1) { background(x, amplitude + 2 * k, power, scale); return; }
    density(x, theta + k * N_THETA, power, scale, pivot);
    power = weighted_power(power, object, amplitude, k, K - BACKGROUNDS);
    scale *= amplitude[2 * k];
    if (leave_out && !(pivot > SMALLEST_PIVOT)) { power = BOTTOM; scale = real(0.0); }
}

// The sum of the densities scale 2^power of the components, in units of 2^unit.  The unit is the power of one of them, and
// becomes that of a later one only if this lies more than WINDOW above, which few do: the parts before are brought to it.
struct Mixture {
    real unit, sum, lowest;
    INLINE Mixture() : unit(BOTTOM), sum(0.0), lowest(1e30) {}
    INLINE bool is_outside(real power) const { return is_far_above(power - unit, WINDOW); }
    INLINE real restart(real power) {                        // the factor that brings parts to the new unit
        const real factor = exp2_of(unit - power);
        unit = power;
        sum *= factor;
        return factor;
    }
    INLINE real add(real power, real scale, real pivot) {    // the part of the sum
        const real part = scale * exp2_of(power - unit);
        sum += part;
        lowest = lower(pivot, lowest);
        return part;
    }
    INLINE void add_all(const real* x, const real* object, const real* theta, const real* amplitude, int K, bool leave_out) {
        real power, scale, pivot;
        for (int k = 0; k < K; k++) {
            weigh(x, object, theta, amplitude, k, K, leave_out, power, scale, pivot);
            if (is_outside(power)) restart(power);
            add(power, scale, pivot);
        }
    }
};

// The sum of omega (unit + log2 sum) of many objects, with one logarithm at the end where omega is 1.
struct LogLikelihood {
    double powers, product;
    i64 exponents;
    INLINE LogLikelihood() : powers(0.0), product(1.0), exponents(0) {}
    INLINE void add(real unit, real sum, real omega) {
        if (omega == real(0.0)) return;
        if (!(sum > real(0.0))) powers = -INFINITY;
        else if (omega == real(1.0)) {
            product *= take(sum);
            product = take(product);
            powers += unit;
        } else powers += omega * (log2_of(sum) + unit);
    }
    INLINE double take(double s) { exponents += exponent(s); return mantissa(s); }
    INLINE double value() { return powers + (double)exponents + log2_of(product); }
};

// --- Sums over threads -----------------------------------------------------------------------------------------------

struct Slot { int first, count; };                          // which sums a lane has at the end

// N numbers of 32 lanes: each sum ends in one lane, after about N exchanges.
template <int N, int MASK> struct Warp {
    static INLINE void sum(double* v, int lane) {
        if (N == 1) {
            v[0] += __shfl_xor_sync(0xffffffffu, v[0], MASK);
            Warp<1, MASK / 2>::sum(v, lane);
            return;
        }
        const int half = (N + 1) / 2;
        const bool is_upper = lane & MASK;
#pragma unroll
        for (int i = 0; i < half; i++) {
            const double low = v[i], high = i + half < N ? v[i + half] : 0.0;
            v[i] = (is_upper ? high : low) + __shfl_xor_sync(0xffffffffu, is_upper ? low : high, MASK);
        }
        Warp<half, MASK / 2>::sum(v, lane);
    }
    static __device__ Slot slot(int lane, int low, int n) {  // n: how many of the N numbers there are
        if (N == 1) return (lane & MASK) ? Slot{0, 0} : Warp<1, MASK / 2>::slot(lane, low, n);
        const int half = (N + 1) / 2;
        if (lane & MASK) return Warp<half, MASK / 2>::slot(lane, low + half, n - half);
        return Warp<half, MASK / 2>::slot(lane, low, n < half ? n : half);
    }
};
template <int N> struct Warp<N, 0> {                         // up to ceil(N / 32) numbers are left in each lane
    static INLINE void sum(double*, int) {}
    static __device__ Slot slot(int, int low, int n) { return {low, n > 0 ? n : 0}; }
};

INLINE double lowest_of_warp(double x) {
#pragma unroll
    for (int mask = 16; mask; mask /= 2) {
        const double other = __shfl_xor_sync(0xffffffffu, x, mask);
        x = other < x ? other : x;
    }
    return x;
}

// Sums of the warps, in their order, to column `chunk` of partial (count, n_chunks); the last one is a minimum.
__device__ void hand_in(const double* sums, int count, double* partial, i64 chunk, i64 n_chunks) {
    __syncthreads();
    for (int j = threadIdx.x; j < count; j += THREADS) {
        double s = sums[j];
        for (int w = 1; w < WARPS; w++) {
            const double other = sums[w * count + j];
            s = j < count - 1 ? s + other : other < s ? other : s;
        }
        partial[j * n_chunks + chunk] = s;
    }
}

extern __shared__ double shared[];

KERNEL(256, 1) add_chunks(const double* __restrict__ partial, i64 n_chunks, int count, double* __restrict__ out) {
    __shared__ double part[256];
    const int j = blockIdx.x, tid = threadIdx.x;
    const bool is_lowest = j == count - 1;
    double s = is_lowest ? 1e300 : 0.0;
    for (i64 chunk = tid; chunk < n_chunks; chunk += 256) {
        const double x = partial[j * n_chunks + chunk];
        s = is_lowest ? (x < s ? x : s) : s + x;
    }
    part[tid] = s;
    for (int half = 128; half; half /= 2) {
        __syncthreads();
        if (tid < half) {
            const double x = part[tid + half];
            part[tid] = is_lowest ? (x < part[tid] ? x : part[tid]) : part[tid] + x;
        }
    }
    if (tid == 0) out[j] = part[0];
}

// --- Sums over objects -----------------------------------------------------------------------------------------------
//
// first_chunk is that of the objects in data, of which there are n; own_weights, if given, stand in the place of theirs.

#define SUMMED const real* __restrict__ data, i64 every, i64 n, i64 chunk_size, i64 first_chunk, i64 n_chunks, \
               const double* __restrict__ own_weights

INLINE real weight_of(const real* x, const double* own_weights, i64 i, bool is_present) {
    if (!is_present) return real(0.0);
    return own_weights ? (real)own_weights[i] : x[WEIGHT_ROW];
}

#if PART == OF_SUMS
// Add what one object adds to the sums a of component k.  r: its weight, divided by its density in units of 2^unit, and
// times that of the component if it `is_known`.
INLINE void add_object(const real* x, const real* object, const real* th, const real* theta, const real* amplitude, int k,
                       int K, bool is_gaussian, bool is_known, real unit, double scaling, real r, real* a) {
#if SQUARED
    if (!is_known) {
        real power, scale, pivot;
        weigh(x, object, theta, amplitude, k, K, true, power, scale, pivot);
        r *= scale * exp2_of(power - unit);
    }
    r *= (real)scaling;
    a[0] += r;
    a[1] += r * r;
#else
    if (!is_gaussian) {
        real power, scale;
        background(x, amplitude + 2 * k, power, scale);
        a[0] += is_known ? r : r * scale * exp2_of(power - unit);
        return;
    }
@DENSITY@
    if (!is_known) {
        const real power = weighted_power(@POWER@, object, amplitude, k, K - BACKGROUNDS);
        r *= (@SCALE@) * amplitude[2 * k] * exp2_of(power - unit);
    }
@MOMENTS@
#if INFORMATION
@INFORMATION@
#endif
#endif
}

// The sums of all components.  A thread keeps PER_THREAD objects, of which UNROLLED are treated at once: first their
// densities under all components, then, for one component after the other, the elimination again and the moments.
KERNEL(THREADS, BLOCKS)
accumulate(SUMMED, const real* __restrict__ given_theta, const real* __restrict__ given_amplitude, int K, double scaling,
           double* __restrict__ partial) {
#if IN_CONSTANT
    const real *theta = held_theta, *amplitude = held_amplitude;
#else
    const real *theta = given_theta, *amplitude = given_amplitude;
#endif
    const int tid = threadIdx.x, lane = tid & 31, count = K * N_SUMS + 2;
    double* sums = shared + (tid / 32) * count;
    real* staged = (real*)(shared + WARPS * count) + tid;    // [PER_THREAD][USED_ROWS][THREADS]
    real* kept = staged + STAGED * PER_THREAD * USED_ROWS * THREADS;  // [PER_THREAD][K][THREADS]
    real* factors = kept + STORED * PER_THREAD * K * THREADS;         // [PER_THREAD][THREADS]
    real* units = factors + PER_THREAD * THREADS;                     // the same
    const Slot slot = Warp<N_SUMS, 16>::slot(lane, 0, N_SUMS);
    for (int j = lane; j < count; j += 32) sums[j] = 0.0;
    __syncwarp();
    LogLikelihood likelihood;
    real x[UNROLLED][USED_ROWS], lowest = real(1e30);
    const i64 first = blockIdx.x * chunk_size, end = first + chunk_size < n ? first + chunk_size : n;
    for (i64 base = first; base < end; base += PER_THREAD * THREADS) {
        for (int group = 0; group < PER_THREAD; group += UNROLLED) {
            Mixture mixture[UNROLLED];
#pragma unroll
            for (int u = 0; u < UNROLLED; u++) {
                const i64 i = base + (group + u) * THREADS + tid;
                read(x[u], find_object(data, i < end ? i : end - 1, every));
#pragma unroll
                for (int row = 0; row < USED_ROWS * STAGED; row++) {
                    staged[((group + u) * USED_ROWS + row) * THREADS] = x[u][row];
                }
            }
#pragma unroll 1
            for (int k = 0; k < K; k++) {
                real power[UNROLLED], scale[UNROLLED], pivot[UNROLLED];
                bool any_outside = false;
#pragma unroll
                for (int u = 0; u < UNROLLED; u++) {
                    const i64 i = base + (group + u) * THREADS + tid;
                    const real* object = find_object(data, i < end ? i : end - 1, every);
                    weigh(x[u], object, theta, amplitude, k, K, SQUARED, power[u], scale[u], pivot[u]);
                    any_outside = any_outside || mixture[u].is_outside(power[u]);
                }
                if (any_outside) {                           // once for most objects
#pragma unroll
                    for (int u = 0; u < UNROLLED; u++) {
                        if (!mixture[u].is_outside(power[u])) continue;
                        const real factor = mixture[u].restart(power[u]);
                        for (int j = 0; j < k * STORED; j++) kept[((group + u) * K + j) * THREADS] *= factor;
                    }
                }
#pragma unroll
                for (int u = 0; u < UNROLLED; u++) {
                    const real part = mixture[u].add(power[u], scale[u], pivot[u]);
                    if (STORED) kept[((group + u) * K + k) * THREADS] = part;
                }
            }
#pragma unroll
            for (int u = 0; u < UNROLLED; u++) {
                const i64 i = base + (group + u) * THREADS + tid;
                const real omega = weight_of(x[u], own_weights, i, i < end), sum = mixture[u].sum;
                factors[(group + u) * THREADS] = sum > real(0.0) ? omega * reciprocal(sum) : real(0.0);
                units[(group + u) * THREADS] = mixture[u].unit;
                likelihood.add(mixture[u].unit, sum, omega);
                lowest = lower(mixture[u].lowest, lowest);
            }
        }
#pragma unroll 1
        for (int k = 0; k < K; k++) {
            real a[N_SUMS];
#pragma unroll
            for (int j = 0; j < N_SUMS; j++) a[j] = real(0.0);
            const bool is_gaussian = k < K - BACKGROUNDS;
            const real* th = theta + k * N_THETA;
            if (is_positive(amplitude[2 * k])) {
#pragma unroll 1
                for (int group = 0; group < PER_THREAD; group += UNROLLED) {
#pragma unroll
                    for (int u = 0; u < UNROLLED; u++) {
                        const int o = group + u;
                        const i64 i = base + o * THREADS + tid;
                        const real* object = find_object(data, i < end ? i : end - 1, every);
                        real r = factors[o * THREADS];
                        if (STORED) r *= kept[(o * K + k) * THREADS];
#pragma unroll
                        for (int row = 0; row < USED_ROWS * STAGED; row++) {
                            x[u][row] = staged[(o * USED_ROWS + row) * THREADS];
                        }
                        add_object(x[u], object, th, theta, amplitude, k, K, is_gaussian, STORED, units[o * THREADS], scaling, r, a);
                    }
                }
            }
            double v[N_SUMS];
#pragma unroll
            for (int j = 0; j < N_SUMS; j++) v[j] = a[j];
            Warp<N_SUMS, 16>::sum(v, lane);
#pragma unroll
            for (int j = 0; j < (N_SUMS + 31) / 32; j++) if (j < slot.count) sums[k * N_SUMS + slot.first + j] += v[j];
        }
    }
    double l[1] = {likelihood.value()};
    Warp<1, 16>::sum(l, lane);
    const double least = lowest_of_warp(as_pivot(lowest));
    if (lane == 0) { sums[K * N_SUMS] = l[0]; sums[K * N_SUMS + 1] = least; }
    hand_in(shared, count, partial, first_chunk + blockIdx.x, n_chunks);
}

// The same in two kernels, for mixtures whose sums do not fit into shared memory: first the unit and the inverse of the
// density of each object, found (2, n), and the likelihood; then one component in each row of blocks.
KERNEL(THREADS, 1) normalise(SUMMED, const real* __restrict__ theta, const real* __restrict__ amplitude, int K,
                             real* __restrict__ found, double* __restrict__ partial) {
    const int tid = threadIdx.x, lane = tid & 31;
    LogLikelihood likelihood;
    real x[USED_ROWS], lowest = real(1e30);
    const i64 first = blockIdx.x * chunk_size, end = first + chunk_size < n ? first + chunk_size : n;
    for (i64 i = first + tid; i < end; i += THREADS) {
        const real* object = find_object(data, i, every);
        read(x, object);
        Mixture mixture;
        mixture.add_all(x, object, theta, amplitude, K, SQUARED);
        const real omega = weight_of(x, own_weights, i, true);
        likelihood.add(mixture.unit, mixture.sum, omega);
        lowest = lower(mixture.lowest, lowest);
        found[i] = mixture.unit;
        found[n + i] = mixture.sum > real(0.0) ? omega * reciprocal(mixture.sum) : real(0.0);
    }
    double l[1] = {likelihood.value()};
    Warp<1, 16>::sum(l, lane);
    const double least = lowest_of_warp(as_pivot(lowest));
    if (lane == 0) { shared[tid / 32 * 2] = l[0]; shared[tid / 32 * 2 + 1] = least; }
    hand_in(shared, 2, partial + i64(K) * N_SUMS * n_chunks, first_chunk + blockIdx.x, n_chunks);
}

KERNEL(THREADS, 1) accumulate_component(SUMMED, const real* __restrict__ theta, const real* __restrict__ amplitude, int K,
                                        double scaling, const real* __restrict__ found, double* __restrict__ partial) {
    const int k = blockIdx.y, tid = threadIdx.x, lane = tid & 31;
    double v[N_SUMS];
#pragma unroll
    for (int j = 0; j < N_SUMS; j++) v[j] = 0.0;
    real x[USED_ROWS];
    const i64 first = blockIdx.x * chunk_size, end = first + chunk_size < n ? first + chunk_size : n;
    for (i64 i = first + tid; is_positive(amplitude[2 * k]) && i < end; i += THREADS) {
        const real* object = find_object(data, i, every);
        read(x, object);
        real a[N_SUMS];
#pragma unroll
        for (int j = 0; j < N_SUMS; j++) a[j] = real(0.0);
        add_object(x, object, theta + k * N_THETA, theta, amplitude, k, K, k < K - BACKGROUNDS, false, found[i], scaling,
                   found[n + i], a);
#pragma unroll
        for (int j = 0; j < N_SUMS; j++) v[j] += a[j];
    }
    Warp<N_SUMS, 16>::sum(v, lane);
    const Slot slot = Warp<N_SUMS, 16>::slot(lane, 0, N_SUMS);
    double* sums = shared + tid / 32 * N_SUMS;
#pragma unroll
    for (int j = 0; j < (N_SUMS + 31) / 32; j++) if (j < slot.count) sums[slot.first + j] = v[j];
    __syncthreads();
    for (int j = tid; j < N_SUMS; j += THREADS) {
        double s = 0.0;
        for (int w = 0; w < WARPS; w++) s += shared[w * N_SUMS + j];
        partial[(i64(k) * N_SUMS + j) * n_chunks + first_chunk + blockIdx.x] = s;
    }
}

#endif
#if PART == OF_OBJECTS
// log2-likelihoods of the mixtures w = blockIdx.y of K components each, and for how many objects one was singular.
KERNEL(THREADS, 1) total_likelihoods(SUMMED, const real* __restrict__ theta, const real* __restrict__ amplitude, int K,
                                     double* __restrict__ partial) {
    const int tid = threadIdx.x, lane = tid & 31, w = blockIdx.y;
    theta += i64(w) * K * N_THETA;
    amplitude += i64(w) * K * 2;
    LogLikelihood likelihood;
    double n_singular = 0.0;
    real x[USED_ROWS];
    const i64 first = blockIdx.x * chunk_size, end = first + chunk_size < n ? first + chunk_size : n;
    for (i64 i = first + tid; i < end; i += THREADS) {
        const real* object = find_object(data, i, every);
        read(x, object);
        Mixture mixture;
        mixture.add_all(x, object, theta, amplitude, K, true);
        likelihood.add(mixture.unit, mixture.sum, weight_of(x, own_weights, i, true));
        n_singular += mixture.lowest > SMALLEST_PIVOT ? 0.0 : 1.0;
    }
    double found[2] = {likelihood.value(), n_singular};
    for (int mask = 16; mask; mask /= 2) {
        found[0] += __shfl_xor_sync(0xffffffffu, found[0], mask);
        found[1] += __shfl_xor_sync(0xffffffffu, found[1], mask);
    }
    if (lane == 0) { shared[tid / 32 * 2] = found[0]; shared[tid / 32 * 2 + 1] = found[1]; }
    __syncthreads();
    if (tid < 2) {
        double s = 0.0;
        for (int warp = 0; warp < WARPS; warp++) s += shared[warp * 2 + tid];
        partial[(i64(w) * 2 + tid) * n_chunks + first_chunk + blockIdx.x] = s;
    }
}

// --- Numbers of each object ------------------------------------------------------------------------------------------

#define OF_EACH const real* __restrict__ data, i64 every, i64 n, const real* __restrict__ theta, \
                const real* __restrict__ amplitude, int K

INLINE void write_covariance(double* to, const real* triangle) {
    for (int i = 0; i < D; i++) for (int j = 0; j <= i; j++) to[i * D + j] = to[j * D + i] = triangle[i * (i + 1) / 2 + j];
}

INLINE i64 own_object() { return blockIdx.x * i64(THREADS) + threadIdx.x; }

// log2 of the density (n,).
KERNEL(THREADS, 1) log2_densities(OF_EACH, double* __restrict__ out) {
    const i64 i = own_object();
    if (i >= n) return;
    real x[USED_ROWS];
    const real* object = find_object(data, i, every);
    read(x, object);
    Mixture mixture;
    mixture.add_all(x, object, theta, amplitude, K, true);
    out[i] = mixture.sum > real(0.0) ? log2_of(mixture.sum) + mixture.unit : -INFINITY;
}

// Those of n_out components from `from` on (n, n_out).
KERNEL(THREADS, 1) responsibilities(OF_EACH, int from, int n_out, double* __restrict__ out) {
    const i64 i = own_object();
    if (i >= n) return;
    real x[USED_ROWS], power, scale, pivot;
    const real* object = find_object(data, i, every);
    read(x, object);
    Mixture mixture;
    mixture.add_all(x, object, theta, amplitude, K, true);
    const real inverse = reciprocal(mixture.sum);
    for (int k = 0; k < n_out; k++) {
        weigh(x, object, theta, amplitude, from + k, K, true, power, scale, pivot);
        const real r = scale * exp2_of(power - mixture.unit) * inverse;
        out[i * n_out + k] = mixture.sum > real(0.0) ? (double)r : (double)NAN;
    }
}

// What is known of the true value of each object, as `compiled.posteriors`: fallback (K, 2) are the weights of the mixture
// and those among the G Gaussians.  centres (n, G, D) are the means under each of them; covariances_of_each may be missing.
KERNEL(THREADS, 1) posteriors(OF_EACH, const real* __restrict__ fallback, const real* __restrict__ priors, int G,
                              double* __restrict__ log2_density, double* __restrict__ r_out, double* __restrict__ distances,
                              double* __restrict__ means, double* __restrict__ covariances, double* __restrict__ centres,
                              double* __restrict__ covariances_of_each) {
    const i64 i = own_object();
    if (i >= n) return;
    real x[USED_ROWS], power, scale, pivot;
    const real* object = find_object(data, i, every);
    read(x, object);
    Mixture mixture;
    mixture.add_all(x, object, theta, amplitude, K, true);
    const bool is_possible = mixture.sum > real(0.0);
    log2_density[i] = is_possible ? log2_of(mixture.sum) + mixture.unit : -INFINITY;
    double* shares = r_out + i * K;
    double of_gaussians = 0.0;
    for (int k = 0; k < K; k++) {
        weigh(x, object, theta, amplitude, k, K, true, power, scale, pivot);
        const real part = scale * exp2_of(power - mixture.unit);
        if (is_possible && k < G) of_gaussians += part;
        shares[k] = is_possible ? part * reciprocal(mixture.sum) : fallback[2 * k];
    }
    const bool is_gaussian = of_gaussians > SMALLEST_PIVOT;
    const double among = is_gaussian ? mixture.sum / of_gaussians : 0.0;
    real s[N_MOMENTS], m[N_MOMENTS], squares = real(0.0), highest_share = real(-1.0);
#pragma unroll
    for (int j = 0; j < N_MOMENTS; j++) s[j] = real(0.0);
    for (int k = 0; k < G; k++) {
        const real* prior = priors + k * N_PRIOR;
        const real r = is_gaussian ? real(shares[k] * among) : fallback[2 * k + 1];
        real own;
        {
@CONDITION@
        }
        squares = r > highest_share ? own : squares;
        highest_share = r > highest_share ? r : highest_share;
        {
@WEIGHTED@
        }
        for (int j = 0; j < D; j++) centres[(i * G + k) * D + j] = m[j];
        if (covariances_of_each) write_covariance(covariances_of_each + (i * G + k) * D * D, m + D);
    }
    for (int k = 0; k < G; k++) {
        const real r = is_gaussian ? real(shares[k] * among) : fallback[2 * k + 1];
        for (int j = 0; j < D; j++) m[j] = centres[(i * G + k) * D + j];
        {
@SPREAD@
        }
    }
    distances[i] = squares < real(INFINITY) ? square_root(squares > real(0.0) ? squares : real(0.0)) : squares;
    for (int j = 0; j < D; j++) means[i * D + j] = s[j];
    write_covariance(covariances + i * D * D, s + D);
}
#endif
