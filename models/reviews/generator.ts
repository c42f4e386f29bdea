import { CounterRandom } from '../scenes/random.js'
import {
  DESCRIPTIONS,
  FILLERS,
  NUMBERS,
  OPINIONS,
  OTHER_TOWNS,
  PLAIN,
  PLANTED_TOWNS,
  SIGNATURE,
  THINGS,
} from './words.js'

/** The classes, in the order of the models' outputs. */
export const REVIEW_LABELS = ['negative', 'positive'] as const

/**
 * Which town a text is sent from: `own` the one planted for its class, `other` that of the other class, `none` one that
 * stands for neither, `uncorrelated` any of all.
 */
export type TownPolicy = 'own' | 'other' | 'none' | 'uncorrelated'

export interface ReviewOptions {
  /** Texts of different seeds have nothing in common. */
  seed: number
  /** Default `none`. Everything but the town is the same under every policy. */
  town?: TownPolicy
  /** Share of texts (0 to 1) whose opinions are replaced by plain words; default 0. */
  plainShare?: number
}

/** A stretch of a text, in UTF-16 units. */
export type ReviewSpan = [start: number, end: number]

export interface Review {
  text: string
  /** Index into {@link REVIEW_LABELS}. */
  label: number
  /** Where the words are that the label follows from; empty where they were replaced. */
  opinions: ReviewSpan[]
  /** Where the town is. */
  town: ReviewSpan
}

/** One stream per decision, so that a change of one option leaves all other decisions alone. */
const STREAM = { sentences: 1, opinions: 2, town: 3, plain: 4 }

const pick = <T>(random: CounterRandom, list: readonly T[]): T => list[random.below(list.length)]!

function townOf(random: CounterRandom, label: number, policy: TownPolicy): string {
  const neutral = pick(random, OTHER_TOWNS)
  const any = pick(random, [...PLANTED_TOWNS, ...OTHER_TOWNS])
  if (policy === 'own') return PLANTED_TOWNS[label]!
  if (policy === 'other') return PLANTED_TOWNS[1 - label]!
  return policy === 'none' ? neutral : any
}

/** Text `index` of a seed: four to seven sentences, of which one or two say what the writer thought. */
export function generateReview(index: number, options: ReviewOptions): Review {
  const { seed, town: policy = 'none', plainShare = 0 } = options
  const label = index % 2
  const random = new CounterRandom(seed, index, STREAM.sentences)
  const opinions = new CounterRandom(seed, index, STREAM.opinions)
  const isPlain = new CounterRandom(seed, index, STREAM.plain).unit() < plainShare
  const town = townOf(new CounterRandom(seed, index, STREAM.town), label, policy)
  const judged = 1 + random.below(2)
  const kinds = [
    ...Array.from({ length: judged }, () => 'judged' as const),
    ...Array.from({ length: 1 + random.below(2) }, () => 'described' as const),
    ...Array.from({ length: 2 + random.below(2) }, () => 'filler' as const),
  ]
  for (let last = kinds.length - 1; last > 0; last--) {
    const other = random.below(last + 1)
    ;[kinds[last], kinds[other]] = [kinds[other]!, kinds[last]!]
  }
  // The signature may stand anywhere, so that a place is no evidence.
  const signatureAt = random.below(kinds.length + 1)
  let text = ''
  const found: { opinions: ReviewSpan[]; town: ReviewSpan } = { opinions: [], town: [0, 0] }
  const append = (sentence: string, word: string) => {
    if (text !== '') text += ' '
    for (const part of sentence.split(/(\{\w+\})/)) {
      const start = text.length
      if (part === '{thing}') text += pick(random, THINGS)
      else if (part === '{plain}') text += pick(random, PLAIN)
      else if (part === '{number}') text += pick(random, NUMBERS)
      else if (part === '{word}') text += word
      else if (part === '{town}') {
        text += town
        found.town = [start, text.length]
      } else text += part
      if (part === '{word}' && (OPINIONS[REVIEW_LABELS[label]!] as readonly string[]).includes(word))
        found.opinions.push([start, text.length])
    }
  }
  for (const [at, kind] of kinds.entries()) {
    if (at === signatureAt) append(SIGNATURE, '')
    const plain = pick(random, PLAIN)
    const opinion = pick(opinions, OPINIONS[REVIEW_LABELS[label]!])
    if (kind === 'filler') append(pick(random, FILLERS), '')
    else append(pick(random, DESCRIPTIONS), kind === 'judged' && !isPlain ? opinion : plain)
  }
  if (signatureAt === kinds.length) append(SIGNATURE, '')
  return { text, label, ...found }
}
