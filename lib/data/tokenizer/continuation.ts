import type { Encoding, Tokenizer } from './tokenizer.js'

/** A text that was written as tokens. */
export interface WrittenText {
  readonly text: string
  readonly ids: readonly number[]
  /** Whether the tokenizer added its own tokens at the ends. */
  readonly specials: boolean
}

/**
 * What a tokenizer writes a text as behind another: the tokens behind those of the first where both are written together,
 * and the first's stay as they are; else the text by itself (in front of which some tokenizers put a space). So a text
 * that a model wrote is the tokens that it wrote.
 *
 * @param before Absent where only its tokens are known.
 * @returns ids, tokens and where they lie in `text`.
 */
export async function continuation(
  tokenizer: Tokenizer,
  before: WrittenText | undefined,
  text: string,
  signal?: AbortSignal,
): Promise<Encoding> {
  const alone = () => tokenizer.encode(text, { specials: false, signal })
  if (before === undefined || text === '') return alone()
  const whole = await tokenizer.encode(before.text + text, { specials: before.specials, signal })
  // The tokenizer's own tokens at the end stand behind both.
  const count = before.ids.length
  if (count >= whole.ids.length || before.ids.some((id, at) => id !== whole.ids[at])) return alone()
  const shift = before.text.length
  return {
    ids: whole.ids.slice(count),
    tokens: whole.tokens.slice(count),
    offsets: whole.offsets
      .slice(count)
      .map(place => place && [Math.max(0, place[0] - shift), Math.max(0, place[1] - shift)]),
  }
}
