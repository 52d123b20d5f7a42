// What happens on the page of the mixture: events of sliders, buttons and of the mouse become components, and
// components become curves, images and draws. The last lines are what bokeh calls.

const GRASP = 14 // pixels within which the mouse takes hold of a handle
const PAUSE = 200 // milliseconds until texts are written

let grasped = null // {k, part, dx, dy}: the handle that is being dragged, and its distance from the mouse
let moving = null // the components while one of them is being dragged
let waiting = false // an update is due at the next frame
let writing = null // so are texts
let rows = null // random numbers of the draws
let seed = null

function componentsOf(source) {
  if (moving) return moving
  const {weight, x, y, first, second, angle} = source.data
  return Array.from(x, (_, k) => ({
    weight: weight[k], x: x[k], y: y[k], first: first[k], second: second[k], angle: angle[k],
  }))
}

function columnsOf(components) {
  const column = (name) => components.map((component) => component[name])
  return Object.fromEntries(["weight", "x", "y", "first", "second", "angle"].map((name) => [name, column(name)]))
}

// Kept for good: a server is told, if there is one.
function keep(args, components) {
  moving = null
  args.components.data = columnsOf(components)
}

// New columns of a source that only this page needs.
function show(source, columns) {
  source.setv({data: columns}, {silent: true})
  source.change.emit()
}

function updateLater(args) {
  if (waiting) return
  waiting = true
  requestAnimationFrame(() => {
    waiting = false
    update(args)
  })
}

function update(args) {
  const components = componentsOf(args.components)
  const error = args.error.value
  showSliders(args, components)
  showPlanes(args, components, error)
  showDraws(args, components, error)
  showCurves(args, components, error)
  writeLater(args)
}

// Texts follow a little later: they cost as much as the pictures.
function writeLater(args) {
  writing ??= setTimeout(() => {
    writing = null
    const components = componentsOf(args.components)
    args.table.text = tableOf(components, args.error.value, args.palette)
    args.words.text = wordsOf(components, args.error.value)
  }, PAUSE)
}

function showSliders(args, components) {
  args.sliders.forEach((slider, k) => {
    slider.visible = k < components.length
    if (k < components.length) slider.value = components[k].weight
  })
  args.more.disabled = components.length === args.sliders.length
  args.fewer.disabled = components.length === 1
}

function showPlanes(args, components, error) {
  const {grid, images} = args
  const densities = [0, error].map((each, i) => densityOnGrid(components, each, grid, grid, images[i].data.image[0]))
  const highest = densities[0].reduce((most, value) => Math.max(most, value), 0)
  args.colours.setv({high: highest}, {silent: true})
  images.forEach((image) => image.change.emit())
  for (const [source, each] of [[args.ellipses[0], 0], [args.ellipses[1], error]]) {
    const columns = {xs: [], ys: [], colour: [], width: []}
    components.forEach((component, k) => {
      for (const radius of [1, 2]) {
        const {xs, ys} = ellipse(component, each, radius)
        columns.xs.push(xs)
        columns.ys.push(ys)
        columns.colour.push(args.palette[k])
        columns.width.push(radius === 1 ? 2.5 : 1.2)
      }
    })
    show(source, columns)
  }
  const columns = {x: [], y: [], k: [], part: [], marker: [], colour: [], size: []}
  const stalks = {x0: [], y0: [], x1: [], y1: [], colour: []}
  components.forEach((component, k) => {
    for (const {part, x, y} of handles(component)) {
      columns.x.push(x)
      columns.y.push(y)
      columns.k.push(k)
      columns.part.push(part)
      columns.marker.push(part === "mean" ? "circle" : "square")
      columns.colour.push(args.palette[k])
      columns.size.push(part === "mean" ? 15 : 10)
      if (part !== "mean") {
        stalks.x0.push(component.x)
        stalks.y0.push(component.y)
        stalks.x1.push(x)
        stalks.y1.push(y)
        stalks.colour.push(args.palette[k])
      }
    }
  })
  show(args.handles, columns)
  show(args.stalks, stalks)
  const noise = ellipse({x: args.corner, y: args.corner, first: 0, second: 0, angle: 0}, error, 1)
  show(args.noise, {x: noise.xs, y: noise.ys})
}

function showDraws(args, components, error) {
  if (seed !== args.seed.tags[0]) {
    seed = args.seed.tags[0]
    rows = randomNumbers(new RandomState(seed), args.n_draws.end)
  }
  const made = draws(components, error, rows, args.n_draws.value)
  show(args.draws, made)
  args.sliders.forEach((_, k) => {
    show(args.dots[0][k], dashes(made.true_x, made.true_y, made.component, k, args.dash))
    show(args.dots[1][k], dashes(made.x, made.y, made.component, k, args.dash))
  })
  show(args.histogram, {...args.histogram.data, top: histogram(made.x, args.edges)})
}

function showCurves(args, components, error) {
  const {places} = args
  const columns = {x: places, intrinsic: densityAlongX(components, 0, places)}
  columns.observed = densityAlongX(components, error, places)
  show(args.curves, columns)
  const each = {xs: [], ys: [], colour: []}
  components.forEach((component, k) => {
    each.xs.push(places)
    each.ys.push(densityAlongX([component], 0, places))
    each.colour.push(args.palette[k])
  })
  show(args.component_curves, each)
  const highest = Math.max(...columns.intrinsic, ...args.histogram.data.top)
  const {end} = args.along.y_range
  if (highest > end || highest < 0.6 * end) args.along.y_range.end = 1.2 * highest
}

function tableOf(components, error, palette) {
  const number = (value) => value.toFixed(2).replace("-", "−")
  const cells = components.map((component, k) => {
    const intrinsic = principalAxes(covariance(component))
    const observed = principalAxes(covariance(component, error))
    const numbers = [
      `P(${k + 1}) = ${component.weight.toFixed(3)}`,
      `${number(component.x)}, ${number(component.y)}`,
      `${number(intrinsic.first)}, ${number(intrinsic.second)}`,
      `${number(observed.first)}, ${number(observed.second)}`,
      `${number((intrinsic.angle * 180) / Math.PI)}°`,
    ]
    const row = numbers.map((text) => `<td style="padding: 1px 14px 1px 0">${text}</td>`).join("")
    return `<tr><td style="color: ${palette[k]}; padding-right: 8px">●</td>${row}</tr>`
  })
  const titles = ["", "proportion", "mean x, y", "widths σ", "as observed", "direction"]
  const head = titles.map((text) => `<th style="padding: 1px 14px 1px 0; font-weight: 600">${text}</th>`).join("")
  return `<table style="text-align: left; font-size: 13px"><tr>${head}</tr>${cells.join("")}</table>`
}

function wordsOf(components, error) {
  const sum = components.reduce((all, {weight}) => all + weight, 0)
  const intrinsic = widthAlongX(components, 0).toFixed(2)
  const observed = widthAlongX(components, error).toFixed(2)
  const parts = error === 0 ? "Without an error both are the same" : "The error is in what is observed"
  return (
    `The proportions add up to ${sum.toFixed(3)}. ${parts}: along x the true values scatter by <b>${intrinsic}</b>, ` +
    `the observed ones by <b>${observed}</b> = √(${intrinsic}² + ${error.toFixed(2)}²).`)
}

function oneMore(args, components) {
  const n = components.length
  const added = {...args.added[n - 1], weight: 0}
  const weights = withWeight([...components.map(({weight}) => weight), 0], n, 1 / (n + 1))
  keep(args, [...components, added].map((component, k) => ({...component, weight: weights[k]})))
}

function oneFewer(args, components) {
  const weights = withWeight(components.map(({weight}) => weight), components.length - 1, 0)
  const kept = components.slice(0, -1)
  keep(args, kept.map((component, k) => ({...component, weight: weights[k]})))
}

function onSlider(args, components, slider) {
  const k = args.sliders.indexOf(slider)
  if (k >= components.length || slider.value === components[k].weight) return // set by this page
  const weights = withWeight(components.map(({weight}) => weight), k, slider.value)
  keep(args, components.map((component, j) => ({...component, weight: weights[j]})))
}

function onMouse(args, components, event) {
  if (event.event_name === "panstart") grasped = nearestHandle(args, components, event)
  if (!grasped) return
  const {k, part, dx, dy} = grasped
  const {start, end} = args.plane.x_range
  const [x, y] = [event.x + dx, event.y + dy].map((place) => Math.min(Math.max(place, start), end)) // a square
  const changed = components.with(k, dragged(components[k], part, x, y))
  if (event.event_name === "panend") {
    grasped = null
    keep(args, changed)
  } else moving = changed
}

function nearestHandle({plane}, components, event) {
  const per_pixel = (plane.x_range.end - plane.x_range.start) / plane.inner_width
  let nearest = null
  let smallest = GRASP * per_pixel
  components.forEach((component, k) => {
    for (const {part, x, y} of handles(component)) {
      const distance = Math.hypot(x - event.x, y - event.y)
      if (distance < smallest) {
        smallest = distance
        nearest = {k, part, dx: x - event.x, dy: y - event.y}
      }
    }
  })
  return nearest
}

// `object` is a model of which a property changed, or an event with its `event_name`.
export default function (args, object) {
  const components = componentsOf(args.components)
  if (args.sliders.includes(object)) onSlider(args, components, object)
  else if (object.event_name === "button_click") onButton(args, components, object.origin)
  else if (object.event_name) onMouse(args, components, object)
  updateLater(args)
}

function onButton(args, components, button) {
  if (button === args.more) oneMore(args, components)
  if (button === args.fewer) oneFewer(args, components)
  if (button === args.seed) button.tags = [button.tags[0] + 1]
  if (button === args.again) keep(args, args.start)
}
