import { type Units, unitShape } from '../../attribution/units.js'
import { expectFinite } from '../../data/finite.js'
import { arrayConstructors, isFloating, type Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import type { MaskedItem } from '../../games/maskedItem.js'
import type { Explainable } from '../../model/explainable.js'
import { type PreparedInput, prepareInput } from '../../model/prepareInput.js'
import { makeRegions, type RegionsOption } from '../../regions/makeRegions.js'
import { eachPlace, gridRegions, type Regions, regionsFromLabels } from '../../regions/regions.js'
import { blackBaseline, seenPicture } from '../../regions/seenPicture.js'
import type { Baseline, Explained } from '../inputs/gradientMethod.js'

/** An example whose regions can be kept or taken away. */
export interface RegionInput {
  readonly prepared: PreparedInput
  /** The input of the model that the regions lie on … */
  readonly input: string
  /** … and the axes of it, in the order of the regions' shape. */
  readonly axes: readonly number[]
  readonly regions: Regions
  readonly item: MaskedItem
}

/** What is known of an input when it is cut. */
export interface CutInput {
  /** Sizes of the axes that can be cut: [height, width] of a picture, all behind the batch of a tensor. */
  readonly extents: readonly number[]
  readonly isPicture: boolean
}

export interface RegionInputOptions {
  /** How the input is cut, or what says so once its sizes are known. */
  regions?: RegionsOption | ((input: CutInput) => RegionsOption | undefined) | undefined
  /** The input that is cut, by name. Default: the only one. */
  inputs?: readonly string[] | undefined
  baseline?: Baseline | undefined
}

/** Side of SLICO's regions on a picture of 224 x 224 pixels, which gives 49 of them. */
const slicoSide = 30 / 224
/** Cells along each side of a grid over what is no picture. */
const gridCells = 7

/** The input that is cut: the named one, the picture, or the only one there is. */
function chooseInput(
  model: Explainable,
  prepared: PreparedInput,
  inputs: readonly string[] | undefined,
): string {
  if (inputs !== undefined && inputs.length !== 1)
    throw new AscribeError('OPTION_RANGE', `Regions lie on one input, and ${inputs.length} are named`)
  const [named] = inputs ?? []
  if (named !== undefined && prepared.tensors[named] === undefined)
    throw new AscribeError('INPUT_MISSING', `The model has no input called "${named}"`)
  const floating = Object.entries(prepared.tensors).filter(([, { dtype }]) => isFloating(dtype))
  const chosen = named ?? prepared.pictureInput ?? (floating.length === 1 ? floating[0]![0] : undefined)
  const only = Object.keys(prepared.tensors).length === 1 ? Object.keys(prepared.tensors)[0] : undefined
  const name = chosen ?? only
  if (name === undefined)
    throw new AscribeError('OPTION_RANGE', `${model.name} has several inputs; say which one is cut`, {
      hint: `inputs: one of ${Object.keys(prepared.tensors).join(', ')}`,
    })
  return name
}

/** Numbers in double or single as the model reads them: masks are put on them inside its graph. */
function asRead(model: Explainable, prepared: PreparedInput): PreparedInput {
  const tensors = { ...prepared.tensors }
  for (const { name, dtype } of model.inputs) {
    const given = tensors[name]
    if (given === undefined || given.dtype === dtype || !isFloating(dtype) || !isFloating(given.dtype))
      continue
    const data = arrayConstructors[dtype as 'f32'].from(given.data as Float32Array)
    tensors[name] = { dtype, shape: given.shape, data } as Tensor
  }
  return { ...prepared, tensors }
}

/** Axes that the regions lie on: height and width of what looks like a picture, else all behind the batch. */
function axesOf(units: Units | undefined, tensor: Tensor): number[] {
  const rank = tensor.shape.length
  if (units?.kind === 'grid') return units.layout === 'NHWC' ? [1, 2] : [2, 3]
  return Array.from({ length: rank - 1 }, (_, at) => at + 1)
}

function cut(
  prepared: PreparedInput,
  input: string,
  option: RegionsOption | undefined,
): { regions: Regions; axes: number[] } {
  const tensor = prepared.tensors[input]!
  const axes = axesOf(prepared.units[input], tensor)
  const extents = axes.map(axis => tensor.shape[axis]!)
  if (prepared.preprocessing !== undefined && prepared.pictureInput === input) {
    const [height, width] = extents as [number, number]
    const side = Math.max(2, Math.round(slicoSide * Math.min(height, width)))
    const regions = makeRegions(
      seenPicture(tensor, prepared.preprocessing),
      option ?? { kind: 'slico', size: side },
    )
    return { regions, axes }
  }
  if (option === undefined) {
    if (extents.length === 2 && Math.min(...extents) >= gridCells)
      return { regions: gridRegions(extents[0]!, extents[1]!, gridCells), axes }
    // A table's columns, a text's tokens.
    return { regions: eachPlace(extents[0]!), axes: axes.slice(0, 1) }
  }
  if ('shape' in option) {
    const regions = regionsFromLabels(option.labels, option.shape, option.kind)
    // Regions of fewer axes lie on the first ones: spans of [1, tokens, features].
    return { regions, axes: axes.slice(0, option.shape.length) }
  }
  if (option.kind === 'grid' && extents.length === 2)
    return { regions: gridRegions(extents[0]!, extents[1]!, option.rows, option.columns), axes }
  if (option.kind === 'labels') return { regions: regionsFromLabels(option.labels, extents), axes }
  throw new AscribeError(
    'OPTION_RANGE',
    `Regions of kind ${option.kind} need a picture, and "${input}" is a tensor`,
    {
      hint: 'Give an image, or { kind: "grid" }, { kind: "labels" } or regions at hand.',
    },
  )
}

/** What absence is: the caller's baseline, else black for a picture and 0 for a tensor. */
function absence(prepared: PreparedInput, input: string, baseline: Baseline | undefined): number | Tensor {
  if (baseline !== undefined) {
    if (typeof baseline === 'number' || 'dtype' in baseline) return baseline as number | Tensor
    for (const name of Object.keys(baseline))
      if (name !== input)
        throw new AscribeError('INPUT_MISSING', `The baseline is of "${name}", and "${input}" is cut`)
    const own = baseline[input]
    if (own !== undefined) return own
  }
  return prepared.preprocessing !== undefined && prepared.pictureInput === input
    ? blackBaseline(prepared.preprocessing)
    : 0
}

/**
 * Prepares an example for methods that keep and take away regions.
 *
 * Defaults: a picture is cut by SLICO into about 49 regions, something like a picture by a grid of 7 x 7 cells, any
 * other tensor into the places of its first axis behind the batch; absence is black in pictures and 0 in tensors.
 *
 * @throws AscribeError `OPTION_RANGE`, `INPUT_*` where regions, baseline and input do not fit.
 */
export async function regionInput(
  model: Explainable,
  given: Explained,
  options: RegionInputOptions,
): Promise<RegionInput> {
  const prepared = asRead(model, await prepareInput(model, given))
  const input = chooseInput(model, prepared, options.inputs)
  expectFinite(prepared.tensors[input]!, input)
  const isPicture = prepared.units[input]?.kind === 'grid'
  const extents = axesOf(prepared.units[input], prepared.tensors[input]!).map(
    axis => prepared.tensors[input]!.shape[axis]!,
  )
  const asked =
    typeof options.regions === 'function' ? options.regions({ extents, isPicture }) : options.regions
  const { regions, axes } = cut(prepared, input, asked)
  const baseline = absence(prepared, input, options.baseline)
  return { prepared, input, axes, regions, item: { tensors: prepared.tensors, regions, baseline } }
}

/** Scores of regions laid over the places that they cover: the units and scores of the result. */
export function spreadScores(
  { prepared, input, axes, regions }: RegionInput,
  scores: ArrayLike<number>,
): { units: Units; data: Float32Array } {
  const own = prepared.units[input]!
  const shape = prepared.tensors[input]!.shape
  if (own.kind === 'grid') {
    const units: Units = { ...own, layout: 'HW', channels: 1 }
    return { units, data: Float32Array.from(regions.labels, label => scores[label]!) }
  }
  // Places along the axes that are not cut share the score.
  const covered = axes.map(axis => shape[axis]!)
  const units: Units = { kind: 'tensor', shape: [1, ...covered] }
  if (unitShape(units).reduce((product, size) => product * size, 1) !== regions.labels.length)
    throw new AscribeError('INTERNAL', 'Regions and scores have different places')
  return { units, data: Float32Array.from(regions.labels, label => scores[label]!) }
}

/** Regions whose every element is the baseline: showing them changes nothing. */
export function blankRegions({ input, axes, regions, item }: RegionInput): number[] {
  const { shape, data } = item.tensors[input]!
  const { baseline } = item
  const isBlank = new Uint8Array(regions.count).fill(1)
  const index = new Array<number>(shape.length).fill(0)
  for (let at = 0; at < data.length; ++at) {
    let place = 0
    for (const axis of axes) place = place * shape[axis]! + index[axis]!
    let from = 0
    if (typeof baseline !== 'number')
      for (const [axis, size] of baseline.shape.entries())
        from = from * size + (size === 1 ? 0 : index[axis]!)
    const absent = typeof baseline === 'number' ? baseline : baseline.data[from]!
    if (Number(data[at]) !== Number(absent)) isBlank[regions.labels[place]!] = 0
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis]! === shape[axis]; --axis) index[axis] = 0
  }
  return [...isBlank.keys()].filter(region => isBlank[region] === 1)
}
