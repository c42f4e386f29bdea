import type { NodeDescription } from '#typings/addon.js'
import { AscribeError } from '../../errors.js'
import { type GraphBuilder, Value } from '../../graph/builder.js'
import { readsShapeOnly } from '../../model/knownInputs.js'
import type { ExplainedParts } from './pass.js'

/** Name of the plan's output that says how far it is to the end of the piece. */
export const reachName = 'ascribe.reach'

/** Name of the further input that holds where the path of what is explained ends: the plan's own values stand on it. */
export const endName = (at: number): string => `end.${at}`

/** Linear in what moves, whichever of the operands that is. */
const linear = new Set(
  [
    'identity dropout cast neg add sub reshape reshapeLike flatten squeeze unsqueeze transpose expand expandLike concat',
    'slice pad tile trilu depthToSpace spaceToDepth sum mean sumTo cumSum averagePool globalAveragePool stopGradient',
  ].flatMap(line => line.split(' ')),
)
/** Linear in their first operand, as long as only that moves. */
const linearInFirst = new Set(['div', 'batchNorm', 'gather', 'gatherElements', 'gatherNd', 'resize', 'prelu'])
/** Linear in each operand, as long as only one moves. */
const bilinear = new Set(['mul', 'matMul', 'conv', 'convTranspose'])

/** Values that are 0 where a node has a kink; undefined where it is not linear in pieces. */
function kinks(graph: GraphBuilder, node: NodeDescription, moves: readonly boolean[]): Value[] | undefined {
  const at = (operand: number) => new Value(graph, node.inputs[operand]!)
  const less = (a: Value, b: Value) => graph.apply('sub', [a, b])
  const { op, attributes } = node
  const moving = moves.filter(Boolean).length
  if (op === 'prelu') return moving === 1 && moves[0] ? [at(0)] : undefined
  if (linear.has(op) || (linearInFirst.has(op) && moving === 1 && moves[0])) return []
  if (bilinear.has(op) && moving === 1) return []
  const number = (name: string, fallback: number) => (attributes[name] as number | undefined) ?? fallback
  switch (op) {
    case 'relu':
    case 'leakyRelu':
    case 'abs':
      return [at(0)]
    case 'clip':
      // Bounds that single precision has no number beyond are none.
      return [number('min', -3.4e38), number('max', 3.4e38)]
        .filter(bound => Math.abs(bound) < 1e38)
        .map(bound => less(at(0), graph.scalar(bound)))
    case 'hardSigmoid': {
      const { alpha = 0.2, beta = 0.5 } = attributes as { alpha?: number; beta?: number }
      const scaled = graph.apply('mul', [at(0), graph.scalar(alpha)])
      return [0, 1].map(bound => less(scaled, graph.scalar(bound - beta)))
    }
    case 'max':
    case 'min':
      return node.inputs.length === 2 ? [less(at(0), at(1))] : undefined
    case 'globalMaxPool':
    case 'reduceMax':
    case 'reduceMin': {
      const axes = (attributes.axes as number[] | undefined) ?? []
      const greatest =
        op === 'globalMaxPool'
          ? new Value(graph, node.outputs[0]!)
          : graph.apply(op, [at(0)], axes.length > 0 ? { axes, keepDims: 1 } : { keepDims: 1 })
      return [less(at(0), greatest)]
    }
    case 'maxPool':
      return poolKinks(graph, node)
  }
  return undefined
}

/** How much less each element of a window is than the greatest, place by place within the window. */
function poolKinks(graph: GraphBuilder, node: NodeDescription): Value[] | undefined {
  const {
    kernel,
    strides,
    dilations,
    pads,
    autoPad = 'explicit',
    ceilMode = 0,
  } = node.attributes as {
    kernel: number[]
    strides?: number[]
    dilations?: number[]
    pads?: number[]
    autoPad?: string
    ceilMode?: number
  }
  const axes = kernel.map((_, axis) => axis + 2)
  if (autoPad !== 'explicit' || ceilMode !== 0 || dilations?.some(each => each !== 1)) return undefined
  const rank = kernel.length
  const sides = pads ?? new Array<number>(2 * rank).fill(0)
  const x = new Value(graph, node.inputs[0]!)
  const all = [0, 0, ...sides.slice(0, rank), 0, 0, ...sides.slice(rank)]
  const padded = graph.apply('pad', [x, graph.integers(all), graph.scalar(-1e30)], { mode: 'constant' })
  const greatest = new Value(graph, node.outputs[0]!)
  const offsets = kernel.reduce<number[][]>(
    (found, size) => found.flatMap(each => Array.from({ length: size }, (_, at) => [...each, at])),
    [[]],
  )
  return offsets.map(offset => {
    // So that what is left has as many steps as there are windows.
    const ends = offset.map((at, axis) => at - kernel[axis]! + 1)
    const window = graph.apply('slice', [
      padded,
      graph.integers(offset),
      graph.integers(ends.map(end => (end === 0 ? 2 ** 31 : end))),
      graph.integers(axes),
      graph.integers(strides ?? axes.map(() => 1)),
    ])
    return graph.apply('sub', [window, greatest])
  })
}

/** The part of the path, from the point that a plan is at, on which no value before a kink changes its sign: [N]. */
function reachOf(parts: ExplainedParts): Value {
  const { builder: graph, values, baselines, objective, extra } = parts
  const moving = new Set(values.map(value => value.index))
  const leading = new Set([objective.index])
  const nodes = [...graph.nodes]
  for (const node of nodes.toReversed())
    if (node.outputs.some(output => leading.has(output))) for (const input of node.inputs) leading.add(input)
  const before: Value[] = []
  const others: string[] = []
  for (const node of nodes) {
    const moves = node.inputs.map((input, at) => moving.has(input) && !readsShapeOnly(node, at))
    if (!moves.some(Boolean) || !node.outputs.some(output => leading.has(output))) continue
    for (const output of node.outputs) moving.add(output)
    const found = kinks(graph, node, moves)
    if (found) before.push(...found)
    else others.push(`${node.name ?? node.op} (${node.op})`)
  }
  if (others.length > 0)
    throw new AscribeError(
      'MODEL_CAPABILITY',
      `The target is not linear in pieces: ${others.slice(0, 5).join(', ')}${others.length > 5 ? ` and ${others.length - 5} more` : ''}`,
      { hint: 'IntegratedGradients takes any model; so do DeepLift and GuidedIntegratedGradients.' },
    )
  const far = graph.apply('add', [graph.apply('mul', [objective, graph.scalar(0)]), graph.scalar(2)])
  if (before.length === 0) return far
  // How each changes along the path: by differentiating the backward pass, which is linear in its cotangents.
  const zero = graph.constant('f32', [1], Float32Array.of(0))
  const cotangents = before.map(value => graph.apply('expandLike', [zero, value], { leading: 1 }))
  const backward = graph.vjp(before, cotangents, [...values])
  const seeds = values.map((_, at) =>
    graph.apply('unsqueeze', [graph.apply('sub', [extra(endName(at)), baselines[at]!])], { axes: [0, 1] }),
  )
  const slopes = graph
    .vjp(backward, seeds, cotangents)
    .map(each => graph.apply('squeeze', [each], { axes: [0, 1] }))
  const reaches = before.map((value, at) => {
    const slope = slopes[at]!
    const nearer = graph.apply('less', [graph.apply('mul', [value, slope]), graph.scalar(0)])
    const rest = graph.apply('neg', [graph.apply('div', [value, slope])])
    const reach = graph.apply('where', [nearer, rest, graph.scalar(2)])
    return graph.apply('reduceMin', [graph.apply('flatten', [reach], { axis: 1 })], {
      axes: [1],
      keepDims: 0,
    })
  })
  return reaches.reduce((least, reach) => graph.apply('min', [least, reach]), far)
}

/** Gradients of what is explained, and the reach: what the walk over the pieces of a path reads. */
export function piecewiseOutputs(parts: ExplainedParts): Value[] {
  const reach = reachOf(parts)
  return [...parts.gradients(parts.values), reach]
}
