import { Unsupported } from '../unsupported.js'
import type { GgufMetadata } from './metadata.js'
import { scoredMerges } from './scoredMerges.js'

/** Kinds of tokens by their number in the file. */
const [unknown, control, userDefined, byte] = [2, 3, 4, 6]

/** How text is cut before pairs are joined, by `tokenizer.ggml.pre`. */
const gpt2Pattern = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
const wordPattern = (digits: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`
const patterns: Readonly<Record<string, { pattern: string; digits?: true; ignoresMerges?: true }>> = {
  default: { pattern: gpt2Pattern },
  'gpt-2': { pattern: gpt2Pattern },
  smollm: { pattern: gpt2Pattern, digits: true },
  'llama-bpe': { pattern: wordPattern('\\p{N}{1,3}'), ignoresMerges: true },
  qwen2: { pattern: wordPattern('\\p{N}') },
}

interface Vocabulary {
  readonly tokens: readonly string[]
  readonly kinds: readonly number[]
}

function vocabularyOf(metadata: GgufMetadata): Vocabulary | undefined {
  const tokens = metadata.texts('tokenizer.ggml.tokens')
  if (tokens === undefined) return undefined
  const kinds = metadata.numbers('tokenizer.ggml.token_type') ?? []
  if (kinds.length > 0 && kinds.length !== tokens.length)
    throw metadata.invalid('tokenizer.ggml.token_type', `${tokens.length} numbers`)
  return { tokens, kinds }
}

/** The id of a token by its role. */
export function tokenId(metadata: GgufMetadata, role: string, tokens: readonly string[]): number | undefined {
  const id = metadata.number(`tokenizer.ggml.${role}_token_id`)
  if (id === undefined) return undefined
  if (!(Number.isInteger(id) && id >= 0 && id < tokens.length))
    throw metadata.invalid(`tokenizer.ggml.${role}_token_id`, `the id of one of ${tokens.length} tokens`)
  return id
}

function addedTokens({ tokens, kinds }: Vocabulary): object[] {
  return kinds.flatMap((kind, id) => {
    if (kind !== control && kind !== userDefined && kind !== unknown) return []
    return [
      {
        id,
        content: tokens[id],
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: kind !== userDefined,
      },
    ]
  })
}

/** The first id of each text: a text that stands twice is written as its first. */
function idsOf({ tokens }: Vocabulary): Record<string, number> {
  const ids = new Map<string, number>()
  for (const [id, token] of tokens.entries()) if (!ids.has(token)) ids.set(token, id)
  return Object.fromEntries(ids)
}

/** Byte pairs joined in the order of a list. */
function bytePairs(metadata: GgufMetadata, vocabulary: Vocabulary) {
  const pre = metadata.text('tokenizer.ggml.pre') ?? 'default'
  const known = Object.hasOwn(patterns, pre) ? patterns[pre] : undefined
  if (known === undefined)
    throw new Unsupported(`tokenizer.ggml.pre ${JSON.stringify(pre.slice(0, 60))} in a GGUF file`)
  const merges = metadata.texts('tokenizer.ggml.merges')
  if (merges === undefined) throw metadata.invalid('tokenizer.ggml.merges', 'a list of texts')
  const cut = { type: 'Split', pattern: { Regex: known.pattern }, behavior: 'Isolated', invert: false }
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false }
  const digits = { type: 'Digits', individual_digits: true }
  return {
    normalizer: null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: [...(known.digits ? [digits] : []), cut, bytes] },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      byte_fallback: false,
      fuse_unk: false,
      ignore_merges: known.ignoresMerges ?? false,
      vocab: idsOf(vocabulary),
      merges: merges.map(pair => {
        const parts = pair.split(' ')
        if (parts.length !== 2) throw metadata.invalid('tokenizer.ggml.merges', 'pairs of texts')
        return parts
      }),
    },
  }
}

/** Pieces with scores: the pair whose whole has the best one is joined first. */
function scoredPieces(metadata: GgufMetadata, vocabulary: Vocabulary) {
  const { tokens, kinds } = vocabulary
  const scores = metadata.numbers('tokenizer.ggml.scores')
  if (scores?.length !== tokens.length)
    throw metadata.invalid('tokenizer.ggml.scores', `${tokens.length} numbers`)
  const ids = idsOf(vocabulary)
  const isJoined = (id: number) => kinds[id] !== control && kinds[id] !== byte && kinds[id] !== unknown
  const merges = scoredMerges(tokens, scores, ids, isJoined, () => {
    throw metadata.invalid('tokenizer.ggml.tokens', 'pieces of words')
  })
  const hasPrefix = metadata.flag('tokenizer.ggml.add_space_prefix') ?? true
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: '▁' }
  const none = kinds.indexOf(unknown)
  return {
    normalizer: {
      type: 'Sequence',
      normalizers: hasPrefix ? [{ type: 'Prepend', prepend: '▁' }, replace] : [replace],
    },
    pre_tokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(hasPrefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: none < 0 ? null : tokens[none],
      byte_fallback: true,
      fuse_unk: true,
      vocab: ids,
      merges,
    },
  }
}

/** Tokens that stand at the ends of every text. */
function ends(metadata: GgufMetadata, { tokens }: Vocabulary, usual: boolean) {
  const end = (role: string, fallback: boolean) => {
    const isAdded = metadata.flag(`tokenizer.ggml.add_${role}_token`) ?? fallback
    const id = isAdded ? tokenId(metadata, role, tokens) : undefined
    return id === undefined ? [] : [{ id, token: tokens[id]! }]
  }
  const [first, last] = [end('bos', usual), end('eos', false)]
  if (first.length + last.length === 0) return null
  const piece = ({ token }: { token: string }) => ({ SpecialToken: { id: token, type_id: 0 } })
  return {
    type: 'TemplateProcessing',
    single: [...first.map(piece), { Sequence: { id: 'A', type_id: 0 } }, ...last.map(piece)],
    pair: [],
    special_tokens: Object.fromEntries(
      [...first, ...last].map(({ id, token }) => [token, { id: token, ids: [id], tokens: [token] }]),
    ),
  }
}

/**
 * The tokenizer of a GGUF file as a tokenizer.json: byte pairs (`tokenizer.ggml.model` gpt2) or pieces with scores
 * (llama).
 *
 * @returns undefined where the file has none.
 * @throws AscribeError MODEL_INVALID, MODEL_UNSUPPORTED_OP for other kinds.
 */
export function ggufTokenizer(metadata: GgufMetadata): Uint8Array | undefined {
  const model = metadata.text('tokenizer.ggml.model')
  const vocabulary = vocabularyOf(metadata)
  if (model === undefined || model === 'none' || vocabulary === undefined) return undefined
  if (model !== 'gpt2' && model !== 'llama')
    throw new Unsupported(`tokenizer.ggml.model ${JSON.stringify(model.slice(0, 60))} in a GGUF file`)
  const parts = model === 'gpt2' ? bytePairs(metadata, vocabulary) : scoredPieces(metadata, vocabulary)
  const usual = model === 'llama' || metadata.text('tokenizer.ggml.pre') === 'llama-bpe'
  const description = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(vocabulary),
    post_processor: ends(metadata, vocabulary, usual),
    ...parts,
  }
  return new TextEncoder().encode(JSON.stringify(description))
}
