import type { Json } from '../../attribution/types.js'
import { AnswerSimilarity } from '../../context/answerSimilarity.js'
import { ContextAttribution } from '../../context/contextAttribution.js'
import { ContextPrompt, type ContextRequest } from '../../context/contextPrompt.js'
import type { ContextText } from '../../context/segmentText.js'
import { AscribeError } from '../../errors.js'
import { hasChatTemplate } from '../../language/chatPrompt.js'
import { Generator } from '../../language/generator.js'
import type { TextGenerator } from '../../language/services.js'
import { Model } from '../../model/model.js'
import { expectKnownKeys, expectObject, expectSignalAndProgress } from '../../validate.js'
import { engineEnvironment } from '../engineEnvironment.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import type { TraceOptions } from './attnTrace.js'
import { checkedSpan } from './span.js'
import { checkAnswersOf, checkedSubject, generatorIdentity, modelOf, type PerturbedModel } from './subject.js'

export const selfCitationOptions = {
  topK: {
    kind: 'integer',
    default: 5,
    minimum: 1,
    description: 'Texts that the model is asked to name at most.',
  },
  maximumTokens: {
    kind: 'integer',
    default: 128,
    minimum: 1,
    maximum: 1 << 20,
    description: 'Tokens of its answer at most.',
  },
} as const

export type SelfCitationOptions = Given<typeof selfCitationOptions>

/** What is asked about. */
interface Asked {
  readonly texts: readonly ContextText[]
  readonly question: string | undefined
  /** The part of the response that is traced. */
  readonly answer: string
}

/**
 * Self-citation: the model is shown the texts under numbers and asked which of them an answer stands on, the most important
 * first. The first named has as many points as texts were named, the last one 1, all others 0; numbers that no text has are
 * dropped. One written answer, no gradients, no attention, and no more than what the model says of itself: a text can talk it
 * into naming another.
 *
 * Source: the baseline of Wang et al., "TracLLM" (arXiv 2506.04202, 2025) and AttnTrace; the prompt is our own, and so is that
 * dropped numbers have no points [unconfirmed].
 *
 * @example
 * const found = await new SelfCitation(model).attribute({ context, question, response })
 */
export class SelfCitation {
  readonly options: Resolved<typeof selfCitationOptions>
  readonly #subject: PerturbedModel

  /** @throws AscribeError MODEL_CAPABILITY for models that write no text; OPTION_*. */
  constructor(subject: PerturbedModel, options: SelfCitationOptions = {}) {
    this.#subject = checkedSubject(subject)
    this.options = resolveOptions(selfCitationOptions, options)
  }

  /** @throws AscribeError MODEL_CAPABILITY for a method that was made for a generator. */
  get model(): Model {
    return modelOf(this.#subject)
  }

  /**
   * Scores of one context's texts: points of those that the model names.
   *
   * @throws AscribeError INPUT_VALUE for an empty response or no texts; INPUT_SHAPE where the prompt is longer than the model
   *   reads; TOKENIZER_REQUIRED; OPTION_*; ABORTED.
   */
  async attribute(
    given: ContextRequest | ContextPrompt | AnswerSimilarity,
    options: TraceOptions = {},
  ): Promise<ContextAttribution> {
    expectObject('trace options', options)
    expectKnownKeys('trace options', options, ['span', 'signal', 'onProgress'])
    expectSignalAndProgress(options)
    const { signal, onProgress } = options
    const started = performance.now()
    const traced =
      given instanceof AnswerSimilarity
        ? this.#ofGenerator(given, options)
        : await this.#ofModel(given, options)
    const prompt = citationPrompt(traced, this.options.topK)
    const settings = {
      temperature: 0,
      maximumTokens: this.options.maximumTokens,
      ...(signal ? { signal } : {}),
    }
    const subject = this.#subject
    const isModel = subject instanceof Model
    const written = isModel
      ? await new Generator(subject).generate(
          (await hasChatTemplate(subject)) ? [{ role: 'user', content: prompt }] : prompt,
          settings,
        )
      : undefined
    const said = written ?? (await (subject as TextGenerator).generate(prompt, settings))
    onProgress?.(1, 1)
    if (said.text === undefined)
      throw new AscribeError('TOKENIZER_REQUIRED', 'The model writes no texts: it has no tokenizer')
    const named = citedTexts(said.text, traced.texts.length).slice(0, this.options.topK)
    const scores = new Array<number>(traced.texts.length).fill(0)
    for (const [at, text] of named.entries()) scores[text] = named.length - at
    return new ContextAttribution({
      model: isModel ? { name: subject.name, hash: await subject.hash() } : generatorIdentity(subject),
      method: {
        name: 'SelfCitation',
        options: this.options as { [option: string]: Json },
        details: { prompt, answer: said.text },
      },
      unit: 'points',
      texts: traced.texts,
      response: traced.response,
      ...(traced.span === undefined ? {} : { responseSpan: traced.span }),
      scores,
      kept: named,
      warnings: [
        ...traced.warnings,
        ...(named.length === 0
          ? [
              {
                code: 'NOTHING_CITED',
                message: `The answer names none of the texts: ${said.text.trim().slice(0, 80)}`,
              },
            ]
          : []),
      ],
      cost: {
        forwardPasses: written?.ids.length ?? 1,
        tokens: written ? written.promptIds.length + written.ids.length : 0,
        milliseconds: performance.now() - started,
      },
      ...(isModel ? { environment: engineEnvironment(subject.device, 1, subject.precision) } : {}),
    })
  }

  async #ofModel(given: ContextRequest | ContextPrompt, { span, signal }: TraceOptions) {
    const { model } = this
    const prompt = given instanceof ContextPrompt ? given : await ContextPrompt.create(model, given, signal)
    if (prompt.model !== model)
      throw new AscribeError('OPTION_RANGE', 'The prompt is for another model than the method')
    const response = prompt.answered()
    const own = checkedSpan(span, response.ids.length)
    if (response.text === undefined || response.spans === undefined)
      throw new AscribeError('TOKENIZER_REQUIRED', `Model ${model.name} has no tokenizer`)
    const places = response.spans.slice(own.start, own.end).filter(place => place !== null)
    const answer = response.text.slice(places[0]?.start ?? 0, places.at(-1)?.end ?? response.text.length)
    const warnings = prompt.warnings.map(message => ({ code: 'TEXTS_DROPPED', message }))
    return { texts: prompt.texts, question: prompt.question, answer, response, span: own, warnings }
  }

  #ofGenerator(similarity: AnswerSimilarity, { span }: TraceOptions) {
    checkAnswersOf(similarity, this.#subject)
    if (span !== undefined)
      throw new AscribeError(
        'OPTION_RANGE',
        'Answers of generators are traced as a whole: there is no span of them',
      )
    const { texts, question, response } = similarity
    return { texts, question, answer: response, response: { ids: [], text: response }, span, warnings: [] }
  }
}

/** Asks which of the numbered texts an answer stands on. */
export function citationPrompt({ texts, question, answer }: Asked, topK: number): string {
  const list = texts.map(({ text }, at) => `[${at + 1}]: ${text.trim()}`).join('\n')
  return [
    `Below are ${texts.length} texts, each behind its number in brackets.`,
    list,
    ...(question === undefined ? [] : [`Question: ${question}`]),
    `Answer: ${answer.trim()}`,
    `Which texts does this answer stand on? Name the ${Math.min(topK, texts.length)} most important ones at most, the most important first, as numbers in brackets with > between them, such as [2]>[1], and nothing else.`,
  ].join('\n\n')
}

/** Numbers of texts (from 0) that an answer names in brackets, each once, in its order; those that there are not are left out. */
export function citedTexts(answer: string, texts: number): number[] {
  const numbers = Array.from(answer.matchAll(/\[(\d{1,9})\]/g), match => Number(match[1]) - 1)
  return [...new Set(numbers)].filter(at => at >= 0 && at < texts)
}
