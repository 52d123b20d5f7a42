// The mathematics of a mixture of Gaussians in the plane: plain functions of numbers.
//
// A component is {weight, x, y, first, second, angle}: its weight, its mean, the standard deviations along its two
// principal axes, and the direction of the first one in radians. A covariance is [xx, xy, yy]. `error` is the standard
// deviation of the measurement, the same in x and y.

export const REACH = 2 // standard deviations from the mean to the handles of the axes
export const NARROWEST = 0.02 // standard deviation below which an axis cannot be dragged

// Weights with the k-th set to a value between 0 and 1, and the others scaled so that all sum to one.
export function withWeight(weights, k, value) {
  const others = weights.reduce((sum, weight, j) => (j === k ? sum : sum + weight), 0)
  const share = 1 / (weights.length - 1)
  if (weights.length === 1) return [1]
  return weights.map((weight, j) => {
    if (j === k) return value
    return (1 - value) * (others > 0 ? weight / others : share)
  })
}

// Covariance of what is measured of a component; with an error of zero that of the component itself.
export function covariance(component, error = 0) {
  const cos = Math.cos(component.angle)
  const sin = Math.sin(component.angle)
  const a = component.first ** 2
  const b = component.second ** 2
  const noise = error ** 2
  return [a * cos * cos + b * sin * sin + noise, (a - b) * cos * sin, a * sin * sin + b * cos * cos + noise]
}

// Standard deviations and direction of the principal axes of a covariance, the wider one first.
export function principalAxes([xx, xy, yy]) {
  const half = (xx - yy) / 2
  const root = Math.hypot(half, xy)
  const larger = (xx + yy) / 2 + root
  // The determinant over the larger eigenvalue keeps the digits of the smaller one.
  const smaller = larger > 0 ? (xx * yy - xy * xy) / larger : 0
  return {first: Math.sqrt(larger), second: Math.sqrt(Math.max(smaller, 0)), angle: 0.5 * Math.atan2(xy, half)}
}

// Points of the ellipse at which the Mahalanobis distance is `radius`, closed.
export function ellipse(component, error, radius, n = 72) {
  const {first, second, angle} = principalAxes(covariance(component, error))
  const xs = new Array(n + 1)
  const ys = new Array(n + 1)
  for (let i = 0; i <= n; i++) {
    const along = radius * first * Math.cos((2 * Math.PI * i) / n)
    const across = radius * second * Math.sin((2 * Math.PI * i) / n)
    xs[i] = component.x + along * Math.cos(angle) - across * Math.sin(angle)
    ys[i] = component.y + along * Math.sin(angle) + across * Math.cos(angle)
  }
  return {xs, ys}
}

// Where the handles of a component lie: on its mean, and on its axes where the ellipse of 2 sigma ends.
export function handles(component) {
  const {x, y, angle} = component
  const [along, across] = [REACH * component.first, REACH * component.second]
  return [
    {part: "mean", x, y},
    {part: "first", x: x + along * Math.cos(angle), y: y + along * Math.sin(angle)},
    {part: "second", x: x - across * Math.sin(angle), y: y + across * Math.cos(angle)},
  ]
}

// The component after one of its handles was dragged to a place.
export function dragged(component, part, x, y) {
  if (part === "mean") return {...component, x, y}
  const length = Math.max(Math.hypot(x - component.x, y - component.y) / REACH, NARROWEST)
  const direction = Math.atan2(y - component.y, x - component.x)
  if (part === "first") return {...component, first: length, angle: direction}
  return {...component, second: length, angle: direction - Math.PI / 2}
}

// Density on a grid of pixels, row after row from the lowest y, written into `values` or a new array.
export function densityOnGrid(components, error, xs, ys, values = new Float64Array(xs.length * ys.length)) {
  values.fill(0)
  for (const component of components) {
    const [xx, xy, yy] = covariance(component, error)
    const determinant = xx * yy - xy * xy
    const peak = component.weight / (2 * Math.PI * Math.sqrt(determinant))
    for (let j = 0; j < ys.length; j++) {
      const dy = ys[j] - component.y
      const constant = (xx * dy * dy) / determinant
      const linear = (-2 * xy * dy) / determinant
      for (let i = 0; i < xs.length; i++) {
        const dx = xs[i] - component.x
        values[j * xs.length + i] += peak * Math.exp(-0.5 * ((yy * dx * dx) / determinant + linear * dx + constant))
      }
    }
  }
  return values
}

// Density of the first coordinate alone.
export function densityAlongX(components, error, xs) {
  return xs.map((x) => {
    let sum = 0
    for (const component of components) {
      const variance = covariance(component, error)[0]
      const residual = x - component.x
      sum += (component.weight * Math.exp((-0.5 * residual * residual) / variance)) / Math.sqrt(2 * Math.PI * variance)
    }
    return sum
  })
}

// Standard deviation of the first coordinate, of all components together.
export function widthAlongX(components, error) {
  const mean = components.reduce((sum, each) => sum + each.weight * each.x, 0)
  const second = (each) => covariance(each, error)[0] + (each.x - mean) ** 2
  return Math.sqrt(components.reduce((sum, each) => sum + each.weight * second(each), 0))
}

// What the draws have at random, and keep while the mixture changes: rows of a uniform and four normal numbers.
export function randomNumbers(random, n) {
  const rows = []
  for (let i = 0; i < n; i++) {
    rows.push([random.uniform(), random.normal(), random.normal(), random.normal(), random.normal()])
  }
  return rows
}

// Draws made of the first n rows of random numbers: true values, measured values, and the component of each.
export function draws(components, error, rows, n = rows.length) {
  const made = {true_x: new Float64Array(n), true_y: new Float64Array(n)}
  Object.assign(made, {x: new Float64Array(n), y: new Float64Array(n), component: new Float64Array(n)})
  const bounds = []
  components.reduce((sum, {weight}, k) => (bounds[k] = sum + weight), 0)
  const directions = components.map(({angle}) => [Math.cos(angle), Math.sin(angle)])
  for (let i = 0; i < n; i++) {
    const [uniform, along, across, of_x, of_y] = rows[i]
    let k = bounds.findIndex((bound) => uniform < bound)
    if (k < 0) k = components.length - 1
    const {x, y, first, second} = components[k]
    const [cos, sin] = directions[k]
    made.component[i] = k
    made.true_x[i] = x + first * along * cos - second * across * sin
    made.true_y[i] = y + first * along * sin + second * across * cos
    made.x[i] = made.true_x[i] + error * of_x
    made.y[i] = made.true_y[i] + error * of_y
  }
  return made
}

// Draws of component k as dashes of one line, with gaps between them: a figure draws a line of thousands of dashes at
// once, but thousands of markers one by one.
export function dashes(xs, ys, kinds, k, length) {
  const line = {x: [], y: []}
  kinds.forEach((kind, i) => {
    if (kind !== k) return
    line.x.push(xs[i] - length / 2, xs[i] + length / 2, NaN)
    line.y.push(ys[i], ys[i], NaN)
  })
  return line
}

// Heights of a histogram that has the area one, between equidistant edges; values outside count to the area only.
export function histogram(values, edges) {
  const counts = new Array(edges.length - 1).fill(0)
  const width = (edges[edges.length - 1] - edges[0]) / counts.length
  for (const value of values) {
    const place = Math.floor((value - edges[0]) / width)
    if (place >= 0 && place < counts.length) counts[place] += 1
  }
  return counts.map((count) => (values.length ? count / (values.length * width) : 0))
}
