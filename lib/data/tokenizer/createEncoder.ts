import { OffsetEncoder, type PackageTokenizer } from './encodeWithOffsets.js'
import { faithful } from './faithful.js'

/** What is known of a tokenizer beside how it encodes. */
export interface TokenizerFacts {
  /** The id that fills texts up to a length. */
  readonly padding?: number
}

const paddingNames = ['[PAD]', '<pad>', '<|pad|>', '<PAD>']

/**
 * Makes an encoder of the text of a tokenizer.json. Runs in a thread of its own: patterns and sizes are the file's.
 *
 * @throws Error where it is none, or holds parts that are not supported.
 */
export async function createEncoder(
  text: string,
): Promise<{ encoder: OffsetEncoder; facts: TokenizerFacts }> {
  const parsed: unknown = JSON.parse(text)
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new Error('it is no object')
  const description = faithful(parsed as Record<string, unknown>)
  // By name: the package is loaded here alone.
  const name = '@huggingface/tokenizers'
  const { Tokenizer } = (await import(name)) as {
    Tokenizer: new (description: object, configuration: object) => PackageTokenizer
  }
  const tokenizer = new Tokenizer(
    {
      added_tokens: [],
      decoder: null,
      post_processor: null,
      pre_tokenizer: null,
      normalizer: null,
      ...description,
    },
    {},
  )
  const given = (description.padding as { pad_id?: unknown } | null | undefined)?.pad_id
  const padding =
    typeof given === 'number'
      ? given
      : paddingNames.map(each => tokenizer.token_to_id(each)).find(id => id !== undefined)
  return {
    encoder: new OffsetEncoder(tokenizer, description),
    facts: padding === undefined ? {} : { padding },
  }
}
