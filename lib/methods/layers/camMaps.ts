import { AscribeError } from '../../errors.js'
import type { GraphBuilder, Value } from '../../graph/builder.js'
import { readsShapeOnly } from '../../model/knownInputs.js'
import type { ExplainedParts, Pass } from '../inputs/pass.js'
import type { CamGeometry } from './camGeometry.js'

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
  Cam: ({ mul, sum }, a, g) => mul(sum(g), a),
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

/** The map [N, places] that an activation-weighing method makes of a layer. */
export const camPass = (name: CamName, layer: string, geometry: CamGeometry): Pass => ({
  name: `${name} ${JSON.stringify(geometry)}`,
  outputNames: [layer],
  outputs: parts => {
    const { builder, values, gradients } = parts
    if (name === 'Cam') requireLinearHead(parts)
    const isMaps = geometry.kind === 'maps'
    const { leading, height, width } = geometry
    // Tokens that are no places have no part, in means neither.
    const places = (value: Value) =>
      isMaps
        ? value
        : builder.apply('slice', [
            value,
            builder.integers([leading]),
            builder.integers([leading + height * width]),
            builder.integers([1]),
          ])
    const [gradient] = gradients(values)
    const tools = new Tools(builder, isMaps ? [2, 3] : [1])
    const weighed = contributions[name](tools, places(values[0]!), places(gradient!))
    const map = builder.apply('sum', [weighed], { axes: [isMaps ? 1 : 2], keepDims: 0 })
    return [{ name: layer, value: builder.apply('flatten', [map], { axis: 1 }) }]
  },
})

const means = new Set(['globalAveragePool', 'mean'])
const linear = new Set(
  'identity dropout cast reshape flatten squeeze unsqueeze transpose gather gatherElements add sub matMul conv'.split(
    ' ',
  ),
)

/** @throws AscribeError MODEL_CAPABILITY */
function requireLinearHead({ builder, values, objective }: ExplainedParts): void {
  const moving = new Set(values.map(({ index }) => index))
  const leading = new Set([objective.index])
  for (const node of builder.nodes.toReversed())
    if (node.outputs.some(output => leading.has(output))) for (const input of node.inputs) leading.add(input)
  const others: string[] = []
  let hasMean = false
  for (const node of builder.nodes) {
    const moves = node.inputs.filter((input, at) => moving.has(input) && !readsShapeOnly(node, at)).length
    if (moves === 0 || !node.outputs.some(output => leading.has(output))) continue
    for (const output of node.outputs) moving.add(output)
    hasMean ||= means.has(node.op)
    if (moves > 1 || !(means.has(node.op) || linear.has(node.op)))
      others.push(`${node.name ?? node.op} (${node.op})`)
  }
  if (hasMean && others.length === 0) return
  throw new AscribeError(
    'MODEL_CAPABILITY',
    others.length > 0
      ? `CAM needs a mean of the maps and a linear head; behind the layer there is ${others.slice(0, 5).join(', ')}`
      : 'CAM needs a mean of the maps; behind the layer there is none',
    { hint: 'GradCam and its relatives take any model.' },
  )
}
