import type { GraphDescription } from '#typings/addon.js'
import type { Value } from '../../../graph/builder.js'
import type { ImportedBody, OnnxNode, OperatorTable } from '../node.js'
import { invalidModel } from '../problems.js'
import type { Scope } from '../scope.js'

/** Inputs for captured values that this body does not read but another of the node does. */
function withCaptures(body: ImportedBody, all: readonly string[], own: number): GraphDescription {
  const values = [...body.graph.values]
  const inputOf = new Map(body.captured.map((name, at) => [name, body.graph.inputs[own + at]!]))
  const inputs = all.map(
    name =>
      inputOf.get(name) ??
      values.push({ kind: 'input', name: `${name}.unread`, dtype: 'f32', shape: [] }) - 1,
  )
  return { ...body.graph, values, inputs: [...body.graph.inputs.slice(0, own), ...inputs] }
}

function attach(node: OnnxNode, attribute: string, graph: GraphDescription): string {
  const base = `${node.source.label}.${attribute}`
  let key = base
  for (let copy = 2; key in node.graph.subgraphs; copy++) key = `${base}#${copy}`
  node.graph.subgraphs[key] = graph
  return key
}

/** Results of a node with bodies: what is known of them is what is known of the bodies'. */
function resultsOf(node: OnnxNode, results: readonly Value[], bodies: readonly ImportedBody[]): Value[] {
  return results.map((value, at) => {
    const types = bodies.map(body => body.outputs[at])
    const same = <K extends 'dtype' | 'rank'>(key: K) =>
      types.every(type => type?.[key] === types[0]?.[key]) ? types[0]?.[key] : undefined
    return node.define(value, same('dtype'), same('rank'))
  })
}

function conditional(node: OnnxNode): Value[] {
  const none = () => {}
  const bodies = [node.body('then_branch', none), node.body('else_branch', none)] as const
  for (const { graph, outputs } of bodies)
    if (graph.outputs.length === outputs.length && outputs.length !== node.outputCount && outputs.length > 0)
      node.invalid(`a branch gives ${outputs.length} values, the node ${node.outputCount}`)
  const captured = [...new Set(bodies.flatMap(body => body.captured))]
  const results = node.graph.applyMany(
    'if',
    [node.input(0), ...captured.map(name => node.outside(name))],
    node.outputCount,
    {
      thenBranch: attach(node, 'then', withCaptures(bodies[0], captured, 0)),
      elseBranch: attach(node, 'else', withCaptures(bodies[1], captured, 0)),
    },
    node.source.label,
  )
  return resultsOf(node, results, bodies)
}

function loop(node: OnnxNode): Value[] {
  const carried = Array.from({ length: Math.max(0, node.inputCount - 2) }, (_, at) => node.input(at + 2))
  const body = node.body('body', (scope, inputs) => {
    if (inputs.length !== carried.length + 2)
      throw invalidModel(
        `Node ${node.source.label}: its body takes ${inputs.length} values, expected ${carried.length + 2}`,
      )
    inputs.forEach(({ name }, at) => {
      const outside = at < 2 ? undefined : carried[at - 2]!
      const dtype = at === 0 ? 'i64' : at === 1 ? 'bool' : node.dtype(outside!)
      // The rank of what is carried may change from trip to trip.
      scope.define(name, scope.bodyInput(name, dtype, at < 2 ? 0 : undefined))
    })
  })
  return runLoop(
    node,
    body,
    [node.optional(0), node.optional(1)],
    carried,
    node.outputCount,
    2 + carried.length,
  )
}

function runLoop(
  node: OnnxNode,
  body: ImportedBody,
  control: [Value | undefined, Value | undefined],
  carried: readonly Value[],
  outputs: number,
  own: number,
): Value[] {
  const stacked = outputs - carried.length
  if (stacked < 0 || (body.outputs.length > 0 && body.outputs.length !== 1 + outputs))
    node.invalid(`its body gives ${body.outputs.length} values, expected ${1 + outputs}`)
  const results = node.graph.applyMany(
    'loop',
    [...control, ...carried, ...body.captured.map(name => node.outside(name))],
    outputs,
    {
      body: attach(node, 'body', withCaptures(body, body.captured, own)),
      carried: carried.length,
      captured: body.captured.length,
    },
    node.source.label,
  )
  return results.map((value, at) => {
    const type = body.outputs[at + 1]
    const rank = at < carried.length ? undefined : type?.rank === undefined ? undefined : type.rank + 1
    return node.define(value, type?.dtype, rank)
  })
}

/** Element `trip` of a scanned input, counted from the other end where the scan runs backwards. */
function elementOf(scope: Scope, values: Value, trip: Value, axis: number, backwards: boolean): Value {
  const { builder } = scope
  let at = trip
  if (backwards) {
    const length = builder.apply(
      'shape',
      [values],
      axis === -1 ? { start: -1 } : { start: axis, end: axis + 1 },
    )
    const last = builder.apply('sub', [
      builder.apply('squeeze', [length], { axes: [0] }),
      builder.constant('i64', [], BigInt64Array.of(1n)),
    ])
    at = builder.apply('sub', [last, trip])
  }
  return builder.apply('gather', [values, at], { axis })
}

/** Scan: a loop over the elements of its inputs along an axis. */
function scan(node: OnnxNode): Value[] {
  if (node.opset < 9) node.unsupported('operator set 8')
  const scanned = node.attributes.integer('num_scan_inputs', 0)
  const states = node.inputCount - scanned
  if (scanned <= 0 || states < 0) node.invalid(`num_scan_inputs is ${scanned} of ${node.inputCount} inputs`)
  const axes = node.attributes.integers('scan_input_axes') ?? []
  const directions = node.attributes.integers('scan_input_directions') ?? []
  const outputAxes = node.attributes.integers('scan_output_axes') ?? []
  const outputDirections = node.attributes.integers('scan_output_directions') ?? []
  if (outputDirections.some(direction => direction !== 0)) node.unsupported('results in reverse')
  const carried = Array.from({ length: states }, (_, at) => node.input(at))
  const sequences = Array.from({ length: scanned }, (_, at) => node.input(states + at))
  const body = node.body('body', (scope, inputs) => {
    if (inputs.length !== node.inputCount)
      throw invalidModel(
        `Node ${node.source.label}: its body takes ${inputs.length} values, expected ${node.inputCount}`,
      )
    const trip = scope.bodyInput('ascribe.trip', 'i64', 0)
    scope.bodyInput('ascribe.goesOn', 'bool', 0)
    inputs.slice(0, states).forEach(({ name }, at) => {
      scope.define(name, scope.bodyInput(name, node.dtype(carried[at]!), node.rank(carried[at]!)))
    })
    inputs.slice(states).forEach(({ name }, at) => {
      const whole = scope.value(node.source.inputs[states + at]!)
      scope.define(name, elementOf(scope, whole, trip, axes[at] ?? 0, directions[at] === 1))
    })
  })
  // The condition of a loop, which a scan has not, comes first.
  const graph = { ...body.graph, values: [...body.graph.values] }
  const goesOn = graph.values.push({ kind: 'constant', dtype: 'bool', shape: [], data: Uint8Array.of(1) }) - 1
  const looped: ImportedBody = {
    ...body,
    graph: { ...graph, outputs: [goesOn, ...graph.outputs] },
    outputs: [{ dtype: 'bool', rank: 0 }, ...body.outputs],
  }
  const axis = axes[0] ?? 0
  const length = node.apply(
    'shape',
    [sequences[0]!],
    axis === -1 ? { start: -1 } : { start: axis, end: axis + 1 },
  )
  const trips = node.apply('squeeze', [length], { axes: [0] })
  const results = runLoop(node, looped, [trips, undefined], carried, node.outputCount, 2 + states)
  return results.map((value, at) => {
    const to = outputAxes[at - states] ?? 0
    if (at < states || to === 0) return value
    const rank = node.requireRank(value)
    const order = Array.from({ length: rank - 1 }, (_, k) => k + 1)
    order.splice(to < 0 ? to + rank : to, 0, 0)
    return node.apply('transpose', [value], { permutation: order })
  })
}

export const control: OperatorTable = { If: conditional, Loop: loop, Scan: scan }
