// What happens on the page of expectation maximisation: buttons make steps, and steps become curves and colours. The
// last lines are what bokeh calls.

const PAUSE = 120 // milliseconds between two steps of a run

let begun = null // where the fit started
let timer = null
let random = null

// The values that were chosen, and their errors: zeros where errors are ignored.
function measured(args) {
  const {values, errors} = args.data_sets[args.data_set.value]
  return {values, errors: args.used.active === 0 ? errors : errors.map(() => 0)}
}

function componentsOf(args) {
  const {weight, mean, variance} = args.components.data
  return Array.from(weight, (_, k) => ({weight: weight[k], mean: mean[k], variance: variance[k]}))
}

function columnsOf(components) {
  return {
    weight: components.map(({weight}) => weight),
    mean: components.map(({mean}) => mean),
    variance: components.map(({variance}) => variance),
  }
}

function show(source, columns) {
  source.setv({data: columns}, {silent: true})
  source.change.emit()
}

function begin(args, components) {
  stop(args)
  begun = components
  show(args.components, columnsOf(components))
  show(args.trace, {step: [], log_likelihood: []})
  const {values, errors} = measured(args)
  note(args, components, values, errors)
  update(args)
}

function beginAnew(args) {
  const {places, label} = args.data_sets[args.data_set.value]
  args.plane.x_range.setv({start: places[0], end: places[places.length - 1]})
  args.strip.below[0].axis_label = label
  begin(args, start(measured(args).values, args.n_components.active + 1))
}

// Up to n steps, and whether another one would change anything.
function advance(args, n) {
  const {values, errors} = measured(args)
  let components = componentsOf(args)
  for (let i = 0; i < n && !isFinished(args, components, values, errors); i++) {
    components = step(components, values, errors)
    note(args, components, values, errors)
  }
  show(args.components, columnsOf(components))
  update(args)
  return !isFinished(args, components, values, errors)
}

function isFinished(args, components, values, errors) {
  const history = args.trace.data.log_likelihood
  if (collapsed(components, values, errors).length) return true
  return predictedGain(history) < ENOUGH || history.length > MOST_STEPS
}

// The likelihood that was reached, unless it is infinite.
function note(args, components, values, errors) {
  const {logLikelihood} = expect(components, values, errors)
  if (logLikelihood === Infinity) return
  args.trace.data.step.push(args.trace.data.step.length)
  args.trace.data.log_likelihood.push(logLikelihood)
}

// The longer it takes, the more steps are made at once.
function run(args) {
  const n = 1 + Math.floor(args.trace.data.step.length / 15)
  timer = setTimeout(() => (advance(args, n) ? run(args) : stop(args)), PAUSE)
  args.run.label = "Stop"
}

function stop(args) {
  clearTimeout(timer)
  timer = null
  args.run.label = "Run"
}

function update(args) {
  const {values, errors} = measured(args)
  const components = componentsOf(args)
  const {responsibilities} = expect(components, values, errors)
  args.trace.change.emit()
  showValues(args, values, errors, responsibilities)
  showCurves(args, components, values, errors)
  args.words.text = described(args.trace.data.log_likelihood, components, values, errors)
  args.table.text = tableOf(args, components, values, errors)
}

function showValues(args, values, errors, responsibilities) {
  const colour = mixedColours(responsibilities, args.rgb)
  const y = values.map((_, i) => (0.5 + i * 0.618034) % 1)
  const left = values.map((value, i) => value - errors[i])
  const right = values.map((value, i) => value + errors[i])
  show(args.values, {x: values, error: errors, y, left, right, colour})
}

function showCurves(args, components, values, errors) {
  const {places, edges} = args.data_sets[args.data_set.value]
  const total = new Array(places.length).fill(0)
  const each = {xs: [], ys: [], colour: []}
  components.forEach((component, k) => {
    density(component, 0, places).forEach((value, i) => (total[i] += value))
    const width = Math.sqrt(component.variance)
    const near = Array.from({length: 81}, (_, i) => component.mean + (i - 40) * 0.125 * width)
    const own = [...places, ...near].sort((a, b) => a - b)
    each.xs.push(own)
    each.ys.push(density(component, 0, own))
    each.colour.push(args.palette[k])
  })
  show(args.component_curves, each)
  const gone = collapsed(components, values, errors)
  show(args.spikes, {x: gone.map((k) => components[k].mean), colour: gone.map((k) => args.palette[k])})
  show(args.curves, {x: places, intrinsic: total, measured: measuredDensity(components, errors, places)})
  const top = histogram(values, edges)
  show(args.histogram, {left: edges.slice(0, -1), right: edges.slice(1), top})
  const highest = Math.max(...top)
  args.plane.y_range.end = Math.min(Math.max(1.25 * highest, 1.15 * Math.max(...total)), 4 * highest)
}

function inDigits(width) {
  return width > 0 && width < 5e-4 ? width.toExponential(1) : width.toFixed(3)
}

function tableOf({palette}, components, values, errors) {
  const gone = collapsed(components, values, errors)
  const rows = components.map(({weight, mean, variance}, k) => {
    const width = Math.sqrt(variance)
    const numbers = [weight.toFixed(3), mean.toFixed(3), inDigits(width)]
    const marked = [...numbers, gone.includes(k) ? "<b>collapsed</b>" : ""]
    const cells = marked.map((text) => `<td style="padding: 1px 14px 1px 0">${text.replace("-", "−")}</td>`).join("")
    return `<tr><td style="color: ${palette[k]}; padding-right: 8px">●</td>${cells}</tr>`
  })
  const titles = ["", "weight", "mean", "intrinsic σ", ""]
  const head = titles.map((text) => `<th style="padding: 1px 14px 1px 0; font-weight: 600">${text}</th>`).join("")
  return `<table style="text-align: left; font-size: 13px"><tr>${head}</tr>${rows.join("")}</table>`
}

function onButton(args, button) {
  const {values} = measured(args)
  if (button === args.step) {
    stop(args)
    advance(args, 1)
  }
  if (button === args.run) timer === null ? run(args) : stop(args)
  if (button === args.restart) begin(args, begun)
  if (button === args.other) {
    random ??= new RandomState(args.seed)
    const n = args.n_components.active + 1
    begin(args, start(values, n, chosen(values, n, random)))
  }
  if (button === args.singular) {
    args.used.active = 1
    args.n_components.active = 1
    begin(args, singularStart(values))
  }
}

// `object` is a model of which a property changed, or a click with its `event_name`.
export default function (args, object) {
  if (object.event_name) onButton(args, object.origin)
  else if (object === args.used && begun) begin(args, begun)
  else if (object === args.n_components && begun && begun.length === object.active + 1) return // set by a button
  else beginAnew(args)
}
