import type { DTypeName } from '#typings/addon.js'
import {
  type Preprocessing,
  type PreprocessingOption,
  resolvePreprocessing,
} from '../../data/preprocessing.js'
import { type Tensor, validateTensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { abortable } from '../../model/abortable.js'
import type { Explainable } from '../../model/explainable.js'
import type {
  BatchAxis,
  ModelInputs,
  ModelValue,
  RunModelOptions,
  RunModelResult,
} from '../../model/model.js'
import {
  expectInteger,
  expectKnownKeys,
  expectList,
  expectObject,
  expectString,
  expectStrings,
  typeError,
} from '../../validate.js'

/** Computes outputs, by name, for a batch: inputs and outputs have the examples along their first axis. */
export type BlackBoxFunction = (
  inputs: Readonly<Record<string, Tensor>>,
  context: { readonly signal?: AbortSignal },
) => Tensor | Readonly<Record<string, Tensor>> | Promise<Tensor | Readonly<Record<string, Tensor>>>

export interface BlackBoxOptions {
  /** What results call it. Default `black box`. */
  name?: string
  /** Its inputs; shapes are needed where pictures are explained. Default one f32 input called `input`. */
  inputs?: readonly {
    readonly name: string
    readonly dtype?: DTypeName
    readonly shape?: readonly (number | string)[]
  }[]
  /** Names of its outputs, the explained one first. Default `output`. */
  outputs?: readonly string[]
  labels?: readonly string[]
  /** How pictures become its input; see `loadModel`. */
  preprocessing?: PreprocessingOption
  /** The most examples that one call takes. Default 32. */
  batch?: number
}

const optionNames = ['name', 'inputs', 'outputs', 'labels', 'preprocessing', 'batch']

/** What a {@link BlackBox} is made of. */
export interface BlackBoxParts extends BlackBoxOptions {
  run: BlackBoxFunction
  /** Stands for the model in results, where something is known that identifies it. */
  hash?: string
}

/**
 * A model that is run elsewhere: somebody's function, a session of another runtime, an endpoint. Methods that only
 * compare outputs (occlusion, RISE, LIME, Shapley values, LiMA's kin …) explain it as they explain a `Model`.
 */
export class BlackBox implements Explainable {
  readonly name: string
  readonly inputs: readonly ModelValue[]
  readonly outputs: readonly ModelValue[]
  readonly labels: readonly string[] | undefined
  readonly preprocessing: Preprocessing | undefined
  /** The most examples that one call takes. */
  readonly batch: number
  readonly #run: BlackBoxFunction
  readonly #hash: string

  /** @throws AscribeError `OPTION_*` */
  constructor(parts: BlackBoxParts) {
    const { run, hash, ...options } = parts
    expectObject('options', options)
    expectKnownKeys('options', options, optionNames)
    if (typeof run !== 'function') throw typeError('run', 'a function', run)
    this.#run = run
    this.#hash = hash ?? 'none'
    this.name = expectString('name', options.name ?? 'black box')
    this.batch = expectInteger('batch', options.batch ?? 32, 1, 1 << 20)
    const inputs = expectList('inputs', options.inputs ?? [{ name: 'input' }])
    for (const [at, each] of inputs.entries()) expectObject(`inputs[${at}]`, each)
    this.inputs = inputs.map(({ name, dtype, shape }, at) => ({
      name: expectString(`inputs[${at}].name`, name),
      dtype: dtype ?? 'f32',
      ...(shape === undefined ? {} : { shape: [...shape] }),
    }))
    this.outputs = expectStrings('outputs', options.outputs ?? ['output']).map((name, at) => ({
      name: expectString(`outputs[${at}]`, name),
    }))
    if (this.inputs.length === 0 || this.outputs.length === 0)
      throw new AscribeError('OPTION_RANGE', 'A black box needs an input and an output')
    this.labels = options.labels === undefined ? undefined : expectStrings('labels', options.labels)
    this.preprocessing =
      options.preprocessing === undefined ? undefined : resolvePreprocessing(options.preprocessing)
  }

  get batchAxis(): BatchAxis {
    return { kind: 'symbolic', symbol: 'batch' }
  }
  async hash(): Promise<string> {
    return this.#hash
  }

  /** Inputs by name; a single tensor stands for the only input. */
  named(inputs: ModelInputs): Record<string, Tensor> {
    const single = inputs as Partial<Tensor>
    const isTensor = typeof single?.dtype === 'string' && Array.isArray(single.shape)
    if (isTensor && this.inputs.length !== 1)
      throw new AscribeError(
        'INPUT_MISSING',
        `${this.name} has ${this.inputs.length} inputs (${this.inputs.map(i => i.name).join(', ')}); give a tensor for each, by name`,
      )
    const record = isTensor
      ? { [this.inputs[0]!.name]: inputs as Tensor }
      : (expectObject('inputs', inputs) as Record<string, Tensor>)
    for (const name of Object.keys(record))
      if (!this.inputs.some(input => input.name === name))
        throw new AscribeError('INPUT_MISSING', `${this.name} has no input called "${name}"`)
    for (const { name, dtype } of this.inputs) {
      if (record[name] === undefined) throw new AscribeError('INPUT_MISSING', `Input "${name}" was not given`)
      validateTensor(record[name], name)
      if (record[name].dtype !== dtype)
        throw new AscribeError('INPUT_DTYPE', `Input "${name}" is ${record[name].dtype}, expected ${dtype}`)
    }
    return { ...record }
  }

  /**
   * Runs one batch. What comes back is checked: names, element types, and one row for each example.
   *
   * @throws AscribeError `INPUT_SHAPE`, `INPUT_DTYPE`, `ABORTED`, and what the box throws.
   */
  async run(
    inputs: ModelInputs,
    options: Pick<RunModelOptions, 'outputs' | 'signal'> = {},
  ): Promise<RunModelResult> {
    const given = this.named(inputs)
    const started = performance.now()
    const { signal } = options
    const made = await abortable(async () => this.#run(given, signal ? { signal } : {}), signal)
    const examples = Object.values(given)[0]!.shape[0] ?? 1
    const names = options.outputs ?? this.outputs.map(({ name }) => name)
    const single = made as Partial<Tensor>
    const isTensor = typeof single?.dtype === 'string' && Array.isArray(single.shape)
    const record = isTensor ? { [this.outputs[0]!.name]: made as Tensor } : (made as Record<string, Tensor>)
    const outputs: Record<string, Tensor> = {}
    for (const name of names) {
      const tensor = Object.hasOwn(record ?? {}, name) ? record[name] : undefined
      if (tensor === undefined)
        throw new AscribeError('INPUT_MISSING', `${this.name} gave no output "${name}"`)
      outputs[name] = validateTensor(tensor, `output "${name}"`)
      if (tensor.shape[0] !== examples)
        throw new AscribeError(
          'INPUT_SHAPE',
          `${this.name} gave output "${name}" of shape [${tensor.shape.join(', ')}] for ${examples} examples`,
        )
    }
    return { outputs, milliseconds: performance.now() - started, peakBytes: 0 }
  }
}
