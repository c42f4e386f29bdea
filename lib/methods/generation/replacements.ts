import { AscribeError } from '../../errors.js'
import type { RandomStream } from '../../games/randomStream.js'
import { expectNumbers } from '../../validate.js'

/** Draws what stands in a token's place. It may draw the token itself. */
export interface Replacements {
  /** @param position In the sequence. */
  draw(position: number, id: number, stream: RandomStream): number
  /** What a reader must know of the draws for these places of a sequence. */
  warnings?(ids: readonly number[], places: readonly number[]): readonly { code: string; message: string }[]
}

/** Any token but special ones, each as likely. */
export function uniformReplacements(allowed: readonly number[]): Replacements {
  if (allowed.length === 0) throw new AscribeError('INPUT_VALUE', 'There is no token to replace others by')
  return { draw: (_, __, stream) => allowed[stream.below(allowed.length)]! }
}

/** Tokens as often as they come in texts. */
export function unigramReplacements(frequencies: ArrayLike<number>, vocabulary: number): Replacements {
  expectNumbers('frequencies', frequencies)
  if (frequencies.length !== vocabulary)
    throw new AscribeError(
      'OPTION_RANGE',
      `There are ${frequencies.length} frequencies for a vocabulary of ${vocabulary}`,
    )
  const sums = new Float64Array(vocabulary)
  let total = 0
  for (let id = 0; id < vocabulary; id++) {
    const each = frequencies[id]!
    if (!(each >= 0) || !Number.isFinite(each))
      throw new AscribeError(
        'OPTION_RANGE',
        `The frequency of token ${id} is ${each}, expected one of at least 0`,
      )
    total += each
    sums[id] = total
  }
  if (total === 0) throw new AscribeError('OPTION_RANGE', 'All frequencies are 0')
  return { draw: (_, __, stream) => firstAbove(sums, stream.uniform() * total) }
}

/** The first place whose running sum is above a number. */
function firstAbove(sums: Float64Array, value: number): number {
  let [low, high] = [0, sums.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if (sums[middle]! > value) high = middle
    else low = middle + 1
  }
  return low
}

/** Tokens of the same class, each as likely: a part of speech, or a coarse kind. */
export function classReplacements(classes: ArrayLike<number>, vocabulary: number): Replacements {
  expectNumbers('classes', classes)
  if (classes.length < vocabulary)
    throw new AscribeError(
      'OPTION_RANGE',
      `The table has the classes of ${classes.length} tokens, and the vocabulary has ${vocabulary}`,
      { hint: 'Special tokens that were added later have ids behind the others.' },
    )
  const members = new Map<number, number[]>()
  for (let id = 0; id < vocabulary; id++) {
    const own = members.get(classes[id]!) ?? []
    own.push(id)
    members.set(classes[id]!, own)
  }
  return {
    draw: (_, id, stream) => {
      const own = members.get(classes[id]!)!
      return own[stream.below(own.length)]!
    },
    warnings: (ids, places) => {
      const alone = places.filter(at => members.get(classes[ids[at]!]!)!.length === 1).length
      return alone === 0
        ? []
        : [
            {
              code: 'REPLACEMENT_SAME',
              message: `${alone} token${alone === 1 ? ' is' : 's are'} alone in their class and replaced by themselves: their scores say nothing.`,
            },
          ]
    },
  }
}

/** Words that a masked language model puts in each place, with their probabilities. */
export function tableReplacements(
  table: ReadonlyMap<number, { readonly ids: readonly number[]; readonly weights: readonly number[] }>,
): Replacements {
  const sums = new Map(
    [...table].map(([position, { weights }]) => {
      let total = 0
      return [position, Float64Array.from(weights, weight => (total += weight))] as const
    }),
  )
  return {
    draw: (position, id, stream) => {
      const own = sums.get(position)
      // Drawn in any case, so that streams stay in step.
      const share = stream.uniform()
      if (own === undefined || own.length === 0) return id
      return table.get(position)!.ids[firstAbove(own, share * own.at(-1)!)]!
    },
    warnings: (_, places) => {
      const missing = places.filter(position => (sums.get(position)?.length ?? 0) === 0).length
      return missing === 0
        ? []
        : [
            {
              code: 'REPLACEMENT_SAME',
              message: `The masked language model puts no word of the other vocabulary in ${missing} place${missing === 1 ? '' : 's'}, which ${missing === 1 ? 'is' : 'are'} replaced by what stands there.`,
            },
          ]
    },
  }
}
