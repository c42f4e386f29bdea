import { extname } from 'node:path'
import { Attribution } from '../../attribution/attribution.js'
import {
  type GroupReduction,
  groupReductions,
  type TextGrouping,
  tokenGroups,
} from '../../attribution/groups.js'
import type { TokenUnits } from '../../attribution/units.js'
import { writeFileAtomically } from '../../data/files.js'
import { arrayConstructors, createTensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { escapeMarkup, escapeTerminal } from '../../report/escape.js'
import { describeRange } from '../../report/figure.js'
import { metadataCards, rangeMarkup, warningsMarkup } from '../../report/html.js'
import { pageDocument } from '../../report/page.js'
import { scoreRange } from '../../report/scoreRange.js'
import { matrixMarkup, matrixStyles, matrixText, type TokenMatrix } from '../../report/tokenMatrix.js'
import { expectOneOf, expectString, typeError } from '../../validate.js'
import { type GenerationDetails, generationKey, groupSteps, rebuiltGeneration } from './groupSteps.js'

/** One generated token that was explained, or several that were put together. */
export interface GenerationStep {
  /** Its text. */
  readonly token: string
  /** The first of its tokens' places among all tokens. */
  readonly position: number
  /** How many tokens it is. */
  readonly length: number
  /** The explained function of its prediction; absent where steps were put together in a way that has none. */
  readonly value?: number
}

const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every(each => Number.isFinite(each))

function detailsOf(attribution: Attribution): GenerationDetails {
  const found = attribution.method.details?.[generationKey] as unknown as
    | Partial<GenerationDetails>
    | undefined
  const count = attribution.targets.length
  const { units } = attribution.inputs[0]!
  const tokens = units.kind === 'tokens' ? units.tokens.length : 0
  const isWhole =
    found !== undefined &&
    attribution.hasTargetAxis &&
    (found.ids === undefined || (isNumbers(found.ids) && found.ids.length === tokens)) &&
    [found.positions, found.lengths].every(list => isNumbers(list) && list.length === count) &&
    // Places are taken for sizes later on.
    [found.promptTokens!, ...found.positions!].every(
      at => Number.isSafeInteger(at) && at >= 0 && at < tokens,
    ) &&
    Object.values(found.stepScores ?? {}).every(list => isNumbers(list) && list.length === count)
  if (!isWhole)
    throw new AscribeError('INPUT_VALUE', 'The attribution is none of generated tokens', {
      hint: 'explainGeneration makes such attributions.',
    })
  return found as GenerationDetails
}

/**
 * Where generated tokens came from: for each of them the scores of every token before it. A view of an
 * {@link Attribution} whose targets are the steps, which holds everything and is what is saved.
 */
export class GenerationAttribution {
  readonly #details: GenerationDetails

  /** @throws AscribeError INPUT_VALUE for attributions of something else. */
  constructor(readonly attribution: Attribution) {
    if (!(attribution instanceof Attribution)) throw typeError('attribution', 'an Attribution', attribution)
    this.#details = detailsOf(attribution)
  }

  /** Reads a file that {@link save} wrote with the name of a .json file. */
  static async load(path: string): Promise<GenerationAttribution> {
    return new GenerationAttribution(await Attribution.load(path))
  }

  /** Prompt and answer, token by token (or put together). */
  get tokens(): readonly string[] {
    return this.#units.tokens
  }
  /** Tokens (or what they were put together to) of the prompt; those behind them are the answer. */
  get promptTokens(): number {
    return this.#details.promptTokens
  }
  /** Of the prompt those that an encoder read, in front of the one that its decoder begins with; 0 where there is none. */
  get sourceTokens(): number {
    return this.#details.sourceTokens ?? 0
  }
  /** Ids of prompt and answer. @throws AscribeError INPUT_VALUE where tokens were put together. */
  get tokenIds(): readonly number[] {
    const { ids } = this.#details
    if (ids !== undefined) return ids
    throw new AscribeError(
      'INPUT_VALUE',
      'The tokens of this map were put together, and have no ids any more',
    )
  }
  /** Places of tokens that are none of the text's: the tokenizer put them there. */
  get addedTokens(): ReadonlySet<number> {
    const { offsets = [] } = this.#units
    return new Set(offsets.flatMap((place, at) => (place === null ? [at] : [])))
  }
  /** Numbers of each step that were asked for, by name. */
  get stepScores(): Readonly<Record<string, readonly number[]>> {
    return this.#details.stepScores
  }
  get steps(): readonly GenerationStep[] {
    const { positions, lengths } = this.#details
    return this.attribution.targets.map(({ label, description, value }, at) => ({
      token: label ?? description,
      position: positions[at]!,
      length: lengths[at]!,
      ...(value === undefined ? {} : { value }),
    }))
  }
  get #units(): TokenUnits {
    return this.attribution.inputs[0]!.units as TokenUnits
  }

  /** Scores of one step, one for each token; those of tokens that it could not read are 0. Features are added up. */
  scores(step: number): Float64Array {
    const own = this.attribution.slice(step).aggregate('sum').scores()
    return Float64Array.from(own.data)
  }

  /**
   * Puts tokens together, those that were read and those that were written alike: to words, sentences, or spans of the
   * text of prompt and answer.
   *
   * @param how What several scores become. Default `sum`, which keeps completeness.
   * @throws AscribeError OPTION_RANGE where there is no text.
   */
  group(into: TextGrouping = 'word', how: GroupReduction = 'sum'): GenerationAttribution {
    expectOneOf('how', how, groupReductions)
    const groups = tokenGroups(this.#units, into, this.attribution.inputs[0]!.name)
    const whole = this.attribution.aggregate('sum').group(into, how)
    return new GenerationAttribution(groupSteps(whole, groups, how, this.#details))
  }

  /**
   * These scores less those of another map of as many tokens and steps: what changed with the prompt, the model or the target.
   *
   * @throws AscribeError INPUT_SHAPE; OPTION_TYPE
   */
  minus(other: GenerationAttribution): GenerationAttribution {
    if (!(other instanceof GenerationAttribution)) throw typeError('other', 'a GenerationAttribution', other)
    const [a, b] = [this.attribution.aggregate('sum'), other.attribution.aggregate('sum')]
    const [first, second] = [a.scores(), b.scores()]
    if (first.shape.join() !== second.shape.join())
      throw new AscribeError(
        'INPUT_SHAPE',
        `The maps have shapes [${first.shape.join(', ')}] and [${second.shape.join(', ')}]`,
      )
    const data = new arrayConstructors[first.dtype](first.data.length)
    for (let at = 0; at < data.length; at++) data[at] = first.data[at]! - second.data[at]!
    const scores = createTensor(first.dtype, first.shape, data)
    return new GenerationAttribution(
      rebuiltGeneration(a, {
        inputs: [{ ...a.inputs[0]!, scores }],
        target: a.targets.map(({ value: _, ...target }) => target),
        how: 'less another map',
      }),
    )
  }

  /** A row for each token that was read, a column for each step. */
  matrix(): TokenMatrix {
    const { positions, stepScores } = this.#details
    const { tokens } = this.#units
    const columns = this.steps.map((_, step) => this.scores(step))
    return {
      rows: tokens,
      columns: this.steps.map(({ token }) => token),
      values: tokens.map((_, row) =>
        columns.map((scores, step) => (row < positions[step]! ? scores[row]! : undefined)),
      ),
      below: Object.entries(stepScores).map(([name, values]) => ({ name, values })),
      promptRows: this.promptTokens,
    }
  }

  /** For a terminal. */
  toText(options: { color?: boolean } = {}): string {
    const { method, model, targets, warnings } = this.attribution
    const matrix = this.matrix()
    const range = this.#range(matrix)
    return [
      `${escapeTerminal(method.name)} on ${escapeTerminal(model.name)}: ${escapeTerminal(targets[0]!.kind ?? '')}`,
      '',
      matrixText(matrix, range, options.color ?? false),
      ...warnings.map(({ code, message }) => `\nwarning ${escapeTerminal(code)}: ${escapeTerminal(message)}`),
    ].join('\n')
  }

  /** Everything on one self-contained page that loads nothing and runs nothing. */
  async toHtml(): Promise<string> {
    const { attribution } = this
    const matrix = this.matrix()
    const range = this.#range(matrix)
    const answer = this.tokens.slice(this.promptTokens).join(this.#units.text === undefined ? ' ' : '')
    return pageDocument({
      title: `Generated tokens \u2014 ${attribution.method.name}`,
      styles: [matrixStyles(range)],
      libraryVersion: attribution.libraryVersion,
      body: [
        `<p class="eyebrow">${escapeMarkup(attribution.method.name)} \u00b7 where generated tokens came from</p>`,
        `<h1>${escapeMarkup(this.#answerText() ?? answer)}</h1>`,
        `<p class="lead">Rows were read, columns were written. ${escapeMarkup(attribution.targets[0]!.kind ?? '')} \u00b7 model ${escapeMarkup(attribution.model.name)}</p>`,
        ...warningsMarkup(attribution),
        `<section aria-label="Scores">${matrixMarkup(matrix, range)}${rangeMarkup(range, describeRange(range, { smoothing: 0 }), 'matrix')}</section>`,
        // Which tokens are whose is what the map shows.
        ...metadataCards(attribution, '', [generationKey]),
      ],
    })
  }

  /** The JSON of {@link attribution}. */
  async toJson(): Promise<string> {
    return this.attribution.toJson()
  }

  /** Writes a .html, .json or .npy file. */
  async save(path: string): Promise<void> {
    expectString('path', path)
    if (extname(path).toLowerCase() === '.html') return writeFileAtomically(path, await this.toHtml())
    if (['.json', '.npy'].includes(extname(path).toLowerCase())) return this.attribution.save(path)
    throw new AscribeError('OPTION_RANGE', 'A map of generated tokens is saved as .html, .json or .npy')
  }

  #answerText(): string | undefined {
    const { text, offsets } = this.#units
    const start = offsets?.slice(this.promptTokens).find(place => place !== null)?.[0]
    return start === undefined ? undefined : text!.slice(start)
  }

  #range(matrix: TokenMatrix) {
    const range = scoreRange(matrix.values.flatMap(row => row.flatMap(value => value ?? [])))
    // No evidence must look like paper.
    return { ...range, isSigned: true }
  }
}
