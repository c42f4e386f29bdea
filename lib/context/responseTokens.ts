import { continuation } from '../data/tokenizer/continuation.js'
import { AscribeError } from '../errors.js'
import { generating } from '../language/decoding.js'
import { promptTokens } from '../language/generator.js'
import type { Model } from '../model/model.js'
import type { Span } from '../regions/spans.js'
import { typeError } from '../validate.js'
import { spansOf } from './promptPieces.js'
import { placeTokens } from './tokenOffsets.js'

/** The response's tokens. */
export interface ResponseTokens {
  readonly ids: readonly number[]
  /** Absent where there is no tokenizer. */
  readonly text?: string
  /** Where each token lies in the text. */
  readonly spans?: readonly (Span | null)[]
}

/** The prompt that a response stands behind. */
export interface WrittenBefore {
  readonly ids: readonly number[]
  /** Where it was written as tokens as one text: that, and whether the tokenizer added its own at the ends. */
  readonly text?: string
  readonly specials?: boolean
  /** Whether a response begins with the tokenizer's own tokens. */
  readonly specialsInside?: boolean
}

const nothing: WrittenBefore = { ids: [] }

/**
 * A response as tokens behind its prompt; by itself where an encoder reads that.
 *
 * @throws AscribeError INPUT_VALUE for an empty one or ids that are none; TOKENIZER_REQUIRED.
 */
export async function responseTokens(
  model: Model,
  response: string | readonly number[],
  prompt: WrittenBefore,
  signal?: AbortSignal,
): Promise<ResponseTokens> {
  const { tokenizer } = model
  const isEncoded = generating(model).decoder.encode !== undefined
  const { ids: before, text, specials = false, specialsInside = false } = isEncoded ? nothing : prompt
  if (typeof response !== 'string' && !Array.isArray(response))
    throw typeError('response', 'a text or token ids', response)
  if (response.length === 0) throw new AscribeError('INPUT_VALUE', 'The response is empty')
  if (typeof response !== 'string') {
    const ids = await promptTokens(model, response, signal, 'response')
    if (tokenizer === undefined) return { ids }
    return { ids, ...(await placeTokens(tokenizer, ids, { before, signal })) }
  }
  if (tokenizer === undefined)
    throw new AscribeError(
      'TOKENIZER_REQUIRED',
      `Model ${model.name} has no tokenizer: give the response as token ids`,
    )
  const { ids, offsets } = specialsInside
    ? await tokenizer.encode(response, { specials: true, signal })
    : await continuation(
        tokenizer,
        text === undefined ? undefined : { text, ids: before, specials },
        response,
        signal,
      )
  if (ids.length === 0) throw new AscribeError('INPUT_VALUE', 'The response has no token')
  return { ids, text: response, spans: spansOf(offsets) }
}
