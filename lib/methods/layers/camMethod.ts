import { AscribeError } from '../../errors.js'
import { bindSizes } from '../../model/bindSizes.js'
import { resolveOneLayer } from '../../model/layerNames.js'
import type { Model } from '../../model/model.js'
import type { PreparedInput } from '../../model/prepareInput.js'
import { suggestedLayers } from '../../model/suggestedLayers.js'
import { call, native, settle } from '../../native.js'
import type { ScoreMap } from '../../report/scoreMap.js'
import { type AttributeOptions, GradientMethod, type MethodIdentity } from '../inputs/gradientMethod.js'
import type { Example, Present, Scored } from '../inputs/gradientResult.js'
import { type Resolved, resolveOptions } from '../options.js'
import { type CamGeometry, camGeometry } from './camGeometry.js'
import { type CamOptions, camOptions } from './camOptions.js'
import { processMap } from './processMap.js'

/**
 * Class activation maps: channels of a layer, weighed by what the target makes of them, and summed over. The scores are
 * the map as it is, signed, at the layer's own size, `HW`, laid over the picture: what is below 0 speaks against the
 * target. `relu`, `normalize` and `upsample` make the processed map of it that papers and other libraries show:
 * `{ relu: true, upsample: 'bilinear' }` [unconfirmed: which of the two a caller means by "the map"]. Default layer: the
 * last one of maps; of a transformer the tokens that its last attention reads, behind their norm.
 *
 * @throws AscribeError MODEL_CAPABILITY from `attribute` with `upsample`, where no input of the model is a picture.
 */
export abstract class CamMethod extends GradientMethod {
  readonly options: Resolved<typeof camOptions>
  protected abstract readonly name: string

  constructor(model: Model, options: CamOptions = {}) {
    super(model)
    this.options = resolveOptions(camOptions, options)
    const { gridHeight, gridWidth } = this.options
    if (gridHeight > 0 !== gridWidth > 0)
      throw new AscribeError('OPTION_RANGE', 'gridHeight and gridWidth go together')
  }
  override identity(): MethodIdentity {
    return { name: this.name, options: this.options }
  }

  /** The value whose channels are weighed. */
  async layerOf(prepared: PreparedInput, options: AttributeOptions): Promise<string> {
    if (options.inputs !== undefined)
      throw new AscribeError(
        'OPTION_RANGE',
        `${this.name} explains a layer; give \`layer\` in place of \`inputs\``,
      )
    if (Array.isArray(options.layer) && options.layer.length !== 1)
      throw new AscribeError('OPTION_RANGE', `${this.name} takes one layer at a time`)
    const given = Array.isArray(options.layer) ? options.layer[0] : options.layer
    return given === undefined
      ? defaultLayer(this.model, prepared, this.options, options.signal)
      : resolveOneLayer(this.model, given as string)
  }
  override async chooseExplained(
    prepared: PreparedInput,
    options: AttributeOptions,
  ): Promise<AttributeOptions> {
    return { ...options, layer: await this.layerOf(prepared, options) }
  }
  protected geometryOf(name: string, shape: readonly number[]): CamGeometry {
    return camGeometry(name, shape, this.options)
  }

  /** The map of one target, signed, from what the passes added up. */
  protected abstract mapOf(scored: Scored, target: number, geometry: CamGeometry): Float32Array
  /** The layer whose places the map has, and its shape. */
  protected shapeOf(
    { explained }: Example,
    _runs: Scored['runs'] = [],
  ): { layer: string; shape: readonly number[] } {
    const [layer] = explained.names as [string]
    return { layer, shape: explained.tensors[layer]!.shape }
  }

  override get present(): Present {
    return async scored => {
      const { prepared } = scored.example
      const { layer, shape } = this.shapeOf(scored.example, scored.runs)
      const geometry = this.geometryOf(layer, shape)
      const grid = Object.values(prepared.units).find(each => each.kind === 'grid')
      const maps: ScoreMap[] = []
      for (const target of scored.rows.keys()) {
        const map = { ...geometry, values: this.mapOf(scored, target, geometry) }
        maps.push(await processMap(map, this.options, grid))
      }
      const { height, width } = maps[0]!
      return {
        name: layer,
        units: { kind: 'grid', layout: 'HW', channels: 1, height, width, placement: grid?.placement ?? null },
        rows: maps.map(({ values }) => values as Float32Array),
        showsPicture: prepared.pictureInput !== undefined,
      }
    }
  }
}

/** The last layer of maps that are more than one pixel, for models that end in them; else the tokens of the last block. */
async function defaultLayer(
  model: Model,
  prepared: PreparedInput,
  grid: Resolved<typeof camOptions>,
  signal?: AbortSignal,
): Promise<string> {
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
  const block = suggestedLayers(model.graph).find(({ kind }) => kind === 'last-block')
  const found = layers.find(({ name }) => name === block?.name)
  if (found) {
    camGeometry(found.name, found.shape, grid)
    return found.name
  }
  throw new AscribeError(
    'LAYER_NOT_FOUND',
    'The model does not end in maps of which the last could be taken',
    {
      hint: 'Name a layer: option `layer`, for a transformer the norm before the last attention; model.layers() lists them.',
    },
  )
}
