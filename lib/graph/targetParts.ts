import { AscribeError } from '../errors.js'
import type { GraphBuilder, Value } from './builder.js'
import type { PredictionParts } from './predictionTarget.js'
import type { DetectionOutputs, PredictionDetails } from './target.js'

const index = (graph: GraphBuilder, at: number): Value =>
  graph.constant('i64', [], BigInt64Array.of(BigInt(at)))
const flat = (graph: GraphBuilder, value: Value): Value =>
  graph.apply('reshape', [value, graph.integers([-1])])

/** An element of a value inside the model: its place in the flattened value, or along each axis. */
export function neuron(
  graph: GraphBuilder,
  { layer, index: places }: { layer: string; index: readonly number[] },
  inner: ReadonlyMap<string, Value>,
): Value {
  const value = inner.get(layer)
  if (value === undefined)
    throw new AscribeError('LAYER_NOT_FOUND', `The model has no value called "${layer}"`, {
      hint: 'model.layers() lists them.',
    })
  const whole = places.length === 1 ? graph.apply('flatten', [value], { axis: 1 }) : value
  const picked = places.reduce(
    (from, at) => graph.apply('gather', [from, index(graph, at)], { axis: 1 }),
    whole,
  )
  return flat(graph, picked)
}

/** The sum of a channel [N, C, H, W] over the pixels at which it is the greatest. */
export function segment(graph: GraphBuilder, output: Value, channel: number): Value {
  const scores = graph.apply('gather', [output, index(graph, channel)], { axis: 1 })
  const greatest = graph.apply('argMax', [output], { axis: 1, keepDims: 0 })
  const isIts = graph.apply('equal', [greatest, index(graph, channel)])
  const kept = graph.apply('where', [isIts, scores, graph.scalar(0)])
  return graph.apply('sum', [kept], { axes: [1, 2], keepDims: 0 })
}

/** The cosine of rows [N, D] and a vector. */
export function similarity(graph: GraphBuilder, output: Value, reference: Float32Array): Value {
  const rows = graph.apply('flatten', [output], { axis: 1 })
  const length = Math.sqrt(reference.reduce((sum, value) => sum + value * value, 0))
  const unit = graph.constant(
    'f32',
    [1, reference.length],
    reference.map(value => value / length),
  )
  const total = (value: Value) => graph.apply('sum', [value], { axes: [1], keepDims: 0 })
  const square = total(graph.apply('mul', [rows, rows]))
  return graph.apply('div', [total(graph.apply('mul', [rows, unit])), graph.apply('sqrt', [square])])
}

/** Intersection over union of boxes [N, boxes, 4] with one box: [N, boxes]. */
function overlap(graph: GraphBuilder, boxes: Value, box: readonly number[], isCentre: boolean): Value {
  const part = (at: number) => graph.apply('gather', [boxes, index(graph, at)], { axis: 2 })
  const two = <N extends 'add' | 'sub' | 'mul' | 'div' | 'max' | 'min'>(op: N, a: Value, b: Value | number) =>
    graph.apply(op, [a, typeof b === 'number' ? graph.scalar(b) : b])
  const half = (at: number) => two('mul', part(at), 0.5)
  const [left, top, right, bottom] = isCentre
    ? [
        two('sub', part(0), half(2)),
        two('sub', part(1), half(3)),
        two('add', part(0), half(2)),
        two('add', part(1), half(3)),
      ]
    : [part(0), part(1), part(2), part(3)]
  const [l, t, r, b] = box as [number, number, number, number]
  const width = two('max', two('sub', two('min', right!, r), two('max', left!, l)), 0)
  const height = two('max', two('sub', two('min', bottom!, b), two('max', top!, t)), 0)
  const both = two('mul', width, height)
  const own = two('mul', two('sub', right!, left!), two('sub', bottom!, top!))
  const either = two('sub', two('add', own, (r - l) * (b - t)), both)
  return two('div', both, two('max', either, 1e-12))
}

/** The score of a class for the box that overlaps most with the given one. */
export function detection(
  graph: GraphBuilder,
  outputs: ReadonlyMap<string, Value>,
  target: { class: number; box: readonly number[]; outputs: DetectionOutputs },
): Value {
  const { scores, boxes, format } = target.outputs
  const [found, where] = [outputs.get(scores), outputs.get(boxes)]
  if (found === undefined || where === undefined)
    throw new AscribeError('TARGET_INVALID', `The model has no outputs called "${scores}" and "${boxes}"`, {
      hint: `Its outputs are ${[...outputs.keys()].join(', ')}.`,
    })
  const nearest = graph.apply('argMax', [overlap(graph, where, target.box, format === 'centre')], {
    axis: 1,
    keepDims: 1,
  })
  const ofClass = graph.apply('gather', [found, index(graph, target.class)], { axis: 2 })
  return flat(graph, graph.apply('gatherElements', [ofClass, nearest], { axis: 1 }))
}

/** What a prediction is computed from, for an output [N, T, vocabulary] or [N, vocabulary]. */
export function predictionParts(
  graph: GraphBuilder,
  output: Value,
  { position, token = 0, contrast, noisy, topK, topP }: PredictionDetails,
): PredictionParts {
  const row =
    position === undefined ? output : graph.apply('gather', [output, index(graph, position)], { axis: 1 })
  const logits = graph.apply('flatten', [row], { axis: 1 })
  // One for each example, which a gather along the classes asks for.
  const examples = graph.apply(
    'concat',
    [graph.apply('shape', [logits], { start: 0, end: 1 }), graph.integers([1])],
    {
      axis: 0,
    },
  )
  const forAll = (at: number) => graph.apply('expand', [index(graph, at), examples])
  const given = contrast?.logits
  const reference =
    given === undefined
      ? logits
      : graph.apply('expandLike', [
          graph.constant('f32', [1, given.length], Float32Array.from(given)),
          logits,
        ])
  return {
    graph,
    logits,
    token: forAll(token),
    contrast: forAll(contrast?.token ?? token),
    reference,
    topK,
    topP,
    noisy: noisy && { mean: graph.scalar(noisy.mean), deviation: graph.scalar(noisy.deviation) },
  }
}
