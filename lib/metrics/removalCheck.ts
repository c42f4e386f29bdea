import { ContextAttribution } from '../context/contextAttribution.js'
import { ContextPrompt } from '../context/contextPrompt.js'
import { logProbabilityOf, ResponseScores } from '../context/responseScores.js'
import { answerWithout } from '../context/traceAnswer.js'
import { AscribeError } from '../errors.js'
import { coalitionOf, complementOf } from '../games/coalition.js'
import { RandomStream } from '../games/randomStream.js'
import { checkedSpan } from '../methods/context/span.js'
import { type Given, resolveOptions } from '../methods/options.js'
import type { Span } from '../regions/spans.js'
import { expectInteger, expectObject, expectSignalAndProgress, typeError } from '../validate.js'
import { bootstrapInterval, type Interval } from './intervals.js'

export const removalCheckOptions = {
  topK: {
    kind: 'integer',
    default: undefined,
    minimum: 1,
    description:
      "Texts that are removed, or kept alone: the first of the ranking. Default the method's topK.",
  },
  random: {
    kind: 'integer',
    default: 20,
    minimum: 0,
    maximum: 100_000,
    description: 'Random sets of as many texts that stand beside; two passes each.',
  },
  answers: {
    kind: 'boolean',
    default: false,
    description: 'The model is also asked again: with all texts, without these, and with these alone.',
  },
  maximumTokens: {
    kind: 'integer',
    default: undefined,
    minimum: 1,
    maximum: 1 << 20,
    description: 'Tokens of each such answer at most. Default what generation_config.json says, or 256.',
  },
  seed: {
    kind: 'integer',
    default: 0,
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Of the random sets.',
  },
} as const

export interface RemovalCheckOptions extends Given<typeof removalCheckOptions> {
  /** Tokens of the response that count. Default those that were traced, or all. */
  span?: Span
  signal?: AbortSignal
  /** Sets of texts that were asked for, and all. */
  onProgress?: (done: number, total: number) => void
}

/** The response under some of the texts, and what the model itself says then. */
export interface CheckedResponse {
  /** Of the response's tokens that count, in nats. */
  readonly logProbability: number
  /** What the model answers, its most likely tokens; where it was asked. */
  readonly answer?: string
  /** Whether that is the response, white space at its ends aside. */
  readonly isSameAnswer?: boolean
}

/** What some change of the context did. */
export interface CheckedRemoval extends CheckedResponse {
  /** The log-probability under all texts less this one, in nats. */
  readonly drop: number
  /** Mean drop of random sets of as many texts, with its 95 % bootstrap interval; absent where none were drawn. */
  readonly random?: Interval
}

/** What {@link removalCheck} found. */
export interface RemovalCheck {
  /** Numbers of the texts that were removed, or kept alone, the first of the ranking first. */
  readonly texts: readonly number[]
  /** Under all texts. */
  readonly whole: CheckedResponse
  /** Without these texts: the drop is large where the response stands on them. */
  readonly removed: CheckedRemoval
  /** With these texts alone: the drop is small where they suffice. */
  readonly kept: CheckedRemoval
  /** Sets of texts that were not known, one pass each, without those that answers took. */
  readonly forwardPasses: number
  readonly seed: number
}

/**
 * Does a response stand on the texts that a method names? They are removed, and kept alone, and the response's
 * log-probability (and, with `answers`, the model's answer) is told for both, beside random sets of as many texts. The
 * answer should change where the texts are removed, and persist where they alone are kept (the check of AttnTrace, arXiv
 * 2508.03793); a drop no greater than that of random texts says that it does not stand on them.
 *
 * @param traced The prompt with its response, or scores of it that others have asked before, whose passes are shared.
 * @param found What a method found, or the numbers of texts.
 * @throws AscribeError INPUT_VALUE for a prompt without a response, or no texts; INPUT_SHAPE for a trace of another
 *   prompt; OPTION_*; ABORTED.
 * @example
 * const prompt = await ContextPrompt.create(model, { context, question, response })
 * const found = await new AttnTrace(model).attribute(prompt)
 * const { removed, kept } = await removalCheck(prompt, found, { topK: 1, answers: true })
 * console.log(removed.drop, removed.random, removed.answer, kept.answer)
 */
export async function removalCheck(
  traced: ContextPrompt | ResponseScores,
  found: ContextAttribution | readonly number[],
  options: RemovalCheckOptions = {},
): Promise<RemovalCheck> {
  if (!(traced instanceof ContextPrompt || traced instanceof ResponseScores))
    throw typeError('traced', 'a ContextPrompt or ResponseScores', traced)
  const scores = traced instanceof ResponseScores ? traced : new ResponseScores(traced)
  const { prompt } = scores
  const { ids } = prompt.answered()
  expectObject('options', options)
  const { span, signal, onProgress, ...given } = options
  expectSignalAndProgress(options)
  const { topK, random, answers, maximumTokens, seed } = resolveOptions(removalCheckOptions, given)
  const count = prompt.texts.length
  const texts = checkedTexts(found, count, topK)
  const own = span ?? (found instanceof ContextAttribution ? found.responseSpan : undefined)
  const { start, end } = checkedSpan(own, ids.length)
  const before = scores.evaluations
  const sets = Array.from({ length: random }, (_, sample) =>
    Array.from(new RandomStream(seed, 0, sample).permutation(count, texts.length)),
  )
  const all = coalitionOf(count, Array(count).keys())
  const kept = [texts, ...sets].map(set => coalitionOf(count, set))
  const asked = [all, ...kept.flatMap(set => [complementOf(set, count), set])]
  const values: number[] = []
  for (let from = 0; from < asked.length; from += together) {
    const odds = await scores.logOdds(asked.slice(from, from + together), signal)
    values.push(...odds.map(each => logProbabilityOf(each.subarray(start, end))))
    onProgress?.(values.length, asked.length)
  }
  const [whole, ...rest] = values as [number, ...number[]]
  const asks = async (left: Iterable<number>) =>
    answers ? answered(prompt, left, maximumTokens, signal) : {}
  const side = async (at: 0 | 1, left: Iterable<number>): Promise<CheckedRemoval> => {
    const drops = rest.filter((_, each) => each % 2 === at).map(value => whole - value)
    return {
      logProbability: rest[at]!,
      drop: drops[0]!,
      ...(random === 0 ? {} : { random: bootstrapInterval(drops.slice(1), { seed }) }),
      ...(await asks(left)),
    }
  }
  const others = [...prompt.texts.keys()].filter(text => !texts.includes(text))
  return {
    texts,
    whole: { logProbability: whole, ...(await asks([])) },
    removed: await side(0, texts),
    kept: await side(1, others),
    forwardPasses: scores.evaluations - before,
    seed,
  }
}

/** Sets that are asked for between two reports of progress. */
const together = 16

/** The texts that are checked. */
function checkedTexts(
  found: ContextAttribution | readonly number[],
  count: number,
  topK: number | undefined,
): number[] {
  if (found instanceof ContextAttribution) {
    if (found.texts.length !== count)
      throw new AscribeError(
        'INPUT_SHAPE',
        `The trace is of ${found.texts.length} texts, and the prompt has ${count}`,
      )
    return found.top(topK).map(({ index }) => index)
  }
  if (!Array.isArray(found)) throw typeError('found', 'a ContextAttribution or numbers of texts', found)
  const texts = [...new Set(found as readonly number[])].slice(0, topK)
  for (const text of texts) expectInteger('text', text, 0, count - 1)
  if (texts.length === 0) throw new AscribeError('INPUT_VALUE', 'There are no texts to remove')
  return texts
}

/** What the model answers without some texts, and whether that is the response. */
async function answered(
  prompt: ContextPrompt,
  without: Iterable<number>,
  maximumTokens: number | undefined,
  signal: AbortSignal | undefined,
): Promise<{ answer?: string; isSameAnswer: boolean }> {
  const { text, ids, finish } = await answerWithout(prompt, without, {
    ...(maximumTokens === undefined ? {} : { maximumTokens }),
    ...(signal ? { signal } : {}),
  })
  const own = finish === 'end' ? ids.slice(0, -1) : ids
  const { response } = prompt
  const isSameAnswer =
    text === undefined || response.text === undefined
      ? own.join() === response.ids.join()
      : text.trim() === response.text.trim()
  return { ...(text === undefined ? {} : { answer: text }), isSameAnswer }
}
