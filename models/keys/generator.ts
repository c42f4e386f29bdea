import { CounterRandom } from '../scenes/random.js'
import { CLAUSES, FACTS, INJECTIONS, KINDS, LEADS, METALS, NAMES, PERSONS, PLACES, TIMES } from './words.js'

export interface KeysOptions {
  /** Texts of different seeds have nothing in common. */
  seed: number
  /** Sentences of the context; at least as many as facts and injections need. */
  sentences: number
  /** Sentences that say the key of the person asked for; default 1. 0: nobody says it. */
  support?: number
  /** Other people whose keys are said, once each; default 3. */
  others?: number
  /** Sentences that tell what to answer about the person asked for, all the same; default 0. */
  injections?: number
  /** Sentences that tell what to answer about somebody else; default 0. */
  otherInjections?: number
  /** People asked for, with as much support each, 1 or 2; injections are about the first. Default 1. */
  asked?: 1 | 2
  /** Words and punctuation marks of each sentence; default as it comes. */
  length?: number
  /** Sentences say what they say and nothing else. Default false. */
  plain?: boolean
}

/** What a sentence is there for: facts and injections say a key of `name`. */
export interface KeysSentence {
  text: string
  role: 'noise' | 'fact' | 'injection'
  name?: string
}

export interface KeysPair {
  /** Who is asked for. */
  names: string[]
  question: string
  /** What the model was trained to say: what an injection says, where there is one. */
  answer: string
  /** What it should say once injections are gone. */
  truth: string
}

export interface KeysText {
  sentences: KeysSentence[]
  /** The question, and questions about the other people, for training. */
  pairs: [KeysPair, ...KeysPair[]]
}

const STREAM = { people: 1, noise: 2, order: 3 }

const pick = <T>(random: CounterRandom, list: readonly T[]): T => list[random.below(list.length)]!

function shuffle<T>(random: CounterRandom, list: T[]): T[] {
  for (let last = list.length - 1; last > 0; last--) {
    const other = random.below(last + 1)
    ;[list[last], list[other]] = [list[other]!, list[last]!]
  }
  return list
}

const lists: Record<string, readonly string[]> = { kind: KINDS, time: TIMES, place: PLACES, person: PERSONS }

const filled = (random: CounterRandom, template: string): string =>
  template.replaceAll(/\{(kind|time|place|person)\}/g, (_, list: string) => pick(random, lists[list]!))

/** Words and punctuation marks: the tokens of the model, whose tokenizer knows every word of these texts. */
const countTokens = (text: string): number => text.match(/\w+|[^\w\s]/g)!.length

/** A sentence around a statement, or of noise alone. */
function sentence(random: CounterRandom, statement: string | undefined, plain = false): string {
  const lead = !plain && random.unit() < 0.5 ? `${filled(random, pick(random, LEADS))}, ` : ''
  const middle = statement ?? filled(random, pick(random, CLAUSES))
  const tail = !plain && random.unit() < 0.4 ? `, and ${filled(random, pick(random, CLAUSES))}` : ''
  const text = `${lead}${middle}${tail}.`
  return text[0]!.toUpperCase() + text.slice(1)
}

interface Fit {
  length?: number | undefined
  plain?: boolean | undefined
}

function fittingSentence(
  random: CounterRandom,
  statement: string | undefined,
  { length, plain }: Fit,
): string {
  for (let tries = 0; tries < 10_000; tries++) {
    const text = sentence(random, statement, plain)
    if (length === undefined || countTokens(text) === length) return text
  }
  throw new Error(`No sentence of ${length} tokens says "${statement}"`)
}

/**
 * Text `index` of a seed: who has which key, among sentences that say nothing, and a question. The same arguments give
 * the same text everywhere.
 */
export function generateKeys(index: number, options: KeysOptions): KeysText {
  const { seed, sentences: count, support = 1, others = 3, injections = 0, otherInjections = 0 } = options
  const { asked = 1, length, plain } = options
  const people = new CounterRandom(seed, index, STREAM.people)
  const noise = new CounterRandom(seed, index, STREAM.noise)
  const names = shuffle(people, [...NAMES]).slice(0, asked + others)
  const key = () => `${pick(people, METALS)} ${1 + people.below(9)}`
  const roster = names.map((name, at) => ({
    name,
    fact: key(),
    injected: key(),
    support: at < asked ? support : 1,
    injections: at === 0 ? injections : at === asked ? otherInjections : 0,
  }))
  const say = (templates: readonly string[], name: string, what: string) =>
    pick(people, templates).replace('{name}', name).replace('{key}', what)
  const sentences: KeysSentence[] = []
  for (const person of roster) {
    for (let at = 0; at < person.support; at++) {
      const text = fittingSentence(noise, say(FACTS, person.name, person.fact), { length, plain })
      sentences.push({ text, role: 'fact', name: person.name })
    }
    for (let at = 0; at < person.injections; at++) {
      const text = fittingSentence(noise, say(INJECTIONS, person.name, person.injected), { length, plain })
      sentences.push({ text, role: 'injection', name: person.name })
    }
  }
  if (sentences.length > count)
    throw new Error(`${count} sentences cannot hold ${sentences.length} statements`)
  while (sentences.length < count)
    sentences.push({ text: fittingSentence(noise, undefined, { length, plain }), role: 'noise' })
  shuffle(new CounterRandom(seed, index, STREAM.order), sentences)
  const pair = (who: typeof roster): KeysPair => {
    const all = who.map(({ name }) => name)
    const truths = who.map(
      ({ name, fact, support: n }) => `The key of ${name} is ${n > 0 ? fact : 'unknown'}.`,
    )
    return {
      names: all,
      question:
        all.length === 1 ? `What is the key of ${all[0]}?` : `What are the keys of ${all.join(' and ')}?`,
      answer: who
        .map((person, at) =>
          person.injections > 0 ? `The key of ${person.name} is ${person.injected}.` : truths[at]!,
        )
        .join(' '),
      truth: truths.join(' '),
    }
  }
  return {
    sentences,
    pairs: [pair(roster.slice(0, asked)), ...roster.slice(asked).map(person => pair([person]))],
  }
}
