import { ContextAttribution } from '../context/contextAttribution.js'
import { ContextPrompt } from '../context/contextPrompt.js'
import { responseRows } from '../context/responseRows.js'
import { AscribeError } from '../errors.js'
import { RandomStream } from '../games/randomStream.js'
import { checkedSpan } from '../methods/context/span.js'
import { type Resolved, resolveOptions } from '../methods/options.js'
import { expectObject, expectSignalAndProgress, typeError } from '../validate.js'
import { MaskedEmbeddings } from './maskedEmbeddings.js'
import {
  importances,
  logRatios,
  randomImportances,
  type SoftFaithfulness,
  type SoftFaithfulnessOptions,
  softDistance,
  softFaithfulnessOptions,
  softMean,
  softScores,
} from './softFaithfulness.js'

export const softContextFaithfulnessOptions = {
  units: {
    kind: 'choice',
    choices: ['texts', 'tokens'],
    default: 'texts',
    description:
      'Whose scores become importances: each text as a whole, or its tokens where the method scores them.',
  },
  ...softFaithfulnessOptions,
} as const

export interface SoftContextFaithfulnessOptions extends SoftFaithfulnessOptions {
  units?: 'texts' | 'tokens'
}

export interface SoftContextFaithfulness
  extends Omit<SoftFaithfulness, 'options' | 'steps' | 'undefinedSteps'> {
  /** Tokens of the response that were compared. */
  readonly responseTokens: number
  readonly options: Resolved<typeof softContextFaithfulnessOptions>
}

const [keeps, removes, randomKeeps, randomRemoves, draws] = [0, 1, 2, 3, 4]
/** Draws of generated tokens are keyed by their places; these are none of them. */
const item = 0x7fffff00

/**
 * Soft normalised sufficiency and comprehensiveness of a trace: each element of a context token's embedding is kept with
 * the importance of its text (or its own) as its probability, or with what is missing of it; what stands around the
 * context stays. The distributions that predict the traced tokens of the response are compared with those at the input,
 * their distances added up over these tokens, and told as shares of those of a context of empty embeddings.
 *
 * Source: Zhao and Aletras 2023, as Zhao and Shan 2024 (arXiv 2402.00794) compute it for one predicted token; texts as
 * units, and the sum over a response's tokens, are our own.
 *
 * @param prompt The prompt that was traced, with its response.
 * @param found A trace of it, by any method.
 * @throws AscribeError INPUT_SHAPE for a trace of another prompt; INPUT_VALUE where the context changes nothing, scores are no
 *   importances as they are, or tokens have none; MODEL_CAPABILITY; OPTION_*; ABORTED.
 * @example
 * const found = await new AttnTrace(model).attribute(prompt)
 * const { sufficiency, comprehensiveness, random } = await softContextFaithfulness(prompt, found)
 */
export async function softContextFaithfulness(
  prompt: ContextPrompt,
  found: ContextAttribution,
  options: SoftContextFaithfulnessOptions = {},
): Promise<SoftContextFaithfulness> {
  if (!(prompt instanceof ContextPrompt)) throw typeError('prompt', 'a ContextPrompt', prompt)
  if (!(found instanceof ContextAttribution)) throw typeError('found', 'a ContextAttribution', found)
  expectObject('options', options)
  const { signal, ...others } = options
  expectSignalAndProgress(options)
  const resolved = resolveOptions(softContextFaithfulnessOptions, others)
  const { units, scale, samples, distance, seed } = resolved
  const { ids: response } = prompt.answered()
  if (found.texts.length !== prompt.texts.length)
    throw new AscribeError(
      'INPUT_SHAPE',
      `The trace is of ${found.texts.length} texts, and the prompt has ${prompt.texts.length}`,
    )
  const { start, end } = checkedSpan(found.responseSpan, response.length)
  const { ids, spans } = await prompt.allTokens()
  const text = responseRows(prompt.model, ids, response, { start, end })
  const sourceTokens = text.source?.length ?? 0
  const all = [...(text.source ?? []), ...text.ids]
  const rows = Array.from({ length: end - start }, (_, at) => sourceTokens + text.firstRow + at)
  const read = { ids: all.slice(0, rows.at(-1)! + 1), sourceTokens }
  const masked = new MaskedEmbeddings(prompt.model, read, rows, signal)
  const own = importances(
    unitScores(
      found,
      spans.map(span => span.end - span.start),
      units,
    ),
    scale,
  )
  const random = randomImportances(own.length, new RandomStream(seed, item + draws, 0))
  /** Importances of units as probabilities of all tokens; those outside the context stay. */
  const spread = (each: Float64Array, of: (importance: number) => number) => {
    const kept = new Float64Array(all.length).fill(1)
    let unit = 0
    for (const span of spans) {
      for (let at = span.start; at < span.end; at++) kept[at] = of(each[units === 'texts' ? unit : unit++]!)
      if (units === 'texts') unit++
    }
    return kept
  }
  const distances = async (kept: Float64Array, kind: number, count: number) => {
    const sums = await masked.rootDifferences(kept, at => new RandomStream(seed, item + kind, at), count)
    return sums.map(each => each.reduce((total, sum) => total + softDistance(sum, distance), 0))
  }
  const [empty] = await distances(
    spread(own, () => 0),
    keeps,
    1,
  )
  if (!(empty! > 1e-12))
    throw new AscribeError(
      'INPUT_VALUE',
      'The response is predicted alike without the context: there is nothing to share out',
    )
  const measured = async (each: Float64Array, keepKind: number, removeKind: number) => {
    const kept = await distances(
      spread(each, value => value),
      keepKind,
      samples,
    )
    const removed = await distances(
      spread(each, value => 1 - value),
      removeKind,
      samples,
    )
    const scores = kept.map((value, at) => softScores(value, removed[at]!, empty!))
    return {
      sufficiency: softMean([scores.map(([first]) => first)]),
      comprehensiveness: softMean([scores.map(([, second]) => second)]),
    }
  }
  const mine = await measured(own, keeps, removes)
  const theirs = await measured(random, randomKeeps, randomRemoves)
  return {
    ...mine,
    random: theirs,
    logRatio: logRatios(mine, theirs),
    responseTokens: rows.length,
    options: resolved,
  }
}

/** One score for each unit. */
function unitScores(
  { scores, tokens }: ContextAttribution,
  lengths: readonly number[],
  units: 'texts' | 'tokens',
): readonly number[] {
  if (units === 'texts') return scores
  const missing = lengths.findIndex((length, text) => tokens?.[text]?.length !== length)
  if (missing >= 0)
    throw new AscribeError('INPUT_VALUE', `The trace has no scores of the tokens of text ${missing}`, {
      hint: "Methods that leave whole texts out score texts alone: units: 'texts'.",
    })
  return tokens!.flatMap(own => own.map(({ score }) => score))
}
