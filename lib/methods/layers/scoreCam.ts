import { AscribeError } from '../../errors.js'
import type { GraphBuilder, Value } from '../../graph/builder.js'
import { runExample } from '../../model/batching.js'
import type { Model } from '../../model/model.js'
import type { PreparedInput } from '../../model/prepareInput.js'
import type { AttributeOptions, MethodIdentity, Recipe } from '../inputs/gradientMethod.js'
import type { Example, Scored } from '../inputs/gradientResult.js'
import { onePass } from '../inputs/recipe.js'
import { resolveOptions } from '../options.js'
import { camElement } from './camGeometry.js'
import { CamMethod } from './camMethod.js'
import { type ScoreCamOptions, scoreCamOptions } from './camOptions.js'
import { channelPass } from './channelPass.js'

/** What keeps the range of a constant map from zero, as pytorch-grad-cam has it. */
const leastRange = 1e-8

const inputOf = (prepared: PreparedInput): string => {
  const pictures = Object.entries(prepared.tensors).filter(([, { shape }]) => shape.length === 4)
  const [only, ...others] = pictures
  if (only !== undefined && others.length === 0) return only[0]
  throw new AscribeError(
    'MODEL_CAPABILITY',
    'Score-CAM masks a picture, and the model does not take exactly one',
  )
}

/** Maps between their least and greatest value, at the size of the picture. */
function masks(
  graph: GraphBuilder,
  map: Value,
  height: number,
  width: number,
  how: 'centres' | 'corners',
): Value {
  const shape = graph.apply(
    'concat',
    [graph.apply('shape', [map], { start: 0, end: 1 }), graph.integers([1, height, width])],
    {
      axis: 0,
    },
  )
  const large = graph.apply('resize', [map, undefined, shape], {
    mode: 'linear',
    coordinateMode: how === 'corners' ? 'alignCorners' : 'halfPixel',
  })
  const most = graph.apply('reduceMax', [large], { axes: [1, 2, 3], keepDims: 1 })
  const least = graph.apply('reduceMin', [large], { axes: [1, 2, 3], keepDims: 1 })
  const range = graph.apply('add', [graph.apply('sub', [most, least]), graph.scalar(leastRange)])
  return graph.apply('div', [graph.apply('sub', [large, least]), range])
}

/**
 * Score-CAM: channels weighed by what the target makes of the picture masked with their map, as a softmax over all
 * channels. No gradients: a forward pass for each channel of the layer, and one for the picture. See {@link CamMethod} for
 * layers and options.
 *
 * Maps are laid over the picture (bilinear; `masks` says how, default `centres`) and then brought to 0 … 1, as
 * pytorch-grad-cam has it with `masks: 'corners'`; the softmax does not see whether the unmasked picture's score is taken
 * off.
 *
 * Source: Wang et al., "Score-CAM" (CVPR workshops 2020), equations 3 to 6.
 */
export class ScoreCam extends CamMethod {
  protected readonly name = 'ScoreCam'
  readonly masks: 'centres' | 'corners'

  constructor(model: Model, { masks, ...shared }: ScoreCamOptions = {}) {
    super(model, shared)
    const own = masks === undefined ? {} : { masks }
    this.masks = resolveOptions({ masks: scoreCamOptions.masks }, own).masks
  }
  override identity(): MethodIdentity {
    return { name: this.name, options: { ...this.options, masks: this.masks } }
  }
  protected override get isOneByOne(): boolean {
    return true
  }
  override get takesNoise(): boolean {
    return false
  }
  override recipe(): Recipe {
    return onePass('gradient')
  }
  override async chooseExplained(
    prepared: PreparedInput,
    options: AttributeOptions,
  ): Promise<AttributeOptions> {
    await this.layerOf(prepared, options)
    const { layer: _, ...others } = options
    return { ...others, inputs: [inputOf(prepared)] }
  }
  override async recipeFor({ prepared, explained }: Example, options: AttributeOptions): Promise<Recipe> {
    const layer = await this.layerOf(prepared, options)
    const maps = (await runExample(this.model, prepared.tensors, [layer], options.signal))[layer]!
    const geometry = this.geometryOf(layer, maps.shape)
    const [, , height, width] = explained.tensors[explained.names[0]!]!.shape as [
      number,
      number,
      number,
      number,
    ]
    const data = new Float32Array(geometry.channels * geometry.height * geometry.width)
    const places = geometry.height * geometry.width
    for (let channel = 0; channel < geometry.channels; channel++)
      for (let place = 0; place < places; place++)
        data[channel * places + place] = Number(maps.data[camElement(geometry, channel, place)]!)
    return channelPass(`ScoreCam ${this.masks} ${JSON.stringify(geometry)}`, layer, geometry.channels, {
      extras: {
        maps: { dtype: 'f32', shape: [1, geometry.channels, geometry.height, geometry.width], data },
      },
      seen: ({ builder, values, extra }, picked) => {
        const one = builder.apply('matMul', [
          builder.apply('unsqueeze', [picked], { axes: [1] }),
          builder.apply('reshape', [extra('maps'), builder.integers([-1, geometry.channels, places])]),
        ])
        const map = builder.apply('reshape', [
          one,
          builder.integers([-1, 1, geometry.height, geometry.width]),
        ])
        const none = builder.apply('sub', [
          builder.scalar(1),
          builder.apply('sum', [picked], { axes: [1], keepDims: 1 }),
        ])
        const whole = builder.apply('unsqueeze', [none], { axes: [2, 3] })
        const mask = builder.apply('add', [masks(builder, map, height, width, this.masks), whole])
        return [builder.apply('mul', [values[0]!, mask])]
      },
    })
  }
  protected override shapeOf(
    _example: Example,
    runs: Scored['runs'],
  ): { layer: string; shape: readonly number[] } {
    const { outputNames, extras } = runs[0]!.pass!
    return { layer: outputNames![0]!, shape: extras!.maps!.shape }
  }
  protected override mapOf({ rows, runs }: Scored, target: number): Float32Array {
    const scores = rows[target]!
    const { data, shape } = runs[target]!.pass!.extras!.maps!
    const places = shape[2]! * shape[3]!
    const greatest = scores.reduce((most, score) => Math.max(most, score), Number.NEGATIVE_INFINITY)
    const weights = Float64Array.from(scores, score => Math.exp(score - greatest))
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const map = new Float64Array(places)
    for (const [channel, weight] of weights.entries())
      for (let place = 0; place < places; place++)
        map[place] = map[place]! + (weight / total) * Number(data[channel * places + place])
    return Float32Array.from(map)
  }
}
