import type { Vocabulary } from '../../data/tokenizer/tokenizer.js'

/** Coarse kinds of tokens, in place of parts of speech, which would need a tagger. */
export const tokenClasses = ['word', 'continuation', 'digits', 'punctuation', 'other', 'special'] as const
export type TokenClass = (typeof tokenClasses)[number]

/** What tokenizers of several kinds put in front of a token that begins a word. */
const leadingSpace = /^[ \u2581\u0120]+/
const byteToken = /^<0x[0-9A-F]{2}>$/

/**
 * The kind of a token by its name in the tokenizer's model.
 *
 * @param continues What tokens begin with that go on with a word (`##`), for tokenizers of word pieces; others put a space in
 *   front of those that begin one.
 */
export function tokenClass(name: string, continues: string | undefined): TokenClass {
  if (name === '' || byteToken.test(name)) return 'other'
  const isContinuation =
    continues === undefined ? !leadingSpace.test(name) : continues !== '' && name.startsWith(continues)
  const own =
    continues !== undefined && isContinuation
      ? name.slice(continues.length)
      : continues === undefined
        ? name.replace(leadingSpace, '')
        : name
  if (/^\p{N}+$/u.test(own)) return 'digits'
  if (/^[\p{P}\p{S}]+$/u.test(own)) return 'punctuation'
  if (/\p{L}/u.test(own)) return isContinuation ? 'continuation' : 'word'
  return 'other'
}

/** The kind of every token of a vocabulary, by id, as its place in {@link tokenClasses}. */
export function vocabularyClasses({ tokens, special }: Vocabulary, size: number): Uint8Array {
  const isWordPiece = tokens.some(token => /^##\p{L}/u.test(token))
  const classes = Uint8Array.from({ length: size }, (_, id) =>
    tokenClasses.indexOf(tokenClass(tokens[id] ?? '', isWordPiece ? '##' : undefined)),
  )
  for (const id of special) if (id < size) classes[id] = tokenClasses.indexOf('special')
  return classes
}
