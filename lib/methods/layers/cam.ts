import type { Units } from '../../attribution/units.js'
import { AscribeError } from '../../errors.js'
import { bindSizes } from '../../model/bindSizes.js'
import type { Model } from '../../model/model.js'
import type { PreparedInput } from '../../model/prepareInput.js'
import { call, native, settle } from '../../native.js'
import {
  type AttributeOptions,
  GradientMethod,
  type MethodIdentity,
  type Recipe,
} from '../inputs/gradientMethod.js'
import type { Present } from '../inputs/gradientResult.js'
import { onePass } from '../inputs/recipe.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { type CamName, camPass } from './camMaps.js'

export const camOptions = {
  relu: {
    kind: 'boolean',
    default: true,
    description: 'Keep what speaks for the target; off for the signed map.',
  },
} as const

export type CamOptions = Given<typeof camOptions>

/** The last layer of maps that are more than one pixel, for models that end in them. */
async function lastMaps(model: Model, prepared: PreparedInput, signal?: AbortSignal): Promise<string> {
  const sizes = bindSizes(model.inputs, prepared.tensors)
  const graph = call(() => native().createGraph(model.graph))
  const layers = await settle(() => graph.layers(sizes), signal)
  const isMaps = ({ shape }: { shape: number[] }) => shape.length === 4 && shape[2]! > 1 && shape[3]! > 1
  const at = layers.findLastIndex(isMaps)
  const convolved = layers.findLastIndex(layer => layer.op === 'conv' && isMaps(layer))
  // Behind the patches of a transformer, what has four axes are queries and who reads whom.
  const attends = layers
    .slice(Math.max(0, convolved))
    .some(({ op, shape }) => ['softmax', 'attention'].includes(op) && shape.length > 2)
  if (convolved >= 0 && !attends) return layers[at]!.name
  throw new AscribeError(
    'LAYER_NOT_FOUND',
    'The model does not end in maps of which the last could be taken',
    {
      hint: 'Name a layer: option `layer`, for a transformer the norm before the last attention; model.layers() lists them.',
    },
  )
}

/** Tokens as the squares of a picture, a class token before them left out. */
function squareOf(tokens: number): { first: number; side: number } | undefined {
  for (const first of [0, 1]) {
    const side = Math.round(Math.sqrt(tokens - first))
    if (side > 1 && side * side === tokens - first) return { first, side }
  }
  return undefined
}

/** Class activation maps: channels of a layer, weighed by what the target makes of them, and summed. */
abstract class CamMethod extends GradientMethod {
  readonly options: Resolved<typeof camOptions>
  protected abstract readonly name: CamName

  constructor(model: Model, options: CamOptions = {}) {
    super(model)
    this.options = resolveOptions(camOptions, options)
  }

  override recipe(): Recipe {
    return onePass('gradient', { pass: camPass(this.name) })
  }
  override identity(): MethodIdentity {
    return { name: this.name, options: this.options }
  }

  protected override async chooseExplained(
    prepared: PreparedInput,
    options: AttributeOptions,
  ): Promise<AttributeOptions> {
    if (options.inputs !== undefined)
      throw new AscribeError(
        'OPTION_RANGE',
        `${this.name} explains a layer; give \`layer\` in place of \`inputs\``,
      )
    if (Array.isArray(options.layer) && options.layer.length !== 1)
      throw new AscribeError('OPTION_RANGE', `${this.name} takes one layer at a time`)
    const layer = options.layer ?? (await lastMaps(this.model, prepared, options.signal))
    return { ...options, layer }
  }

  protected override get present(): Present {
    return ({ name, units, rows, example: { prepared } }) => {
      const [input] = Object.entries(prepared.units).filter(([, each]) => each.kind === 'grid')
      const placement = input?.[1].kind === 'grid' ? input[1].placement : null
      const { channels, height, width, at } = mapsOf(name, units)
      const maps = rows.map(row => {
        const map = new Float32Array(height * width)
        for (let place = 0; place < map.length; place++) {
          let sum = 0
          for (let channel = 0; channel < channels; channel++) sum += row[at(channel, place)]!
          map[place] = this.options.relu ? Math.max(0, sum) : sum
        }
        return map
      })
      return {
        name,
        units: { kind: 'grid', layout: 'HW', channels: 1, height, width, placement },
        rows: maps,
        showsPicture: prepared.pictureInput !== undefined,
      }
    }
  }
}

function mapsOf(name: string, units: Units) {
  if (units.kind === 'tensor' && units.shape.length === 4) {
    const [, channels, height, width] = units.shape as [number, number, number, number]
    return {
      channels,
      height,
      width,
      at: (channel: number, place: number) => channel * height * width + place,
    }
  }
  if (units.kind === 'tokens' && units.features !== undefined) {
    const { features, tokens } = units
    const square = squareOf(tokens.length)
    if (square)
      return {
        channels: features,
        height: square.side,
        width: square.side,
        at: (channel: number, place: number) => (square.first + place) * features + channel,
      }
  }
  throw new AscribeError(
    'LAYER_NOT_FOUND',
    `"${name}" holds no maps: expected [1, K, height, width], or tokens of a square picture`,
    {
      hint: '`ascribe inspect MODEL` lists layers with their shapes.',
    },
  )
}

/**
 * Grad-CAM: channels weighed by the mean of their gradient. Scores are the map at the layer's own size, `HW`, laid over
 * the picture; positive alone unless `relu` is off. One forward pass, and one forward and backward of what follows the
 * layer. Default layer: the last one of maps.
 *
 * Source: Selvaraju et al., "Grad-CAM" (ICCV 2017), equations 1 and 2.
 */
export class GradCam extends CamMethod {
  protected readonly name = 'GradCam'
}

/**
 * Grad-CAM++: gradients weighed by place before they are summed. See {@link GradCam}.
 *
 * Source: Chattopadhay et al., "Grad-CAM++" (WACV 2018), equation 19 with the exponential left out, as the library
 * pytorch-grad-cam has it; published codes differ [unconfirmed].
 */
export class GradCamPlusPlus extends CamMethod {
  protected readonly name = 'GradCamPlusPlus'
}

/**
 * HiResCAM: gradient times activation, place by place. With a linear head behind a mean of the maps, the signed map adds
 * up to the logit less its bias. See {@link GradCam}.
 *
 * Source: Draelos and Carin, "Use HiResCAM instead of Grad-CAM" (2020).
 */
export class HiResCam extends CamMethod {
  protected readonly name = 'HiResCam'
}

/** Gradient times activation, of which each element keeps what is positive before the sum. See {@link GradCam}. */
export class GradCamElementwise extends CamMethod {
  protected readonly name = 'GradCamElementwise'
}

/**
 * LayerCAM: positive gradients times activations. See {@link GradCam}.
 *
 * Source: Jiang et al., "LayerCAM" (IEEE TIP 2021), equation 6.
 */
export class LayerCam extends CamMethod {
  protected readonly name = 'LayerCam'
}

/**
 * XGrad-CAM: channels weighed by their gradient where they are active. See {@link GradCam}.
 *
 * Source: Fu et al., "Axiom-based Grad-CAM" (BMVC 2020), equation 9.
 */
export class XGradCam extends CamMethod {
  protected readonly name = 'XGradCam'
}
