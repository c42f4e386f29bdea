import type { GraphBuilder, Value } from '../../graph/builder.js'

/** A picture blurred as far as its example says, and how each element changes with that. */
export interface Blurred {
  value: Value
  /** Derivative in sigma. */
  slope: Value
}

/** Below this many pixels a Gaussian on whole pixels is nothing but its middle. */
const leastSigma = 1e-3
/** Where the Gaussian of the sum that scales it is cut. */
const reach = 4

/** Rows of Gaussians [N, length, length] of unit sum on the endless line, and their derivative in sigma [N, 1, 1]. */
function kernel(graph: GraphBuilder, sigma: Value, length: number, maximum: number) {
  const two = (op: 'mul' | 'div' | 'sub', a: Value, b: Value) => graph.apply(op, [a, b])
  const squares = (shape: number[], of: (at: number) => number) =>
    graph.constant(
      'f32',
      shape,
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, at) => of(at) ** 2),
    )
  const half = Math.ceil(reach * maximum)
  const within = squares([1, length, length], at => Math.floor(at / length) - (at % length))
  const line = squares([1, 1, 2 * half + 1], at => at - half)
  const spread = two('mul', graph.scalar(-2), two('mul', sigma, sigma))
  const cube = two('mul', sigma, two('mul', sigma, sigma))
  const weights = (distances: Value) => graph.apply('exp', [two('div', distances, spread)])
  const slopes = (distances: Value) => two('div', two('mul', weights(distances), distances), cube)
  const total = (value: Value) => graph.apply('sum', [value], { axes: [2], keepDims: 1 })
  const sum = total(weights(line))
  const value = two('div', weights(within), sum)
  const slope = two('div', two('sub', slopes(within), two('mul', value, total(slopes(line)))), sum)
  return { value, slope }
}

/**
 * A Gaussian blur of maps [N, C, H, W] (or [N, H, W, C]) with a width in pixels for each example; beyond the edges there
 * are zeros.
 *
 * @param sigma [N, 1]
 * @param maximum The greatest sigma there will be.
 */
export function gaussianBlur(
  graph: GraphBuilder,
  x: Value,
  sigma: Value,
  maximum: number,
  layout: { isChannelLast: boolean; height: number; width: number },
): Blurred {
  const { isChannelLast, height, width } = layout
  const least = graph.apply('max', [sigma, graph.scalar(leastSigma)])
  const each = graph.apply('unsqueeze', [least], { axes: [2] })
  const over = (value: Value) => graph.apply('unsqueeze', [value], { axes: [1] })
  const rows = kernel(graph, each, height, maximum)
  const columns = kernel(graph, each, width, maximum)
  const swap = (value: Value, permutation: number[]) => graph.apply('transpose', [value], { permutation })
  const maps = isChannelLast ? swap(x, [0, 3, 1, 2]) : x
  // The kernels are symmetric.
  const blur = (a: Value, value: Value, b: Value) =>
    graph.apply('matMul', [graph.apply('matMul', [over(a), value]), over(b)])
  const back = (value: Value) => (isChannelLast ? swap(value, [0, 2, 3, 1]) : value)
  const change = graph.apply('add', [
    blur(rows.slope, maps, columns.value),
    blur(rows.value, maps, columns.slope),
  ])
  return { value: back(blur(rows.value, maps, columns.value)), slope: back(change) }
}
