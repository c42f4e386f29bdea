import type {
  AttributionWarning,
  Environment,
  MethodDescription,
  ModelDescription,
} from '../attribution/types.js'
import { readFileBounded, writeFileAtomically } from '../data/files.js'
import { AscribeError } from '../errors.js'
import type { Span } from '../regions/spans.js'
import { expectInteger, expectNumber, expectObject, expectString, typeError } from '../validate.js'
import { libraryVersion } from '../version.js'
import type { ResponseTokens } from './responseTokens.js'
import type { ContextText } from './segmentText.js'

/** A token of a text, and its own score. */
export interface TokenScore {
  readonly id: number
  /** Where it lies in the context, in UTF-16 units; null for one that is none of its letters. */
  readonly span: Span | null
  readonly score: number
}

/** What a trace of a context is made of. */
export interface ContextAttributionInit {
  readonly model: ModelDescription
  readonly method: MethodDescription
  /** What a score is, for people: `mean attention weight`, `nats`. */
  readonly unit: string
  readonly texts: readonly ContextText[]
  readonly response: ResponseTokens
  /** The response's tokens that were traced. Default all. */
  readonly responseSpan?: Span | undefined
  /** One for each text. */
  readonly scores: readonly number[]
  /** One for each text, in the scores' unit; null where it is not known. */
  readonly standardErrors?: readonly (number | null)[] | undefined
  /** How often each text was among those that were drawn. */
  readonly counts?: readonly number[] | undefined
  /** Of a search: the texts that it kept to the end. The others have no score of their own, and come behind them. */
  readonly kept?: readonly number[] | undefined
  /** Scores of each text's tokens. */
  readonly tokens?: readonly (readonly TokenScore[])[] | undefined
  readonly warnings: readonly AttributionWarning[]
  readonly cost: ContextCost
  readonly environment?: Environment | undefined
}

/** What a trace cost. */
export interface ContextCost {
  readonly forwardPasses: number
  /** Tokens of all passes. */
  readonly tokens: number
  readonly milliseconds: number
}

/** A text in its place among all. */
export interface RankedText extends ContextText {
  /** From 1. */
  readonly rank: number
  /** Its number in the context. */
  readonly index: number
  readonly score: number
  readonly standardError?: number
  readonly count?: number
}

const format = 'ascribe.contextAttribution'
const schemaVersion = 1
const maximumFileBytes = 500_000_000

/**
 * Which texts of a context a response came from: a score for each, and all that is needed to judge and to repeat it.
 * Immutable; the same for all methods that trace contexts.
 *
 * @example
 * const found = await new AttnTrace(model).attribute({ context, question, response })
 * for (const { rank, score, text } of found.top(3)) console.log(rank, score, text)
 * await found.save('trace.json')
 */
export class ContextAttribution {
  readonly model: ModelDescription
  readonly method: MethodDescription
  readonly unit: string
  readonly texts: readonly ContextText[]
  readonly response: ResponseTokens
  readonly responseSpan: Span
  readonly scores: readonly number[]
  readonly standardErrors: readonly (number | null)[] | undefined
  readonly counts: readonly number[] | undefined
  readonly kept: readonly number[] | undefined
  readonly tokens: readonly (readonly TokenScore[])[] | undefined
  readonly warnings: readonly AttributionWarning[]
  readonly cost: ContextCost
  readonly environment: Environment | undefined

  /** @throws AscribeError INPUT_SHAPE where lists differ in length; NOT_FINITE for scores that are no numbers. */
  constructor(init: ContextAttributionInit) {
    const { texts, scores } = init
    for (const name of ['scores', 'standardErrors', 'counts', 'tokens'] as const)
      if (init[name] !== undefined && init[name].length !== texts.length)
        throw new AscribeError(
          'INPUT_SHAPE',
          `There are ${texts.length} texts and ${init[name].length} ${name}`,
        )
    const broken = scores.findIndex(score => !Number.isFinite(score))
    if (broken >= 0) throw new AscribeError('NOT_FINITE', `The score of text ${broken} is ${scores[broken]}`)
    this.model = init.model
    this.method = init.method
    this.unit = init.unit
    this.texts = texts
    this.response = init.response
    this.responseSpan = init.responseSpan ?? { start: 0, end: init.response.ids.length }
    this.scores = scores
    this.standardErrors = init.standardErrors
    this.counts = init.counts
    this.kept = init.kept
    this.tokens = init.tokens
    this.warnings = init.warnings
    this.cost = init.cost
    this.environment = init.environment
  }

  /** Numbers of the texts, greatest score first, those that a search dropped last; equal ones in the order of the context. */
  ranking(): number[] {
    const { kept, scores } = this
    const dropped = Array.from(scores, (_, at) => (kept === undefined || kept.includes(at) ? 0 : 1))
    return scores
      .map((_, at) => at)
      .toSorted((a, b) => dropped[a]! - dropped[b]! || scores[b]! - scores[a]! || a - b)
  }

  /** The first `count` of the ranking. Default: what the method's `topK` says, or all. */
  top(count?: number): RankedText[] {
    const usual = this.method.options.topK
    const most = count ?? (typeof usual === 'number' ? usual : this.texts.length)
    expectInteger('count', most, 0)
    return this.ranking()
      .slice(0, most)
      .map((index, at) => {
        const error = this.standardErrors?.[index] ?? undefined
        const times = this.counts?.[index]
        return {
          rank: at + 1,
          index,
          ...this.texts[index]!,
          score: this.scores[index]!,
          ...(error === undefined ? {} : { standardError: error }),
          ...(times === undefined ? {} : { count: times }),
        }
      })
  }

  /** The `count` tokens of a text with the greatest scores. */
  topTokens(text: number, count = 5): TokenScore[] {
    expectInteger('text', text, 0, this.texts.length - 1)
    expectInteger('count', count, 0)
    return (this.tokens?.[text] ?? []).toSorted((a, b) => b.score - a.score).slice(0, count)
  }

  toJSON(): object {
    const { model, method, unit, texts, response, responseSpan, scores } = this
    const { standardErrors, counts, kept, tokens, warnings, cost, environment } = this
    return {
      format,
      schemaVersion,
      libraryVersion,
      model,
      method,
      unit,
      texts,
      response,
      responseSpan,
      scores,
      standardErrors,
      counts,
      kept,
      tokens,
      warnings,
      cost,
      environment,
    }
  }

  /** Writes it as JSON. */
  async save(path: string): Promise<void> {
    await writeFileAtomically(path, `${JSON.stringify(this)}\n`)
  }

  /** @throws AscribeError FILE_NOT_FOUND, FILE_CORRUPT, FILE_VERSION */
  static async load(path: string): Promise<ContextAttribution> {
    return ContextAttribution.fromJSON(
      new TextDecoder().decode(await readFileBounded(path, maximumFileBytes)),
    )
  }

  /** @throws AscribeError FILE_CORRUPT, FILE_VERSION */
  static fromJSON(text: string): ContextAttribution {
    const corrupt = (what: string, cause?: unknown) =>
      new AscribeError('FILE_CORRUPT', `This is no saved trace of a context: ${what}`, { cause })
    let value: Record<string, unknown>
    try {
      value = expectObject('trace', JSON.parse(text))
    } catch (cause) {
      throw corrupt('it is no JSON object', cause)
    }
    if (value.format !== format) throw corrupt('its format is another')
    if (typeof value.schemaVersion !== 'number' || value.schemaVersion > schemaVersion)
      throw new AscribeError(
        'FILE_VERSION',
        `The trace has version ${String(value.schemaVersion)} of its format`,
      )
    try {
      checkFields(value)
      return new ContextAttribution(value as unknown as ContextAttributionInit)
    } catch (cause) {
      throw corrupt((cause as Error).message, cause)
    }
  }
}

const expectList = (name: string, value: unknown): readonly unknown[] => {
  if (!Array.isArray(value)) throw typeError(name, 'an array', value)
  return value
}

function expectSpan(name: string, value: unknown): void {
  const { start, end } = expectObject(name, value) as Partial<Span>
  expectInteger(`${name}.end`, end, expectInteger(`${name}.start`, start, 0))
}

/** What a saved trace must hold, down to what is read of it. @throws AscribeError OPTION_* */
function checkFields(value: Record<string, unknown>): void {
  const { texts, scores, standardErrors, counts, kept, tokens, responseSpan, warnings } = value
  for (const each of expectList('texts', texts)) {
    expectString('text', expectObject('text', each).text)
    expectSpan('text', each)
  }
  for (const each of expectList('scores', scores)) expectNumber('score', each)
  for (const each of expectList('warnings', warnings))
    for (const name of ['code', 'message']) expectString(name, expectObject('warning', each)[name])
  const method = expectObject('method', value.method)
  expectString('method.name', method.name)
  expectObject('method.options', method.options)
  expectString('model.name', expectObject('model', value.model).name)
  expectString('unit', value.unit)
  for (const [name, each] of Object.entries(expectObject('cost', value.cost))) expectNumber(name, each)
  const response = expectObject('response', value.response)
  for (const each of expectList('response.ids', response.ids)) expectInteger('id', each, 0)
  if (responseSpan !== undefined) expectSpan('responseSpan', responseSpan)
  if (standardErrors !== undefined)
    for (const each of expectList('standardErrors', standardErrors))
      if (each !== null) expectNumber('standard error', each)
  if (counts !== undefined) for (const each of expectList('counts', counts)) expectInteger('count', each, 0)
  if (kept !== undefined)
    for (const each of expectList('kept', kept))
      expectInteger('kept', each, 0, (texts as readonly unknown[]).length - 1)
  if (tokens === undefined) return
  for (const own of expectList('tokens', tokens))
    for (const each of expectList('tokens', own)) {
      const { id, score, span } = expectObject('token', each) as Partial<TokenScore>
      expectInteger('id', id, 0)
      expectNumber('score', score)
      if (span !== null) expectSpan('span', span)
    }
}
