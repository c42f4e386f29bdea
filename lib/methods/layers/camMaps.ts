import type { GraphBuilder, Value } from '../../graph/builder.js'
import type { Pass } from '../inputs/pass.js'

/**
 * What each channel of a layer adds to the map, from activations a and gradients g [N, K, h, w] (or tokens [N, T, K]):
 * the map is the sum over channels.
 */
type Contribution = (tools: Tools, a: Value, g: Value) => Value

/** Arithmetic on maps; `places` are the axes of a map, `spread` sums over them. */
class Tools {
  constructor(
    private readonly builder: GraphBuilder,
    private readonly places: number[],
  ) {}
  mul = (a: Value, b: Value) => this.builder.apply('mul', [a, b])
  add = (a: Value, b: Value) => this.builder.apply('add', [a, b])
  div = (a: Value, b: Value) => this.builder.apply('div', [a, b])
  relu = (a: Value) => this.builder.apply('relu', [a])
  number = (value: number) => this.builder.scalar(value)
  mean = (a: Value) => this.builder.apply('mean', [a], { axes: this.places, keepDims: 1 })
  sum = (a: Value) => this.builder.apply('sum', [a], { axes: this.places, keepDims: 1 })
  /** `value` where `of` is not 0. */
  unlessZero = (of: Value, value: Value) =>
    this.builder.apply('where', [this.builder.apply('equal', [of, this.number(0)]), this.number(0), value])
}

const contributions = {
  GradCam: ({ mul, mean }, a, g) => mul(mean(g), a),
  GradCamPlusPlus: ({ mul, add, div, sum, relu, number, unlessZero }, a, g) => {
    const square = mul(g, g)
    const below = add(add(mul(square, number(2)), mul(mul(square, g), sum(a))), number(1e-6))
    return mul(sum(mul(unlessZero(g, div(square, below)), relu(g))), a)
  },
  HiResCam: ({ mul }, a, g) => mul(g, a),
  GradCamElementwise: ({ mul, relu }, a, g) => relu(mul(g, a)),
  LayerCam: ({ mul, relu }, a, g) => mul(relu(g), a),
  XGradCam: ({ mul, add, div, sum, number }, a, g) => mul(div(sum(mul(g, a)), add(sum(a), number(1e-7))), a),
} satisfies Record<string, Contribution>

export type CamName = keyof typeof contributions

/** Maps [N, K, h, w], or tokens [N, T, K]. */
export const camPass = (name: CamName): Pass => ({
  name,
  outputs: ({ builder, explained, values, gradients }) => {
    const [layer] = explained.names as [string]
    const places = explained.tensors[layer]!.shape.length === 4 ? [2, 3] : [1]
    const [gradient] = gradients(values)
    const value = contributions[name](new Tools(builder, places), values[0]!, gradient!)
    return [{ name: layer, value }]
  },
})
