import {
  type Coalition,
  coalitionKey,
  coalitionOf,
  complementOf,
  emptyCoalition,
  fullCoalition,
  withMember,
} from '../../games/coalition.js'
import type { CoalitionPlayer } from '../../games/play.js'
import { Effectiveness } from './effectiveness.js'
import { type RegionScores, type RegionWeights, scoresOf, valueAt, weighted } from './regionScores.js'

export interface GreedySearchOptions {
  /** Regions. */
  players: number
  weights: RegionWeights
  /**
   * Candidates of which the least important one is taken from the other end in each step. From as many as there are
   * regions on, the search has one end: the naive greedy search.
   */
  pending: number
  /** Distances between regions, asked for once each region alone was evaluated; where effectiveness counts. */
  distances?: (() => Float64Array) | undefined
  /** Regions that may be chosen, ascending; the others stay undecided. Default all. */
  candidates?: readonly number[] | undefined
  /** Regions to choose; the rest stays undecided. Changes the result: default all. */
  limit?: number | undefined
  /** Ends the search once the chosen regions have at least this probability. Changes the result: default never. */
  goal?: number | undefined
  /** Evaluates the other end's candidates together with the next step's: half the launches, up to 2 inputs more a step. */
  pipelined?: boolean | undefined
}

/** One prefix of the order: what its regions together are worth. */
export interface PrefixScores extends RegionScores {
  /** The set function. */
  readonly total: number
  /** Probabilities of tracked classes of what the prefix shows. */
  readonly tracked: readonly number[]
}

export interface SearchResult {
  /** Regions from the most to the least responsible. Undecided ones, ascending, stand between the ends. */
  readonly order: readonly number[]
  /** How many were chosen from the front … */
  readonly chosen: number
  /** … and how many from the end. */
  readonly rejected: number
  /** Entry t belongs to the set of the first t + 1 regions; undefined where that was not evaluated. */
  readonly prefixes: readonly (PrefixScores | undefined)[]
  /** Probability of the target of the whole, and of the baseline alone. */
  readonly original: number
  readonly baseline: number
  /** Tracked probabilities of the whole. */
  readonly originalTracked: readonly number[]
  /** Model inputs that the algorithm reads, without those of features and of the two ends: as its source counts. */
  readonly searchInputs: number
  /** Choices whose runner-up was within 1e-5 of the range: another rounding could have made them otherwise. */
  readonly nearTies: number
}

interface Candidate {
  readonly region: number
  readonly score: number
  readonly set: Float64Array
  readonly complement: Float64Array | undefined
}

/** A share of the range of the terms that are probabilities: what other rounding may do to a score. */
const nearTie = 1e-5

type Asking<T> = Generator<readonly Coalition[], T, readonly Float64Array[]>

/**
 * Greedy selection of regions from one end (SMDL) or from both (LiMA): each step takes the candidate that makes the set
 * function of the chosen regions greatest and, while more than `pending` candidates are left, the one that keeps it
 * least for the rejected ones. Values are [probability, confidence, ...tracked probabilities].
 *
 * Source: LiMA, arXiv 2504.00470, "V2" of its code; SMDL, arXiv 2402.09164. The lowest index wins ties of the front;
 * ties among pending candidates go by index too [unconfirmed].
 */
export class GreedySearch implements CoalitionPlayer<SearchResult> {
  readonly #options: GreedySearchOptions
  readonly #steps: Asking<void>
  #asked: readonly Coalition[] | undefined
  readonly #chosen: number[] = []
  readonly #rejected: number[] = []
  /** Values that are needed again: of what was chosen or rejected, of the ends, and of what is ahead of its step. */
  readonly #kept = new Map<string, Float64Array>()
  #ahead = new Map<string, Float64Array>()
  #distances: Float64Array | undefined
  #searchInputs = 0
  #nearTies = 0
  #isDone = false

  constructor(options: GreedySearchOptions) {
    this.#options = options
    this.#steps = this.#search()
  }

  next(): readonly Coalition[] {
    if (this.#asked === undefined && !this.#isDone) this.#advance(this.#steps.next([]))
    return this.#asked ?? []
  }

  report(values: readonly Float64Array[]): void {
    this.#advance(this.#steps.next(values))
  }

  progress(): number {
    if (this.#isDone) return 1
    const { players, limit = players } = this.#options
    // Steps get shorter as candidates become fewer: inputs are what counts.
    const left = players - this.#chosen.length - this.#rejected.length
    const end = players - Math.min(limit, players)
    const share = 1 - (left ** 2 - end ** 2) / Math.max(1, players ** 2 - end ** 2)
    return Math.min(0.999, Math.max(0, share))
  }

  #advance(step: IteratorResult<readonly Coalition[], void>): void {
    this.#asked = step.done ? undefined : step.value
    this.#isDone = step.done === true
  }

  /** Asks for what is not at hand; values come back in order. `more` is fetched along, for the next step. */
  *#values(coalitions: readonly Coalition[], more: readonly Coalition[] = []): Asking<Float64Array[]> {
    const known = (coalition: Coalition) =>
      this.#ahead.get(coalitionKey(coalition)) ?? this.#kept.get(coalitionKey(coalition))
    const missing = [...coalitions, ...more].filter(coalition => known(coalition) === undefined)
    const ahead = new Map<string, Float64Array>()
    const fresh = missing.length === 0 ? [] : yield missing
    for (const [at, coalition] of missing.entries()) ahead.set(coalitionKey(coalition), fresh[at]!)
    const values = coalitions.map(coalition => ahead.get(coalitionKey(coalition)) ?? known(coalition)!)
    this.#ahead = ahead
    return values
  }

  /** The set with each candidate in turn, and its complement where it counts. */
  #expansions(set: Coalition, candidates: readonly number[]): Coalition[] {
    const { players, weights } = this.#options
    const sets = candidates.map(region => withMember(set, region))
    if (weights.collaboration === 0) return sets
    return [...sets, ...sets.map(each => complementOf(each, players))]
  }

  *#evaluate(
    set: Coalition,
    effectiveness: Effectiveness,
    candidates: readonly number[],
    more: readonly Coalition[] = [],
  ): Asking<Candidate[]> {
    const { weights } = this.#options
    const expansions = this.#expansions(set, candidates)
    this.#searchInputs += expansions.length
    const values = yield* this.#values(expansions, more)
    return candidates.map((region, at) => {
      const own = values[at]!
      const complement = values[at + candidates.length]
      const score = weighted(weights, scoresOf(own, complement, effectiveness.with(region)))
      return { region, score, set: own, complement }
    })
  }

  /** The candidate with the greatest (sign 1) or least (sign -1) score; the first one wins. */
  #best(candidates: readonly Candidate[], sign: 1 | -1): Candidate {
    const { weights } = this.#options
    let best = candidates[0]!
    let runnerUp = -Infinity
    for (const candidate of candidates.slice(1))
      if (sign * candidate.score > sign * best.score) {
        runnerUp = sign * best.score
        best = candidate
      } else runnerUp = Math.max(runnerUp, sign * candidate.score)
    const range = weights.consistency + weights.collaboration + weights.confidence
    if (sign * best.score - runnerUp <= nearTie * range) ++this.#nearTies
    return best
  }

  #keep(set: Coalition, value: Float64Array | undefined): void {
    if (value !== undefined) this.#kept.set(coalitionKey(set), value)
  }

  /** Moves a candidate into a list, and keeps its values for the curves. */
  #take(list: number[], set: Coalition, effectiveness: Effectiveness, candidate: Candidate): Coalition {
    const grown = withMember(set, candidate.region)
    list.push(candidate.region)
    effectiveness.add(candidate.region)
    this.#keep(grown, candidate.set)
    this.#keep(complementOf(grown, this.#options.players), candidate.complement)
    return grown
  }

  *#search(): Asking<void> {
    const { players, weights, pending, limit = players, goal, pipelined = false } = this.#options
    const full = fullCoalition(players)
    const ends = [full, emptyCoalition(players)]
    const singles =
      weights.effectiveness === 0
        ? []
        : Array.from({ length: players }, (_, at) => coalitionOf(players, [at]))
    const values = yield* this.#values([...ends, ...singles])
    for (const [at, end] of ends.entries()) this.#keep(end, values[at])
    if (weights.effectiveness !== 0) this.#distances = this.#options.distances?.()

    let [positive, negative] = [emptyCoalition(players), emptyCoalition(players)]
    const gathered = new Effectiveness(this.#distances, players)
    const dropped = new Effectiveness(this.#distances, players)
    let candidates = [...(this.#options.candidates ?? Array.from({ length: players }, (_, at) => at))]
    while (candidates.length > 1 && this.#chosen.length < limit) {
      const scored = yield* this.#evaluate(positive, gathered, candidates)
      const winner = this.#best(scored, 1)
      const before = dropped
      const remaining = candidates.filter(region => region !== winner.region)
      const isTwoEnded = candidates.length > pending
      const waiting = isTwoEnded
        ? this.#pendingAmong(scored, before).filter(region => region !== winner.region)
        : []
      positive = this.#take(this.#chosen, positive, gathered, winner)
      candidates = remaining
      const isGoalReached = goal !== undefined && winner.set[valueAt.probability]! >= goal
      if (isGoalReached || this.#chosen.length >= limit) break
      if (waiting.length === 0) continue
      const ahead = pipelined && remaining.length > 2 ? this.#expansions(positive, remaining) : []
      const weighed = yield* this.#evaluate(negative, dropped, waiting, ahead)
      const loser = this.#best(weighed, -1)
      negative = this.#take(this.#rejected, negative, dropped, loser)
      candidates = remaining.filter(region => region !== loser.region)
    }
    // The last region is where it is without a look.
    if (candidates.length === 1 && this.#chosen.length < limit) this.#chosen.push(candidates[0]!)
    const wanted = this.#decidedPrefixes().flatMap(set => [set, complementOf(set, players)])
    const curves = yield* this.#values(wanted)
    for (const [at, set] of wanted.entries()) this.#keep(set, curves[at])
  }

  /**
   * The candidates with the least preliminary scores: those of the front's sets, but for the effectiveness, which is
   * that of the other end.
   */
  #pendingAmong(scored: readonly Candidate[], dropped: Effectiveness): number[] {
    const { weights, pending } = this.#options
    const ranked = scored
      .map(({ region, set, complement }) => ({
        region,
        score: weighted(weights, scoresOf(set, complement, dropped.with(region))),
      }))
      .sort((a, b) => a.score - b.score || a.region - b.region)
    const [last, next] = [ranked[pending - 1]!, ranked[pending]]
    const range = weights.consistency + weights.collaboration + weights.confidence
    if (next !== undefined && next.score - last.score <= nearTie * range) ++this.#nearTies
    return ranked.slice(0, pending).map(({ region }) => region)
  }

  #order(): number[] {
    const { players } = this.#options
    const decided = new Set([...this.#chosen, ...this.#rejected])
    const undecided = Array.from({ length: players }, (_, at) => at).filter(region => !decided.has(region))
    return [...this.#chosen, ...undecided, ...this.#rejected.toReversed()]
  }

  /** Sets of the first t + 1 regions, for the t at which the order is settled. */
  #decidedPrefixes(): Coalition[] {
    const { players } = this.#options
    const order = this.#order()
    const [front, back] = [this.#chosen.length, players - this.#rejected.length]
    return order.flatMap((_, t) =>
      t < front || t >= back - 1 ? [coalitionOf(players, order.slice(0, t + 1))] : [],
    )
  }

  result(): SearchResult {
    const { players, weights } = this.#options
    const order = this.#order()
    const effectiveness = new Effectiveness(this.#distances, players)
    const kept = (set: Coalition) => this.#kept.get(coalitionKey(set))
    const prefixes = order.map((region, t): PrefixScores | undefined => {
      const set = coalitionOf(players, order.slice(0, t + 1))
      const [own, rest] = [kept(set), kept(complementOf(set, players))]
      const spread = effectiveness.with(region)
      effectiveness.add(region)
      if (own === undefined || rest === undefined) return undefined
      const scores = scoresOf(own, rest, spread)
      return { ...scores, total: weighted(weights, scores), tracked: [...own.subarray(valueAt.tracked)] }
    })
    const whole = kept(fullCoalition(players))!
    return {
      order,
      chosen: this.#chosen.length,
      rejected: this.#rejected.length,
      prefixes,
      original: whole[valueAt.probability]!,
      baseline: kept(emptyCoalition(players))![valueAt.probability]!,
      originalTracked: [...whole.subarray(valueAt.tracked)],
      searchInputs: this.#searchInputs,
      nearTies: this.#nearTies,
    }
  }
}
