/** Pieces longer than this are damage. */
const longestPiece = 512
/** Letters of all parts that are looked up: a vocabulary of 256,000 words of 16 letters takes a quarter of it. */
export const mostLetters = 1 << 28

/** Counts letters of parts that were looked up. */
export interface MergeWork {
  letters: number
}

/**
 * Pairs of pieces that are joined, in their order: every way to cut a piece in two that are pieces themselves, the piece
 * with the best score first. Each cut looks up parts as long as the piece, so that the work is the square of its length:
 * what all of it may come to is bounded before it is begun.
 *
 * @param ids The pieces that there are.
 * @param isJoined Whether a piece is made of others at all.
 * @param refuse Is called where the work would pass {@link mostLetters}, and throws.
 */
export function scoredMerges(
  tokens: readonly string[],
  scores: ArrayLike<number>,
  ids: Readonly<Record<string, number>>,
  isJoined: (id: number) => boolean,
  refuse: () => never,
  work: MergeWork = { letters: 0 },
): [string, string][] {
  const wanted = [...tokens.keys()].filter(id => isJoined(id) && tokens[id]!.length <= longestPiece)
  if (wanted.reduce((sum, id) => sum + tokens[id]!.length ** 2, 0) > mostLetters) refuse()
  const known = new Set(Object.keys(ids))
  const found: { pair: [string, string]; score: number; id: number }[] = []
  for (const id of wanted) {
    const token = tokens[id]!
    let at = 0
    for (const letter of token) {
      at += letter.length
      if (at === token.length) break
      work.letters += token.length
      const first = token.slice(0, at)
      if (!known.has(first)) continue
      const second = token.slice(at)
      if (known.has(second)) found.push({ pair: [first, second], score: scores[id]!, id })
    }
  }
  found.sort((a, b) => b.score - a.score || a.id - b.id)
  return found.map(({ pair }) => pair)
}
