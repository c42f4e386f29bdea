import { expectInteger, expectString } from '../validate.js'

/** Words and marks in small letters. */
const tokensOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}]+|[^\p{L}\p{N}\s]/gu) ?? []

function counts(tokens: readonly string[], length: number): Map<string, number> {
  const found = new Map<string, number>()
  for (let at = 0; at + length <= tokens.length; at++) {
    const key = tokens.slice(at, at + length).join('\u0000')
    found.set(key, (found.get(key) ?? 0) + 1)
  }
  return found
}

/**
 * BLEU of one text against another (Papineni et al. 2002): the geometric mean of the shares of the text's runs of 1 to
 * `order` words that the reference has (each as often as it has it, at most), less for texts shorter than the reference.
 * Runs of two words and more are counted once more on both sides (Lin and Och 2004), since single sentences often share no
 * run of four; orders above the length of the shorter text are left out. From 0 to 1; 1 for equal words.
 */
export function bleu(reference: string, text: string, order = 4): number {
  expectInteger('order', order, 1, 16)
  const [wanted, given] = [
    tokensOf(expectString('reference', reference)),
    tokensOf(expectString('text', text)),
  ]
  if (wanted.length === 0 || given.length === 0) return wanted.length === given.length ? 1 : 0
  const orders = Math.min(order, wanted.length, given.length)
  let sum = 0
  for (let length = 1; length <= orders; length++) {
    const [known, own] = [counts(wanted, length), counts(given, length)]
    let shared = 0
    for (const [key, count] of own) shared += Math.min(count, known.get(key) ?? 0)
    const extra = length === 1 ? 0 : 1
    const share = (shared + extra) / (given.length - length + 1 + extra)
    if (share === 0) return 0
    sum += Math.log(share) / orders
  }
  return Math.exp(sum + Math.min(0, 1 - wanted.length / given.length))
}
