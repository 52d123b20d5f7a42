// Expectation maximisation in one dimension, each value with an error of its own (Bovy, Hogg & Roweis 2011,
// Ann. Appl. Stat. 5, 1657, eqs 16 and 17): plain functions of numbers.
//
// A component is {weight, mean, variance}; `values` and `errors` are arrays, an error of zero is none.

export const ENOUGH = 1e-6 // a fit has converged where less than this of lnL is left to gain
export const MOST_STEPS = 3000 // after which a fit is given up
export const COLLAPSED = 1e-12 // variance, as a fraction of that of all values, below which a component has collapsed

// Logarithm of weight times density of one component at a value; infinite where width and error are both zero.
export function logDensity({weight, mean, variance}, error, value) {
  const total = variance + error ** 2
  if (total === 0) return value === mean ? Infinity : -Infinity
  return Math.log(weight) - 0.5 * (Math.log(2 * Math.PI * total) + (value - mean) ** 2 / total)
}

// For each value the responsibility of each component, and the log-likelihood of all values.
export function expect(components, values, errors) {
  let logLikelihood = 0
  const responsibilities = values.map((value, i) => {
    const logs = components.map((component) => logDensity(component, errors[i], value))
    const highest = Math.max(...logs)
    const shares = logs.map((log) => (log === highest ? 1 : Math.exp(log - highest))) // also where it is infinite
    const sum = shares.reduce((all, share) => all + share, 0)
    logLikelihood += highest + Math.log(sum)
    return shares.map((share) => share / sum)
  })
  return {responsibilities, logLikelihood}
}

// The components after one step.
export function step(components, values, errors) {
  const {responsibilities} = expect(components, values, errors)
  return components.map((component, k) => {
    let members = 0
    let sum = 0
    const expected = values.map((value, i) => {
      const total = component.variance + errors[i] ** 2
      members += responsibilities[i][k]
      const trueValue = component.mean + (component.variance / total) * (value - component.mean)
      sum += responsibilities[i][k] * trueValue
      return {trueValue, variance: (component.variance * errors[i] ** 2) / total}
    })
    if (!(members > 0)) return {...component, weight: 0}
    const mean = sum / members
    const squares = expected.reduce(
      (all, each, i) => all + responsibilities[i][k] * ((each.trueValue - mean) ** 2 + each.variance), 0)
    return {weight: members / values.length, mean, variance: squares / members}
  })
}

// How much the log-likelihood will still rise, from its last three values: steps of EM shrink by a constant factor
// near a maximum (Aitken's extrapolation). Not known, NaN, before three values, and while the steps still grow.
export function predictedGain(history) {
  const n = history.length
  if (n < 3) return NaN
  const last = history[n - 1] - history[n - 2]
  const before = history[n - 2] - history[n - 3]
  if (last <= 1e-13 * Math.abs(history[n - 1])) return 0
  return last < before ? (last * last) / (before - last) : NaN
}

// Mean and variance of values.
export function moments(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return {mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length}
}

// Which components have shrunk onto a single place, where values have no errors: their numbers.
export function collapsed(components, values, errors) {
  if (errors.some((error) => error > 0)) return []
  const limit = COLLAPSED * moments(values).variance
  return components.flatMap(({weight, variance}, k) => (weight > 0 && !(variance > limit) ? [k] : []))
}

// A start: means at equidistant quantiles of the values, or at `means`, equal weights, widths that share the range.
export function start(values, n, means = null) {
  const sorted = [...values].sort((a, b) => a - b)
  const variance = moments(values).variance / n ** 2
  return Array.from({length: n}, (_, k) => ({
    weight: 1 / n,
    mean: means ? means[k] : sorted[Math.floor(((k + 0.5) / n) * sorted.length)],
    variance,
  }))
}

// n different values, chosen at random.
export function chosen(values, n, random) {
  const places = new Set()
  while (places.size < n) places.add(Math.floor(random.uniform() * values.length))
  return [...places].map((place) => values[place])
}

// Start of the singular case: one component as wide as all values, a narrow one on the value with most room around it.
export function singularStart(values) {
  const {mean, variance} = moments(values)
  const room = values.map((value, i) => Math.min(...values.filter((_, j) => j !== i).map((other) => Math.abs(other - value))))
  const most = Math.max(...room)
  const narrow = {weight: 1 / values.length, mean: values[room.indexOf(most)], variance: (0.3 * most) ** 2}
  return [{weight: 1 - narrow.weight, mean, variance}, narrow]
}

// Density of one component at places; `error` widens it. Of a component without any width it is zero.
export function density({weight, mean, variance}, error, places) {
  const total = variance + error ** 2
  if (total === 0) return places.map(() => 0)
  const peak = weight / Math.sqrt(2 * Math.PI * total)
  return places.map((place) => peak * Math.exp((-0.5 * (place - mean) ** 2) / total))
}

// Density of the values as they are measured: all components with the error of each value, averaged over the values.
export function measuredDensity(components, errors, places) {
  const sum = new Array(places.length).fill(0)
  for (const error of errors) {
    for (const component of components) {
      density(component, error, places).forEach((value, i) => (sum[i] += value / errors.length))
    }
  }
  return sum
}

// Colours of values: those of the components, as [red, green, blue] from 0 to 1, mixed by responsibilities.
export function mixedColours(responsibilities, colours) {
  return responsibilities.map((row) => {
    const channels = [0, 1, 2].map((c) => row.reduce((sum, share, k) => sum + share * colours[k][c], 0))
    const bytes = channels.map((value) => Math.round(255 * Math.min(Math.max(value, 0), 1)))
    return "#" + bytes.map((value) => value.toString(16).padStart(2, "0")).join("")
  })
}

// What a step did, in a sentence of plain text.
export function described(history, components, values, errors) {
  const gone = collapsed(components, values, errors)
  if (gone.length) {
    const names = gone.map((k) => k + 1).join(" and ")
    return (
      `Component ${names} has collapsed: its width has shrunk to nothing on the value ` +
      `${components[gone[0]].mean.toFixed(2).replace("-", "−")}. The narrower it is, the higher is the density there, so that ` +
      "lnL has no limit: there is no maximum, and this fit means nothing. Use the errors, and restart: no component " +
      "then looks narrower than the errors, and lnL has a limit.")
  }
  const n = history.length - 1
  if (n < 1) return "This is the start. A step finds the memberships (colours), then the components that fit them."
  const gained = history[n] - history[n - 1]
  const gain = predictedGain(history)
  const grew = `Step ${n}: lnL grew by ${gained.toPrecision(2)}.`
  if (gain < ENOUGH) return `Step ${n}: converged. Less than ${ENOUGH.toExponential()} of lnL is left to gain.`
  if (n >= MOST_STEPS) {
    return `${grew} Expectation maximisation is given up here: towards a width of zero its steps become ever smaller.`
  }
  if (Number.isNaN(gain)) return `${grew} How much is left cannot be said yet.`
  return `${grew} If the steps shrink as the last ones did, about ${gain.toPrecision(2)} is still to come.`
}
