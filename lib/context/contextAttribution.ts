import type {
  AttributionWarning,
  Environment,
  MethodDescription,
  ModelDescription,
} from '../attribution/types.js'
import { readFileBounded, writeFileAtomically } from '../data/files.js'
import { AscribeError } from '../errors.js'
import type { Span } from '../regions/spans.js'
import { expectInteger, expectObject, typeError } from '../validate.js'
import { libraryVersion } from '../version.js'
import type { ResponseTokens } from './contextPrompt.js'
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
    this.tokens = init.tokens
    this.warnings = init.warnings
    this.cost = init.cost
    this.environment = init.environment
  }

  /** Numbers of the texts, greatest score first; equal ones in the order of the context. */
  ranking(): number[] {
    return this.scores.map((_, at) => at).toSorted((a, b) => this.scores[b]! - this.scores[a]! || a - b)
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
    return (this.tokens?.[text] ?? []).toSorted((a, b) => b.score - a.score).slice(0, count)
  }

  toJSON(): object {
    const { model, method, unit, texts, response, responseSpan, scores } = this
    const { standardErrors, counts, tokens, warnings, cost, environment } = this
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
    const { texts, scores, method, model, response, cost, warnings } = value
    try {
      for (const [name, list] of Object.entries({ texts, scores, warnings }))
        if (!Array.isArray(list)) throw typeError(name, 'an array', list)
      for (const [name, part] of Object.entries({ method, model, response, cost })) expectObject(name, part)
      for (const each of texts as Record<string, unknown>[])
        if (typeof expectObject('text', each).text !== 'string')
          throw typeError('text', 'a string', each.text)
      for (const each of scores as unknown[])
        if (typeof each !== 'number') throw typeError('score', 'a number', each)
      const { ids } = response as { ids?: unknown }
      if (!Array.isArray(ids)) throw typeError('response.ids', 'an array', ids)
      expectObject('options', (method as Record<string, unknown>).options)
      return new ContextAttribution(value as unknown as ContextAttributionInit)
    } catch (cause) {
      throw corrupt((cause as Error).message, cause)
    }
  }
}
