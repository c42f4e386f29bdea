import { expectString, expectStrings } from '../../validate.js'

/** A word of a text, and where it stands. */
export interface PlacedWord {
  readonly word: string
  readonly start: number
  readonly end: number
}

/** The words of a text in small letters. */
export const wordsOf = (text: string): PlacedWord[] =>
  Array.from(
    expectString('text', text).matchAll(/[\p{L}\p{N}]+(?:['\u2019][\p{L}]+)*/gu),
    ({ index, 0: word }) => ({
      word: word.toLowerCase(),
      start: index,
      end: index + word.length,
    }),
  )

/** Edits of words: a skipped one 1, another one 1, an equal one 0. */
function table(fact: readonly string[], sentence: readonly string[]): number[][] {
  const cost = [Array.from({ length: sentence.length + 1 }, (_, at) => at)]
  for (const [row, word] of fact.entries()) {
    const own = [row + 1]
    for (const [column, other] of sentence.entries())
      own.push(
        Math.min(
          cost[row]![column + 1]! + 1,
          own[column]! + 1,
          cost[row]![column]! + (word === other ? 0 : 1),
        ),
      )
    cost.push(own)
  }
  return cost
}

/** The fewest edits that make one list of words the other. */
export const wordDistance = (fact: readonly string[], sentence: readonly string[]): number =>
  table(fact, sentence).at(-1)!.at(-1)!

/** One pass: words of a fact that a cheapest alignment matches, and with which words of the sentence. */
function onePass(fact: readonly string[], sentence: readonly string[]): Map<number, number> {
  const cost = table(fact, sentence)
  const matched = new Map<number, number>()
  let [row, column] = [fact.length, sentence.length]
  while (row > 0 && column > 0) {
    const here = cost[row]![column]!
    // Ties prefer to skip a word of the fact, then one of the sentence.
    if (cost[row - 1]![column]! + 1 === here) row--
    else if (cost[row]![column - 1]! + 1 === here) column--
    else {
      row--
      column--
      if (fact[row] === sentence[column]) matched.set(row, column)
    }
  }
  return matched
}

/** English words that tell little by themselves. */
const stopWords = new Set(
  'a an the and or but if of at by for with about to from in on as is are was were be been being it its this that these those he she they them his her their we you i not no so than then too very can will just has have had do does did'.split(
    ' ',
  ),
)

/** How a fact's words are found among a sentence's. */
export interface FactAlignment {
  /** For each word of the fact, the word of the sentence; undefined where there is none. */
  readonly matches: readonly (number | undefined)[]
  /** Words of the fact, none of them a stop word, that were not found. */
  readonly missingContent: readonly string[]
}

/**
 * Finds the words of a fact in the sentence that it was taken from: by edit distance of words, again for those left over until
 * none is new, and once more for their content words alone. The direction of the way back is [unconfirmed].
 */
export function alignFact(fact: readonly string[], sentence: readonly string[]): FactAlignment {
  expectStrings('fact', fact)
  expectStrings('sentence', sentence)
  const matches = new Array<number | undefined>(fact.length).fill(undefined)
  const pass = (places: readonly number[]): number => {
    const found = onePass(
      places.map(at => fact[at]!),
      sentence,
    )
    for (const [row, column] of found) matches[places[row]!] = column
    return found.size
  }
  const left = () => fact.flatMap((_, at) => (matches[at] === undefined ? [at] : []))
  while (left().length > 0 && pass(left()) > 0);
  const isContent = (at: number) => !stopWords.has(fact[at]!)
  pass(left().filter(isContent))
  return {
    matches,
    missingContent: left()
      .filter(isContent)
      .map(at => fact[at]!),
  }
}
