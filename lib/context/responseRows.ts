import { generating } from '../language/decoding.js'
import type { TextRows } from '../language/textRows/planPacked.js'
import type { Model } from '../model/model.js'
import type { Span } from '../regions/spans.js'

/**
 * A response behind a prompt as a model reads the two, and the rows that predict a span of it: one text; or, where the model has an
 * encoder, the prompt for that and the response behind the token that its decoder begins with.
 */
export function responseRows(
  model: Model,
  prompt: readonly number[],
  response: readonly number[],
  { start, end }: Span = { start: 0, end: response.length },
): TextRows {
  const { decoder } = generating(model)
  const isEncoded = decoder.encode !== undefined
  const before = isEncoded ? [decoder.startToken!] : prompt
  const first = before.length - 1
  return {
    ids: [...before, ...response],
    firstRow: first + start,
    endRow: first + end,
    ...(isEncoded ? { source: prompt } : {}),
  }
}
