import { extname } from 'node:path'
import { readFileBounded, writeFileAtomically } from '../data/files.js'
import { encodeNpy } from '../data/npy.js'
import { greatestPositions } from '../data/rankStatistics.js'
import { arrayConstructors, createTensor, type Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { type FigureOptions, type ResolvedFigureOptions, resolveFigureOptions } from '../report/figure.js'
import { htmlPage } from '../report/html.js'
import { svgDocument } from '../report/svg.js'
import {
  expectInteger,
  expectKnownKeys,
  expectObject,
  expectOneOf,
  rangeError,
  typeError,
} from '../validate.js'
import { libraryVersion as thisVersion } from '../version.js'
import { type Aggregation, aggregateInput, aggregations } from './aggregate.js'
import { type AttributedInput, type AttributedInputInit, validateInput } from './attributedInput.js'
import { type Comparison, compareInputs } from './compare.js'
import { decodeAttribution, encodeAttribution, schemaVersion } from './encode.js'
import { type GroupReduction, groupInput, groupReductions, type TextGrouping } from './groups.js'
import { type Metadata, type MetadataInit, metadataKeys, validateMetadata } from './metadata.js'
import { figureOf, flatten, pagePart, textSvg } from './render.js'
import { attributionText, type TextOptions } from './text.js'
import type { ProcessingStep, TargetDescription } from './types.js'

/** What an {@link Attribution} is made of. */
export interface AttributionInit extends MetadataInit {
  /** The scores of each explained input. */
  inputs: readonly AttributedInputInit[]
}

/** How an attribution is drawn. */
export interface RenderOptions extends FigureOptions {
  /** The input that is drawn. Default: the only one, or the first. */
  input?: string
  /** How channels become one score. Default `sum`. */
  aggregation?: Exclude<Aggregation, 'none'>
}

/** A unit and its score. */
export interface TopUnit {
  /** The name of the input. */
  readonly input: string
  /** The position in that input's scores, without the target axis. */
  readonly index: readonly number[]
  readonly score: number
  /** The token at that position, where the units are tokens. */
  readonly token?: string
}

/** The largest saved attribution that is read: JavaScript strings end at 512 MiB. */
const maximumFileBytes = 500_000_000

/**
 * Where an output came from: the scores of each unit of the input, and everything that is needed to judge and to
 * repeat them. One envelope for all methods; immutable, every change gives a new one and notes it in `processing`.
 *
 * @example
 * const attribution = await new IntegratedGradients(model).attribute(image, { target: 'golden retriever' })
 * await attribution.save('dog.html')
 */
export class Attribution implements Metadata {
  readonly schemaVersion = schemaVersion
  /** The version of the library that computed the scores. */
  readonly libraryVersion: string
  readonly model: Metadata['model']
  readonly preprocessing: Metadata['preprocessing']
  readonly targets: Metadata['targets']
  /** Whether scores have a leading axis with one place for each target. */
  readonly hasTargetAxis: boolean
  readonly output: Metadata['output']
  readonly method: Metadata['method']
  readonly checks: Metadata['checks']
  readonly warnings: Metadata['warnings']
  readonly cost: Metadata['cost']
  readonly environment: Metadata['environment']
  readonly processing: Metadata['processing']
  /** The scores, input by input. */
  readonly inputs: readonly AttributedInput[]

  /**
   * @throws AscribeError `INPUT_SHAPE` where scores and units disagree; `OPTION_*` for malformed metadata.
   */
  constructor(init: AttributionInit, libraryVersion: string = thisVersion) {
    const value = expectObject('attribution', init)
    expectKnownKeys('attribution', value, [...metadataKeys, 'inputs'])
    const metadata = validateMetadata(init)
    if (!Array.isArray(init.inputs)) throw typeError('inputs', 'an array', init.inputs)
    if (init.inputs.length === 0) throw rangeError('inputs', 'at least one input', init.inputs)
    this.libraryVersion = libraryVersion
    this.model = metadata.model
    this.preprocessing = metadata.preprocessing
    this.targets = metadata.targets
    this.hasTargetAxis = metadata.hasTargetAxis
    this.output = metadata.output
    this.method = metadata.method
    this.checks = metadata.checks
    this.warnings = metadata.warnings
    this.cost = metadata.cost
    this.environment = metadata.environment
    this.processing = metadata.processing
    const targets = metadata.hasTargetAxis ? metadata.targets.length : undefined
    this.inputs = init.inputs.map((input, index) => validateInput(input, `inputs[${index}]`, targets))
    const names = this.inputs.map(input => input.name)
    const repeated = names.find((name, index) => names.indexOf(name) !== index)
    if (repeated !== undefined) throw rangeError('inputs', 'inputs with different names', repeated)
  }

  /** The scores of one input; by default of the only or first one. */
  scores(input?: string): Tensor<'f32' | 'f64'> {
    return this.#input(input).scores
  }

  /**
   * The attribution of one target alone, without the target axis.
   *
   * @param target The target's place in `targets`.
   */
  slice(target: number): Attribution {
    expectInteger('target', target, 0, this.targets.length - 1)
    if (!this.hasTargetAxis) return this
    const { completeness, standardError } = this.checks
    const inputs = this.inputs.map(input => {
      const [, ...shape] = input.scores.shape
      const length = shape.reduce((product, size) => product * size, 1)
      const data = input.scores.data.slice(target * length, (target + 1) * length)
      return { ...input, scores: createTensor(input.scores.dtype, shape, data) }
    })
    return this.#with(
      {
        target: this.targets[target]!,
        checks: {
          ...(completeness === undefined ? {} : { completeness: [completeness[target]!] }),
          ...(standardError === undefined ? {} : { standardError: [standardError[target]!] }),
        },
        inputs,
      },
      { step: 'slice', how: String(target) },
    )
  }

  /**
   * Turns the channels of pictures and the features of tokens into one score for each unit.
   *
   * @param how Default `sum`, which keeps signs and completeness.
   * @param options `axis`: which axis of a tensor goes away (tensors have no channels of their own).
   */
  aggregate(how: Aggregation = 'sum', options: { axis?: number } = {}): Attribution {
    expectOneOf('how', how, aggregations)
    expectKnownKeys('aggregate options', options, ['axis'])
    if (how === 'none') return this
    const inputs = this.inputs.map(input => aggregateInput(input, how, options.axis))
    return this.#with({ inputs }, { step: 'aggregate', how })
  }

  /**
   * Puts the tokens of a text together: to words, to what white space separates, to sentences (as Unicode has them, words
   * of scripts without spaces too), or to spans of the text that are given. Inputs that are no tokens stay as they are.
   *
   * @param into Default `word`.
   * @param how What a group's scores become. Default `sum`, which keeps completeness.
   * @throws AscribeError `OPTION_RANGE` where no input has tokens of a text.
   */
  group(into: TextGrouping = 'word', how: GroupReduction = 'sum'): Attribution {
    if (typeof into === 'string') expectOneOf('into', into, ['word', 'whitespace', 'sentence'])
    expectOneOf('how', how, groupReductions)
    if (!this.inputs.some(({ units }) => units.kind === 'tokens'))
      throw new AscribeError('OPTION_RANGE', 'no input has tokens that could be put together')
    const inputs = this.inputs.map(input =>
      input.units.kind === 'tokens' ? groupInput(input, into, how) : input,
    )
    return this.#with(
      { inputs },
      { step: 'aggregate', how: `${typeof into === 'string' ? into : 'spans'}: ${how}` },
    )
  }

  /**
   * Scales the scores, for each target over all inputs together.
   *
   * @param how `absmax` (default): the greatest absolute score becomes 1; `sum`: absolute scores add up to 1. Scores
   *   that are all zero stay so.
   */
  normalize(how: 'absmax' | 'sum' = 'absmax'): Attribution {
    expectOneOf('how', how, ['absmax', 'sum'])
    const targets = this.hasTargetAxis ? this.targets.length : 1
    const sizes = new Float64Array(targets)
    const lengthOf = (input: AttributedInput): number => input.scores.data.length / targets
    for (const input of this.inputs) {
      const length = lengthOf(input)
      for (let index = 0; index < input.scores.data.length; index++) {
        const target = Math.floor(index / length)
        const size = Math.abs(input.scores.data[index]!)
        sizes[target] = how === 'sum' ? sizes[target]! + size : Math.max(sizes[target]!, size)
      }
    }
    const inputs = this.inputs.map(input => {
      const length = lengthOf(input)
      const data = new arrayConstructors[input.scores.dtype](input.scores.data.length)
      for (let index = 0; index < data.length; index++)
        data[index] = input.scores.data[index]! / (sizes[Math.floor(index / length)]! || 1)
      return { ...input, scores: createTensor(input.scores.dtype, input.scores.shape, data) }
    })
    return this.#with({ inputs }, { step: 'normalize', how })
  }

  /**
   * How much another attribution of the same units agrees with this one.
   *
   * @param options `k`: how many of the strongest units `topOverlap` looks at; default 1 % of them.
   * @throws AscribeError `INPUT_SHAPE` where the units differ; `OPTION_RANGE` where either has several targets.
   */
  compare(other: Attribution, options: { k?: number } = {}): Comparison {
    if (!(other instanceof Attribution)) throw typeError('other', 'an Attribution', other)
    expectKnownKeys('compare options', options, ['k'])
    return compareInputs(this.#single().inputs, other.#single().inputs, options.k)
  }

  /**
   * The units with the strongest scores, strongest first; among equals the earlier one.
   *
   * @param count How many, default 10.
   * @param options `by`: `absolute` (default), `positive` (greatest first) or `negative` (least first).
   */
  top(count = 10, options: { by?: 'absolute' | 'positive' | 'negative' } = {}): TopUnit[] {
    expectInteger('count', count, 0)
    expectKnownKeys('top options', options, ['by'])
    const by = expectOneOf('by', options.by ?? 'absolute', ['absolute', 'positive', 'negative'])
    const key = {
      absolute: Math.abs,
      positive: (score: number) => score,
      negative: (score: number) => -score,
    }[by]
    const candidates = this.#single().inputs.flatMap(({ name, units, scores }) => {
      const positions = greatestPositions(Float64Array.from(scores.data, key), count)
      return Array.from(positions, (position): TopUnit => {
        const index = unravel(position, scores.shape)
        const token = units.kind === 'tokens' ? { token: units.tokens[index[0]!]! } : {}
        return { input: name, index, score: scores.data[position]!, ...token }
      })
    })
    return candidates.sort((first, second) => key(second.score) - key(first.score)).slice(0, count)
  }

  /** The scores as text for a terminal; see {@link Attribution.show}. */
  toText(options: TextOptions = {}): string {
    return attributionText(this, options)
  }

  /** Prints the scores: a small map or coloured text, with colours where the terminal has them. */
  show(options: TextOptions = {}): void {
    const hasColor = options.color ?? (process.stdout.isTTY === true && process.stdout.hasColors(2 ** 24))
    const columns = options.columns ?? Math.min(process.stdout.columns ?? 64, 64)
    process.stdout.write(`${this.toText({ ...options, color: hasColor, columns })}\n`)
  }

  /** The heat map alone as a PNG file, of the size of the picture where there is one. One target only. */
  async toPng(options: RenderOptions = {}): Promise<Uint8Array> {
    return (await this.#figure(options)).map.toPng()
  }

  /**
   * The heat map over the picture as a PNG file. One target only.
   *
   * @throws AscribeError `REPRESENTATION_UNSUPPORTED` where there is no picture.
   */
  async toOverlay(options: RenderOptions = {}): Promise<Uint8Array> {
    const { overlay } = await this.#figure(options)
    if (overlay === undefined)
      throw new AscribeError('REPRESENTATION_UNSUPPORTED', 'there is no picture to lay the scores over', {
        hint: 'toPng() draws the scores alone.',
      })
    return overlay.toPng()
  }

  /** The scores (over the picture, behind the text, or alone) with title and legend as an SVG file. One target only. */
  async toSvg(options: RenderOptions = {}): Promise<string> {
    const target = this.targets[0]!
    const subtitle = `${this.method.name} \u00b7 ${this.model.name} \u00b7 ${target.description}`
    const { figure, aggregation } = resolveRenderOptions(options)
    const input = flatten(this.#single().#input(options.input), aggregation)
    if (input.units.kind === 'tokens')
      return textSvg(input, figure, target.label ?? target.description, subtitle)
    return svgDocument(await this.#figure(options), target.label ?? target.description, subtitle)
  }

  /** Everything on one self-contained HTML page that loads nothing and runs nothing. All targets, all inputs. */
  async toHtml(options: Omit<RenderOptions, 'input'> = {}): Promise<string> {
    const { figure, aggregation } = resolveRenderOptions(options)
    const sections = await Promise.all(
      this.targets.map(async (target, index) => {
        const single = this.slice(index)
        const parts = single.inputs.map(input => pagePart(flatten(input, aggregation), figure))
        const completeness = single.checks.completeness?.[0]
        const standardError = single.checks.standardError?.[0]
        return {
          target,
          ...(completeness === undefined ? {} : { completeness }),
          ...(standardError === undefined ? {} : { standardError }),
          parts: await Promise.all(parts),
        }
      }),
    )
    return htmlPage(this, sections, this.libraryVersion)
  }

  /** Everything as JSON, to be read by {@link Attribution.parse}. The same attribution always gives the same text. */
  async toJson(): Promise<string> {
    return encodeAttribution(this, this.inputs, this.libraryVersion)
  }

  /** The scores of one input as an .npy file, in their own shape, with the target axis if there is one. */
  toNpy(input?: string): Uint8Array {
    if (input === undefined && this.inputs.length > 1)
      throw new AscribeError(
        'OPTION_RANGE',
        `there are ${this.inputs.length} inputs; an npy file holds one`,
        {
          hint: `Name one of ${this.inputs.map(({ name }) => name).join(', ')}.`,
        },
      )
    return encodeNpy(this.scores(input))
  }

  /**
   * Writes a file whose kind its name decides: `.html`, `.json`, `.npy`, `.svg`, or `.png` (the scores over the
   * picture where there is one, alone otherwise).
   *
   * @throws AscribeError `OPTION_RANGE` for other names; `FILE_WRITE`; `REPRESENTATION_UNSUPPORTED`.
   */
  async save(path: string, options: RenderOptions = {}): Promise<void> {
    const extension = extname(path).toLowerCase()
    const { input, ...forAllInputs } = options
    const writers: Record<string, () => Promise<Uint8Array | string>> = {
      '.html': () => this.toHtml(forAllInputs),
      '.json': () => this.toJson(),
      '.npy': async () => this.toNpy(input),
      '.svg': () => this.toSvg(options),
      '.png': async () => {
        const figure = await this.#figure(options)
        return (figure.overlay ?? figure.map).toPng()
      },
    }
    const write = Object.hasOwn(writers, extension) ? writers[extension] : undefined
    if (write === undefined)
      throw rangeError('path', `a name that ends in ${Object.keys(writers).join(', ')}`, path)
    await writeFileAtomically(path, await write())
  }

  /**
   * Reads what {@link Attribution.save} wrote as `.json`. Nothing in the file is trusted.
   *
   * @throws AscribeError `FILE_NOT_FOUND`, `FILE_CORRUPT`, or `FILE_VERSION` for a file of a newer library.
   */
  static async load(path: string): Promise<Attribution> {
    const bytes = await readFileBounded(path, maximumFileBytes)
    return Attribution.parse(Buffer.from(bytes.buffer).toString('utf8'), path)
  }

  /** Reads the text of {@link Attribution.toJson}; see {@link Attribution.load}. `name` stands for it in messages. */
  static async parse(text: string, name = 'the attribution'): Promise<Attribution> {
    try {
      const { init, libraryVersion } = decodeAttribution(text)
      const attribution = new Attribution(init, libraryVersion)
      await Promise.all(attribution.inputs.map(input => input.picture?.pixels()))
      return attribution
    } catch (cause) {
      if (!(cause instanceof AscribeError)) throw cause
      const code = cause.code === 'FILE_VERSION' ? cause.code : 'FILE_CORRUPT'
      throw new AscribeError(code, `${name}: ${cause.message}`, {
        cause,
        ...(cause.hint === undefined ? {} : { hint: cause.hint }),
      })
    }
  }

  #with(change: Partial<AttributionInit>, step: ProcessingStep): Attribution {
    const { model, preprocessing, output, method, checks, warnings, cost, environment } = this
    const target: TargetDescription | readonly TargetDescription[] = this.hasTargetAxis
      ? this.targets
      : this.targets[0]!
    const same = { model, preprocessing, target, output, method, checks, warnings, cost, environment }
    const processing = [...this.processing, step]
    return new Attribution({ ...same, inputs: this.inputs, ...change, processing }, this.libraryVersion)
  }

  #input(name: string | undefined): AttributedInput {
    if (name === undefined) return this.inputs[0]!
    const input = this.inputs.find(candidate => candidate.name === name)
    if (input === undefined)
      throw rangeError('input', `one of ${this.inputs.map(each => each.name).join(', ')}`, name)
    return input
  }

  /** This attribution without a target axis, if it has one target only. */
  #single(): Attribution {
    if (this.targets.length === 1) return this.slice(0)
    throw new AscribeError('OPTION_RANGE', `there are ${this.targets.length} targets`, {
      hint: 'Choose one with slice(index).',
    })
  }

  async #figure(options: RenderOptions) {
    const { figure, aggregation } = resolveRenderOptions(options)
    return figureOf(flatten(this.#single().#input(options.input), aggregation), figure)
  }
}

function resolveRenderOptions(options: RenderOptions): {
  figure: ResolvedFigureOptions
  aggregation: Exclude<Aggregation, 'none'>
} {
  const { input: _, aggregation, ...figure } = expectObject('render options', options) as RenderOptions
  return {
    figure: resolveFigureOptions(figure),
    aggregation: expectOneOf('aggregation', aggregation ?? 'sum', ['sum', 'mean', 'absmax', 'l2']),
  }
}

function unravel(position: number, shape: readonly number[]): number[] {
  const index: number[] = []
  let rest = position
  for (const size of [...shape].reverse()) {
    index.unshift(rest % size)
    rest = Math.floor(rest / size)
  }
  return index
}
