import { AscribeError } from '../errors.js'
import { expectInteger } from '../validate.js'
import { type Coalition, coalitionKey } from './coalition.js'

/** One value that is wanted: what this coalition of the players of this item (an image, a text) is worth. */
export interface Request {
  readonly item: number
  readonly coalition: Coalition
}

/**
 * Where values come from: a model under masks, texts without passages, somebody's function. Several games (one an item)
 * may share one, so that batches are filled across them.
 */
export interface CoalitionEvaluator {
  /** Coalitions that one pass takes; the driver hands them over in batches of this many. */
  readonly batch: number
  /** Numbers of one value. */
  readonly width: number
  /** Values in the order of the requests, at most `batch` of them. */
  evaluate(requests: readonly Request[], signal?: AbortSignal): Promise<readonly Float64Array[]>
}

/** What a game has cost so far. */
export interface GameCost {
  /** Coalitions that were evaluated: one forward input each. Budgets are in this unit. */
  readonly evaluations: number
  /** Coalitions that were asked for; those not evaluated were known. */
  readonly requests: number
}

export interface CoalitionGameOptions {
  players: number
  evaluator: CoalitionEvaluator
  /** Which item of the evaluator is played for. Default 0. */
  item?: number
  /** Values that are kept; beyond it the oldest are forgotten (and would be computed again). Default 65,536. */
  memoEntries?: number
}

const defaultMemoEntries = 65_536

/**
 * A game of coalitions: players, and what each set of them is worth, a vector of `width` numbers. Players are regions
 * of a picture, passages, features, columns: searches and samplers over it do not know which. A coalition is evaluated
 * once and remembered by its bits.
 */
export class CoalitionGame {
  readonly players: number
  readonly evaluator: CoalitionEvaluator
  readonly item: number
  readonly #memo = new Map<string, Float64Array>()
  readonly #memoEntries: number
  #evaluations = 0
  #requests = 0

  constructor(options: CoalitionGameOptions) {
    this.players = expectInteger('players', options.players, 1, 1 << 20)
    this.evaluator = options.evaluator
    this.item = options.item ?? 0
    this.#memoEntries = expectInteger('memoEntries', options.memoEntries ?? defaultMemoEntries, 0)
  }

  /** Numbers of one value. */
  get width(): number {
    return this.evaluator.width
  }

  get cost(): GameCost {
    return { evaluations: this.#evaluations, requests: this.#requests }
  }

  /** How many of these coalitions would have to be evaluated: neither known nor named before in the list. */
  newAmong(coalitions: readonly Coalition[]): number {
    const keys = new Set(coalitions.map(coalitionKey))
    let count = 0
    for (const key of keys) if (!this.#memo.has(key)) ++count
    return count
  }

  /**
   * Values of coalitions, in their order; must not be written to.
   *
   * @throws AscribeError `ABORTED`, `NOT_FINITE` where a value is NaN or infinite, and what the evaluator throws.
   */
  async valueBatch(
    coalitions: readonly Coalition[],
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<readonly Float64Array[]> {
    const [values] = await valuesTogether([{ game: this, coalitions }], options)
    return values!
  }

  /** Opens a question: which coalitions must be evaluated, and how their values come back. */
  ask(coalitions: readonly Coalition[]): Question {
    const words = Math.ceil(this.players / 32)
    for (const coalition of coalitions)
      if (coalition.length !== words)
        throw new AscribeError(
          'INPUT_SHAPE',
          `A coalition of ${this.players} players has ${words} words, received ${coalition.length}`,
        )
    this.#requests += coalitions.length
    const known = new Map<string, Float64Array>()
    const missing = new Map<string, Coalition>()
    const keys = coalitions.map(coalitionKey)
    for (const [at, key] of keys.entries()) {
      const value = this.#memo.get(key)
      if (value === undefined) missing.set(key, coalitions[at]!)
      else known.set(key, value)
    }
    const missingKeys = [...missing.keys()]
    return {
      missing: [...missing.values()],
      answer: (at, value) => {
        const { length } = value
        if (length !== this.width || !value.every(Number.isFinite))
          throw new AscribeError(
            'NOT_FINITE',
            `The value of a coalition of ${this.players} players is [${[...value.slice(0, 5)].join(', ')}], expected ${this.width} finite numbers`,
          )
        ++this.#evaluations
        known.set(missingKeys[at]!, value)
        this.#remember(missingKeys[at]!, value)
      },
      values: () => keys.map(key => known.get(key)!),
    }
  }

  #remember(key: string, value: Float64Array): void {
    if (this.#memoEntries === 0) return
    if (this.#memo.size >= this.#memoEntries) this.#memo.delete(this.#memo.keys().next().value!)
    this.#memo.set(key, value)
  }
}

/** See {@link CoalitionGame.ask}. */
export interface Question {
  readonly missing: readonly Coalition[]
  answer(at: number, value: Float64Array): void
  values(): readonly Float64Array[]
}

/**
 * Values for several games in one go: what is missing goes through each evaluator in full batches, whichever game it is
 * of, so that the tails of many searches do not starve it. Which games stand beside each other changes no value beyond
 * the rounding of another batch.
 */
export async function valuesTogether(
  wanted: readonly { game: CoalitionGame; coalitions: readonly Coalition[] }[],
  options: { signal?: AbortSignal | undefined } = {},
): Promise<(readonly Float64Array[])[]> {
  const { signal } = options
  const questions = wanted.map(({ game, coalitions }) => game.ask(coalitions))
  const pending = new Map<CoalitionEvaluator, { request: Request; answer: (value: Float64Array) => void }[]>()
  for (const [at, { missing, answer }] of questions.entries()) {
    const { evaluator, item } = wanted[at]!.game
    const list = pending.get(evaluator) ?? []
    pending.set(evaluator, list)
    for (const [place, coalition] of missing.entries())
      list.push({ request: { item, coalition }, answer: value => answer(place, value) })
  }
  for (const [evaluator, list] of pending)
    for (let first = 0; first < list.length; first += evaluator.batch) {
      if (signal?.aborted) throw new AscribeError('ABORTED', 'The work was aborted', { cause: signal.reason })
      const part = list.slice(first, first + evaluator.batch)
      const values = await evaluator.evaluate(
        part.map(({ request }) => request),
        signal,
      )
      if (values.length !== part.length)
        throw new AscribeError(
          'INPUT_SHAPE',
          `${part.length} coalitions were asked for and ${values.length} values came back`,
        )
      for (const [at, { answer }] of part.entries()) answer(values[at]!)
    }
  return questions.map(question => question.values())
}
