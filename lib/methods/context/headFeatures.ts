import type { ContextPrompt } from '../../context/contextPrompt.js'
import { responseRows } from '../../context/responseRows.js'
import { jointLogOdds, logOddsOf } from '../../context/responseScores.js'
import { sentenceEnds } from '../../context/sentences.js'
import { headRows } from '../../context/tracedRows.js'
import { RandomStream } from '../../games/randomStream.js'
import type { Span } from '../../regions/spans.js'
import type { TrainingTarget } from './headWeightTraining.js'

/** Tokens that go through the model at once. */
const tokensTogether = 4096

/** The response's sentences as tokens; all of it where its letters are not known. */
export function responseSentences({ ids, text, spans }: ContextPrompt['response']): Span[] {
  if (text === undefined || spans === undefined) return [{ start: 0, end: ids.length }]
  const found: Span[] = []
  let token = 0
  for (const end of sentenceEnds(text)) {
    const start = token
    while (token < ids.length && (spans[token] == null || spans[token]!.start < end)) token++
    if (token > start) found.push({ start, end: token })
  }
  return found.length === 0 ? [{ start: 0, end: ids.length }] : found
}

export interface FeatureOptions {
  readonly masks: number
  readonly keep: number
  readonly seed: number
  /** Which example of the data it is: masks are keyed by it. */
  readonly example: number
  readonly signal?: AbortSignal | undefined
}

/**
 * What AT2 learns from: for each sentence of a response, under random masks of the context's single tokens (which hide
 * them from attention; positions stay), the signed sums of every head's attention and the log-odds of the sentence.
 */
export async function headFeatures(
  prompt: ContextPrompt,
  { masks, keep, seed, example, signal }: FeatureOptions,
): Promise<TrainingTarget[]> {
  const { model } = prompt
  const { ids: response } = prompt.answered()
  const { ids, spans } = await prompt.allTokens()
  const text = responseRows(model, ids, response)
  const hidden = text.source ?? text.ids
  const tokens = spans.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, at) => start + at))
  const isKept = Array.from({ length: masks }, (_, mask) => {
    const random = new RandomStream(seed, example, mask)
    return tokens.map(() => random.uniform() < keep)
  })
  const odds: Float64Array[] = []
  const together = Math.max(1, Math.floor(tokensTogether / (ids.length + response.length)))
  for (let from = 0; from < masks; from += together) {
    const part = isKept.slice(from, from + together)
    const shown = part.map(kept => {
      const mask = hidden.map(() => 1)
      for (const [at, token] of tokens.entries()) mask[token] = kept[at] ? 1 : 0
      return mask
    })
    const texts = part.map(() => text)
    odds.push(...(await logOddsOf(model, texts, response, signal, shown)).odds)
  }
  const read = { ...text, ids: text.ids.slice(0, text.endRow) }
  const { layers, stride } = await headRows(model, read, signal)
  return responseSentences(prompt.response).map(target => ({
    features: signedSums(layers, response.length, stride, target, tokens, isKept),
    values: Float64Array.from(odds, each => jointLogOdds(each.subarray(target.start, target.end))),
  }))
}

/** [masks, heads of all layers]: mean over the target's rows of the signed sum over tokens. */
function signedSums(
  layers: readonly Float32Array[],
  rows: number,
  stride: number,
  target: Span,
  tokens: readonly number[],
  isKept: readonly (readonly boolean[])[],
): Float32Array {
  const counts = layers.map(layer => layer.length / rows / stride)
  const heads = counts.reduce((sum, count) => sum + count, 0)
  const found = new Float32Array(isKept.length * heads)
  let head = 0
  for (const [at, layer] of layers.entries())
    for (let own = 0; own < counts[at]!; own++, head++) {
      const mean = Float64Array.from(tokens, token => {
        let sum = 0
        for (let row = target.start; row < target.end; row++)
          sum += layer[(own * rows + row) * stride + token]!
        return sum / (target.end - target.start)
      })
      for (const [mask, kept] of isKept.entries())
        found[mask * heads + head] = mean.reduce((sum, value, k) => sum + (kept[k] ? value : -value), 0)
    }
  return found
}
