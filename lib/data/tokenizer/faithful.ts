type Part = Record<string, unknown>

/** Split behaviours that the package reads as another one. */
const misread = new Set(['mergedwithprevious', 'mergedwithnext', 'contiguous'])

/** White space and letters of words, as the reference implementation counts them. */
const white =
  '\\t-\\r \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}'
const letters = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200c}\\x{200d}'

const split = (pattern: string, behavior: string, invert: boolean): Part => ({
  type: 'Split',
  pattern: { Regex: pattern },
  behavior,
  invert,
})

/** A pre-tokenizer that the package runs as the reference implementation does. */
function preTokenizer(part: Part): Part {
  const behavior = String(part.behavior ?? '').toLowerCase()
  switch (part.type) {
    case 'Sequence': {
      const inner = Array.isArray(part.pretokenizers) ? (part.pretokenizers as Part[]) : []
      return { ...part, pretokenizers: inner.map(preTokenizer) }
    }
    // The package's own knows words of ASCII letters alone, and calls a byte order mark white.
    case 'Whitespace':
      return split(`[${letters}]+|[^${letters}${white}]+`, 'Removed', true)
    case 'WhitespaceSplit':
      return split(`[${white}]+`, 'Removed', false)
    // The package's own takes runs of punctuation together.
    case 'Punctuation':
      if (behavior === 'isolated' || behavior === '')
        return split('[\\p{P}\\$\\+<=>\\^`\\|~]', 'Isolated', false)
      if (behavior === 'removed') return split('[\\p{P}\\$\\+<=>\\^`\\|~]', 'Removed', false)
      if (behavior === 'contiguous') return part
      break
    case 'Split':
      if (!misread.has(behavior)) return part
      break
    default:
      return part
  }
  throw new Error(`pre-tokenizer ${part.type} with behavior ${part.behavior} is not supported`)
}

/** A model that the package runs; it takes those that it does not know for others. */
function model(part: Part): Part {
  if (part.type === undefined || ['WordPiece', 'Unigram', 'BPE'].includes(String(part.type))) return part
  if (part.type !== 'WordLevel') throw new Error(`model ${part.type} is not supported`)
  // Words as a whole or not at all: pieces whose continuations no vocabulary holds.
  return { ...part, type: 'WordPiece', continuing_subword_prefix: '\u0000', max_input_chars_per_word: 1e9 }
}

/**
 * The description of a tokenizer with parts that the package reads differently from the reference implementation put
 * in words that it reads as that does.
 *
 * @throws Error for parts that it cannot be told to.
 */
export function faithful(description: Part): Part {
  const isPart = (value: unknown): value is Part => typeof value === 'object' && value !== null
  const { pre_tokenizer: split, model: own } = description
  if (!isPart(own)) throw new Error('it has no model')
  return {
    ...description,
    model: model(own),
    ...(isPart(split) ? { pre_tokenizer: preTokenizer(split) } : {}),
  }
}
