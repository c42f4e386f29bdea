import { readFileBounded } from '../../data/files.js'
import { AscribeError } from '../../errors.js'

const maximumBytes = 16 << 20
/** Longer pieces are damage; every way to cut one is looked at. */
const maximumPieceBytes = 256
/** Ids of the beginning and the end of a text; bytes come behind them. */
const [begin, end, firstByte, byteCount] = [1, 2, 3, 256]

interface Piece {
  readonly text: string
  readonly score: number
}

function piecesOf(bytes: Uint8Array, path: string): Piece[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const corrupt = (what: string) =>
    new AscribeError('FILE_CORRUPT', `${path} is no llama2.c tokenizer: ${what}`)
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  const pieces: Piece[] = []
  for (let at = 4; at < bytes.length; ) {
    if (at + 8 > bytes.length) throw corrupt('it ends within a piece')
    const [score, length] = [view.getFloat32(at, true), view.getInt32(at + 4, true)]
    at += 8
    if (length < 0 || length > maximumPieceBytes || at + length > bytes.length || !Number.isFinite(score))
      throw corrupt(`piece ${pieces.length} has ${length} bytes and the score ${score}`)
    pieces.push({ text: decoder.decode(bytes.subarray(at, at + length)), score })
    at += length
  }
  if (pieces.length < firstByte + byteCount) throw corrupt(`it has ${pieces.length} pieces`)
  return pieces
}

/** Pairs of pieces that make a piece, the best first: what goes together is decided by the whole's score. */
function mergesOf(pieces: readonly Piece[], vocabulary: ReadonlyMap<string, number>): [string, string][] {
  const found: { pair: [string, string]; score: number }[] = []
  for (const [id, { text, score }] of pieces.entries()) {
    if (id < firstByte + byteCount) continue
    const letters = [...text]
    for (let at = 1; at < letters.length; at++) {
      const pair: [string, string] = [letters.slice(0, at).join(''), letters.slice(at).join('')]
      if (pair.every(part => vocabulary.has(part))) found.push({ pair, score })
    }
  }
  return found.toSorted((a, b) => b.score - a.score).map(({ pair }) => pair)
}

/**
 * A llama2.c tokenizer (scores and pieces) as a tokenizer.json that writes the same tokens: a space before the text,
 * pairs joined by the score of what they make, bytes where no piece is.
 *
 * @throws AscribeError FILE_NOT_FOUND, FILE_CORRUPT
 */
export async function llama2cTokenizer(path: string): Promise<Uint8Array> {
  const pieces = piecesOf(await readFileBounded(path, maximumBytes), path)
  const vocabulary = new Map<string, number>()
  for (const [id, { text }] of pieces.entries()) if (!vocabulary.has(text)) vocabulary.set(text, id)
  const special = (id: number) => ({
    id,
    content: pieces[id]!.text,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  })
  const first = pieces[begin]!.text
  const description = {
    added_tokens: [special(begin), special(end)],
    normalizer: { type: 'Prepend', prepend: ' ' },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: first, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { [first]: { id: first, ids: [begin], tokens: [first] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      unk_token: pieces[0]!.text,
      byte_fallback: true,
      fuse_unk: true,
      vocab: Object.fromEntries(vocabulary),
      merges: mergesOf(pieces, vocabulary),
    },
  }
  return new TextEncoder().encode(JSON.stringify(description))
}
