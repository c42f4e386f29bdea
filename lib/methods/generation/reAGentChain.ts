import { RandomStream } from '../../games/randomStream.js'
import type { Replacements } from './replacements.js'

export interface ChainOptions {
  readonly ratio: number
  readonly topK: number
  /** Positions that the stop test leaves as they are. */
  readonly keep: number
  readonly maxSteps: number
  readonly seed: number
}

/** What a model says of the explained token behind some ids. */
export interface TokenPrediction {
  readonly probability: number
  /** Tokens with a higher logit. */
  readonly rank: number
}

/** One step before anything is known of it: what is replaced, by what, and by what in the stop test. */
export interface DrawnStep {
  /** 1 where a position is replaced. */
  readonly mask: Uint8Array
  readonly ids: readonly number[]
  /** A replacement for every position, of which the stop test takes those that are not kept. */
  readonly others: readonly number[]
}

/** |d| = 1 has no finite logit. */
const greatest = 1 - 1e-6

/** ln((1 + d) / (1 - d)), finite. */
const increment = (d: number): number => 2 * Math.atanh(Math.max(-greatest, Math.min(greatest, d)))

/** The places of the `count` greatest scores among `places`, greatest first; of equal ones the earlier. */
export const topPlaces = (scores: ArrayLike<number>, places: readonly number[], count: number): number[] =>
  places.toSorted((a, b) => scores[b]! - scores[a]! || a - b).slice(0, count)

/** softmax over some places; 0 elsewhere. */
export function softmaxOver(scores: Float64Array, places: readonly number[]): Float64Array {
  const most = places.reduce((best, at) => Math.max(best, scores[at]!), Number.NEGATIVE_INFINITY)
  const result = new Float64Array(scores.length)
  let total = 0
  for (const at of places) total += result[at] = Math.exp(scores[at]! - most)
  for (const at of places) result[at] = result[at]! / total
  return result
}

/** Chains of one explained token that are told apart by their streams. */
const mostChains = 1 << 12

/**
 * One chain of ReAGent: scores of positions that random replacements change step by step. What a step draws is keyed by
 * (seed, explained place, chain, step) and does not depend on the scores, so that steps can be drawn and asked about ahead
 * of time and replayed in order.
 */
export class ReAGentChain {
  readonly scores: Float64Array
  /** Steps that were taken. */
  steps = 0
  stopped = false
  readonly #item: number

  constructor(
    /** The tokens before the explained one. */
    private readonly ids: readonly number[],
    /** Places that may be replaced. */
    readonly places: readonly number[],
    private readonly replacements: Replacements,
    private readonly options: ChainOptions,
    chain: number,
  ) {
    this.#item = ids.length * mostChains + chain
    const stream = new RandomStream(options.seed, this.#item, 0)
    this.scores = Float64Array.from(ids, () => stream.uniform())
  }

  get isDone(): boolean {
    return this.stopped || this.steps >= this.options.maxSteps
  }

  /** What step `step` (from 1) replaces. */
  draw(step: number): DrawnStep {
    const { ids, places, replacements, options, scores } = this
    const first = new RandomStream(options.seed, this.#item, 2 * step)
    const mask = new Uint8Array(scores.length)
    for (const at of places) mask[at] = first.uniform() < options.ratio ? 1 : 0
    const replaced = ids.map((id, at) => (mask[at] ? replacements.draw(at, id, first) : id))
    const second = new RandomStream(options.seed, this.#item, 2 * step + 1)
    const others = [...ids]
    for (const at of places) others[at] = replacements.draw(at, ids[at]!, second)
    return { mask, ids: replaced, others }
  }

  /** What a step makes of the scores. @param delta The probability before less the one with replacements. */
  update({ mask }: Pick<DrawnStep, 'mask'>, delta: number): void {
    const change = increment(delta)
    for (const at of this.places) this.scores[at] = this.scores[at]! + (mask[at] ? change : -change)
    this.steps++
  }

  /** The sequence of the stop test for the scores as they are. */
  stopTest({ others }: Pick<DrawnStep, 'others'>): readonly number[] {
    const kept = new Set(this.top())
    const replaced = new Set(this.places.filter(at => !kept.has(at)))
    return this.ids.map((id, at) => (replaced.has(at) ? others[at]! : id))
  }

  /** The places with the greatest scores. */
  top(): number[] {
    return topPlaces(this.scores, this.places, this.options.keep)
  }
}

/** Asks a model for the explained token behind sequences of one length. */
export type Predict = (rows: readonly (readonly number[])[]) => Promise<readonly TokenPrediction[]>

/**
 * Runs chains to their end. Several steps of every chain are drawn and asked about at once, their updates replayed in order,
 * their stop tests asked about at once, and everything behind the first success thrown away: the same as one step after
 * the other, in larger batches. How far ahead doubles from round to round, since many chains stop soon.
 *
 * @param atInput The token's probability behind the sequence as it is.
 * @param batch Sequences that are asked about at once where steps are taken ahead; 1: one step after the other.
 * @returns how many sequences were asked about.
 */
export async function runChains(
  chains: readonly ReAGentChain[],
  predict: Predict,
  atInput: number,
  options: Pick<ChainOptions, 'topK' | 'maxSteps'>,
  batch: number,
  onStep?: (steps: number) => void,
): Promise<number> {
  let asked = 0
  for (let round = 0; ; round++) {
    const open = chains.filter(chain => !chain.isDone)
    if (open.length === 0) return asked
    const ahead = Math.max(1, Math.min(2 ** Math.min(round, 30), Math.floor(batch / open.length)))
    const drawn = open.map(chain => {
      const count = Math.min(ahead, options.maxSteps - chain.steps)
      return Array.from({ length: count }, (_, k) => chain.draw(chain.steps + k + 1))
    })
    const effects = await predict(drawn.flat().map(({ ids }) => ids))
    let at = 0
    const tests: (readonly number[])[] = []
    /** Scores behind each step, to which a chain goes back where an earlier test succeeds. */
    const behind = open.map((chain, k) =>
      drawn[k]!.map(step => {
        chain.update(step, atInput - effects[at++]!.probability)
        tests.push(chain.stopTest(step))
        return chain.scores.slice()
      }),
    )
    const found = await predict(tests)
    asked += effects.length + found.length
    let test = 0
    for (const [k, chain] of open.entries()) {
      const own = found.slice(test, test + behind[k]!.length)
      test += own.length
      const success = own.findIndex(({ rank }) => rank < options.topK)
      if (success < 0) continue
      chain.scores.set(behind[k]![success]!)
      chain.steps -= own.length - 1 - success
      chain.stopped = true
    }
    onStep?.(Math.max(...chains.map(chain => chain.steps)))
  }
}
