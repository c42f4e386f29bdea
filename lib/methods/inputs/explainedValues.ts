import type { Units } from '../../attribution/units.js'
import { expectFinite } from '../../data/finite.js'
import { isFloating, type Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { runExample } from '../../model/batching.js'
import { embeddingLookups } from '../../model/embeddings.js'
import { resolveLayer } from '../../model/layerNames.js'
import type { Model } from '../../model/model.js'
import type { PreparedInput } from '../../model/prepareInput.js'
import { textIds, tokenUnits } from '../../model/textInputs.js'
import type { AttributeOptions, Baseline } from './gradientMethod.js'

/** What is explained in one call: inputs of the model, or values inside it that take their place. */
export interface ExplainedValues {
  /** Names, in order. */
  readonly names: readonly string[]
  /** They are values inside the model. */
  readonly areLayers: boolean
  /** Their contents for the example. */
  readonly tensors: Readonly<Record<string, Tensor>>
  readonly units: Readonly<Record<string, Units>>
  /** What each starts from, where that is no plain number: see {@link Baseline}. */
  readonly baselines: Readonly<Record<string, number | Tensor | undefined>>
  /** What it took to compute values inside the model, for the example and its baseline. */
  readonly milliseconds: number
}

function checkInput(model: Model, name: string): void {
  const input = model.inputs.find(candidate => candidate.name === name)
  if (input === undefined) throw new AscribeError('INPUT_MISSING', `The model has no input called "${name}"`)
  if (!isFloating(input.dtype))
    throw new AscribeError(
      'INPUT_DTYPE',
      `Input "${name}" holds ${input.dtype} numbers, which have no gradient`,
      { hint: 'Token ids are explained where they are looked up: give `layer`, the name of the embeddings.' },
    )
}

/** Names of what is explained: as asked, else the embeddings of a model of tokens, else every floating-point input. */
function chooseNames(model: Model, options: AttributeOptions): { names: string[]; areLayers: boolean } {
  const { inputs, layer } = options
  if (inputs !== undefined && layer !== undefined)
    throw new AscribeError('OPTION_RANGE', 'Give `inputs` or `layer`, not both')
  if (layer !== undefined) {
    const given = typeof layer === 'string' ? [layer] : layer
    const names = [...new Set(given.flatMap(each => resolveLayer(model, each)))]
    if (names.length === 0) throw new AscribeError('LAYER_NOT_FOUND', 'The list of layers is empty')
    return { names, areLayers: true }
  }
  if (inputs !== undefined) {
    for (const name of inputs) checkInput(model, name)
    if (inputs.length > 0) return { names: [...inputs], areLayers: false }
  }
  const lookups = inputs === undefined ? embeddingLookups(model) : []
  if (lookups.length > 0) return { names: [...new Set(lookups.map(each => each.layer))], areLayers: true }
  const names = model.inputs.filter(input => isFloating(input.dtype)).map(({ name }) => name)
  if (names.length > 0) return { names, areLayers: false }
  throw new AscribeError(
    'INPUT_DTYPE',
    `The model has no floating-point input (${model.inputs.map(i => `${i.name}: ${i.dtype}`).join(', ')})`,
    { hint: 'Name the layer that is to be explained: option `layer`; model.layers() lists them.' },
  )
}

function checkBaselineNames(baseline: Baseline | undefined, known: readonly string[]): void {
  if (typeof baseline !== 'object' || 'dtype' in baseline) return
  const stranger = Object.keys(baseline).find(name => !known.includes(name))
  if (stranger !== undefined)
    throw new AscribeError('INPUT_MISSING', `There is a baseline for "${stranger}", which is not explained`, {
      hint: `Known are ${known.join(', ')}.`,
    })
}

/** What the scores of a value inside the model belong to: tokens where it is [1, T, features]. */
export function layerUnits(
  model: Model,
  prepared: PreparedInput,
  name: string,
  shape: readonly number[],
  tokens: readonly string[] | undefined,
): Units {
  const [items, length, features] = shape
  if (shape.length !== 3 || items !== 1) return { kind: 'tensor', shape: [...shape] }
  return { ...tokenUnits(model, prepared, length!, tokens, name), features: features! }
}

/**
 * Finds out what is explained, and its contents: values inside the model are computed first.
 *
 * @throws AscribeError INPUT_DTYPE, INPUT_MISSING, INPUT_VALUE, INPUT_SHAPE, LAYER_NOT_FOUND, OPTION_RANGE
 */
export async function explainedValues(
  model: Model,
  prepared: PreparedInput,
  options: AttributeOptions,
): Promise<ExplainedValues> {
  const { names, areLayers } = chooseNames(model, options)
  const { baseline, signal } = options
  const inputNames = model.inputs.map(({ name }) => name)
  checkBaselineNames(baseline, areLayers ? [...names, ...inputNames] : names)
  const absent = baseline ?? (areLayers ? paddedText(model, prepared) : undefined)
  // An activation may hide them: ReLU makes 0 of what infinities cancel to. Elsewhere a mask may hold infinity.
  for (const [name, { kind }] of Object.entries(prepared.units))
    if (kind === 'grid') expectFinite(prepared.tensors[name]!, name)
  let milliseconds = 0
  const valuesOf = async (inputs: Record<string, Tensor>): Promise<Record<string, Tensor>> => {
    if (!areLayers) return inputs
    const began = performance.now()
    const found = await runExample(model, inputs, names, signal)
    milliseconds += performance.now() - began
    return found
  }
  const all = await valuesOf(prepared.tensors)
  const tensors = Object.fromEntries(names.map(name => [name, all[name]!]))
  for (const name of names) {
    if (!isFloating(tensors[name]!.dtype) || tensors[name]!.shape.length === 0)
      throw new AscribeError(
        'INPUT_DTYPE',
        `"${name}" holds ${tensors[name]!.dtype} numbers of shape [${tensors[name]!.shape.join(', ')}], which cannot be explained`,
      )
    if (areLayers || prepared.units[name]?.kind !== 'grid') expectFinite(tensors[name]!, name)
  }
  const units = Object.fromEntries(
    names.map((name): [string, Units] => {
      const { shape } = tensors[name]!
      const own = areLayers ? undefined : prepared.units[name]
      return [
        name,
        own ??
          (areLayers
            ? layerUnits(model, prepared, name, shape, options.tokens)
            : { kind: 'tensor', shape: [...shape] }),
      ]
    }),
  )
  const baselines = await baselinesOf(names, absent, prepared, inputNames, valuesOf)
  return { names, areLayers, tensors, units, baselines, milliseconds }
}

/** What absence looks like for a text: padding in place of its own tokens, where the tokenizer has any. */
function paddedText(model: Model, { text, tensors }: PreparedInput): Baseline | undefined {
  const padding = model.tokenizer?.padding
  if (text === undefined || padding === undefined) return undefined
  return Object.fromEntries(
    textIds(model).map((name): [string, Tensor] => {
      const ids = tensors[name]!
      const data = ids.data.slice()
      for (const [at, place] of text.offsets.entries())
        if (place !== null) data[at] = (data instanceof BigInt64Array ? BigInt(padding) : padding) as never
      return [name, { ...ids, data } as Tensor]
    }),
  )
}

/** Baselines by name. Those that are given for inputs of the model become what the layers hold for them. */
async function baselinesOf(
  names: readonly string[],
  baseline: Baseline | undefined,
  prepared: PreparedInput,
  inputNames: readonly string[],
  valuesOf: (inputs: Record<string, Tensor>) => Promise<Record<string, Tensor>>,
): Promise<Record<string, number | Tensor | undefined>> {
  if (typeof baseline !== 'object' || 'dtype' in baseline)
    return Object.fromEntries(names.map(name => [name, baseline as number | Tensor | undefined]))
  const given = baseline as Readonly<Record<string, number | Tensor>>
  const replaced = Object.keys(given).filter(name => inputNames.includes(name) && !names.includes(name))
  if (replaced.length === 0) return Object.fromEntries(names.map(name => [name, given[name]]))
  const changed = Object.entries(prepared.tensors).map(([name, tensor]): [string, Tensor] => {
    const value = given[name]
    if (value === undefined) return [name, tensor]
    if (typeof value === 'object') return [name, value]
    const data = tensor.data.slice() as Float32Array
    if (tensor.data instanceof BigInt64Array)
      (data as unknown as BigInt64Array).fill(BigInt(Math.trunc(value)))
    else data.fill(value)
    return [name, { ...tensor, data } as Tensor]
  })
  const from = await valuesOf(Object.fromEntries(changed))
  return Object.fromEntries(names.map(name => [name, given[name] ?? from[name]]))
}
