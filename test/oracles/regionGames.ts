import { coalitionOf, membersOf } from '#lib/games/coalition.js'
import { CoalitionGame } from '#lib/games/coalitionGame.js'
import { functionEvaluator } from '#lib/games/functionEvaluator.js'
import { play } from '#lib/games/play.js'
import { angularDistances } from '#lib/methods/regions/effectiveness.js'
import { GreedySearch, type GreedySearchOptions } from '#lib/methods/regions/greedySearch.js'
import { evaluateRegionModel, regionModel, softmax } from './regionModel.js'

/** What a search reads of a set: probability of the target and confidence. */
export type SetFunction = (members: readonly number[]) => readonly [number, number]

export const limaWeights = { consistency: 20, collaboration: 5, confidence: 0.01, effectiveness: 0.05 }
export const onlyConsistency = { consistency: 1, collaboration: 0, confidence: 0, effectiveness: 0 }

/** LiMA's confidence: 1 less the normalised entropy. */
export const entropyConfidence = (probabilities: readonly number[]): number =>
  1 + probabilities.reduce((sum, p) => sum + p * Math.log(p + 1e-7), 0) / Math.log(probabilities.length)

/** SMDL's confidence of logits read as evidence. */
export const evidentialConfidence = (logits: readonly number[]): number =>
  1 - logits.length / logits.reduce((sum, o) => sum + Math.exp(Math.min(10, Math.max(-10, o))) + 1, 0)

const shown = (members: readonly number[]) =>
  regionModel.x.map((value, at) => (members.includes(at) ? value : 0))

/** The worked example's game for a target. */
export const workedGame =
  (target: number, confidence: 'entropy' | 'evidential' = 'entropy'): SetFunction =>
  members => {
    const { logits } = evaluateRegionModel(shown(members))
    const probabilities = softmax(logits)
    return [
      probabilities[target]!,
      confidence === 'entropy' ? entropyConfidence(probabilities) : evidentialConfidence(logits),
    ]
  }

export const workedDistances = () =>
  angularDistances(
    regionModel.x.map((_, region) => Float64Array.from(evaluateRegionModel(shown([region])).features)),
  )

/** Searches a game that is given as a function; `batch` is how many sets it takes at once. */
export async function searchFunction(
  players: number,
  game: SetFunction,
  options: Omit<GreedySearchOptions, 'players'>,
  batch = 16,
) {
  const evaluator = functionEvaluator(
    requests => requests.map(({ coalition }) => game(membersOf(coalition))),
    { width: 2, batch },
  )
  const played = new CoalitionGame({ players, evaluator })
  const { result } = await play(played, new GreedySearch({ players, ...options }))
  return { result, evaluations: played.cost.evaluations }
}

/** The search as its specification says it, set by set, for comparison: order alone. */
export function plainSearch(
  players: number,
  game: SetFunction,
  { weights, pending, distances }: Omit<GreedySearchOptions, 'players'>,
): number[] {
  const all = Array.from({ length: players }, (_, at) => at)
  const matrix = weights.effectiveness === 0 ? undefined : distances!()
  const effectiveness = (set: readonly number[]) =>
    set.length < 2 || matrix === undefined
      ? 0
      : set.reduce(
          (sum, i) => sum + Math.min(...set.filter(j => j !== i).map(j => matrix[i * players + j]!)),
          0,
        )
  const score = (set: readonly number[], spread: readonly number[] = set) => {
    const [consistency, confidence] = game(set)
    const [rest] = game(all.filter(each => !set.includes(each)))
    return (
      weights.consistency * consistency +
      weights.collaboration * (1 - rest) +
      weights.confidence * confidence +
      weights.effectiveness * effectiveness(spread)
    )
  }
  const [front, back]: [number[], number[]] = [[], []]
  for (;;) {
    const candidates = all.filter(each => !front.includes(each) && !back.includes(each))
    if (candidates.length === 1) return [...front, candidates[0]!, ...back.reverse()]
    const totals = candidates.map(each => score([...front, each]))
    const winner = candidates[totals.indexOf(Math.max(...totals))]!
    if (candidates.length > pending) {
      const preliminary = candidates
        .map(each => [score([...front, each], [...back, each]), each] as const)
        .sort((a, b) => a[0] - b[0] || a[1] - b[1])
      const waiting = preliminary.slice(0, pending).flatMap(([, each]) => (each === winner ? [] : [each]))
      const finals = waiting.map(each => score([...back, each]))
      back.push(waiting[finals.indexOf(Math.min(...finals))]!)
    }
    front.push(winner)
  }
}

/** A set function of seeded random numbers, one for each set. */
export function randomGame(players: number, seed: number): SetFunction {
  const numbers = (at: number) => {
    // SplitMix64's finaliser on 32 bits: every set has its own number.
    let x = (at * 0x9e3779b9 + seed * 0x85ebca6b) >>> 0
    x = Math.imul(x ^ (x >>> 16), 0x21f0aaad)
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97)
    return ((x ^ (x >>> 15)) >>> 0) / 2 ** 32
  }
  return members => {
    const set = coalitionOf(players, members)
    const key = set.reduce((sum, word) => sum * 31 + word, 7)
    return [numbers(2 * key), numbers(2 * key + 1)]
  }
}
