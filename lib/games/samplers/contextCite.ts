import { type Coalition, emptyCoalition, isMember, withMember } from '../coalition.js'
import type { CoalitionPlayer } from '../play.js'
import { RandomStream } from '../randomStream.js'
import { areEqual, constantWarning, type SamplerResult, samplesPerRound } from './samplerResult.js'
import { lasso } from './surrogate.js'

export interface ContextCiteSettings {
  players: number
  samples: number
  keepProbability: number
  penalty: number
  /** Tokens of what is explained: values are fitted for each token, and scores are of all. */
  tokens: number
  seed: number
}

/**
 * A sparse linear surrogate of a response's log-odds over random subsets of a context: each text is kept with the same
 * probability, and the lasso's penalty counts for memberships of standard deviation 1.
 *
 * Source: Cohen-Wang et al., "ContextCite" (2024).
 */
export class ContextCitePlayer implements CoalitionPlayer<SamplerResult> {
  readonly #settings: ContextCiteSettings
  readonly #draw: (sample: number) => Coalition
  readonly #coalitions: Coalition[] = []
  readonly #values: number[] = []
  #asked: Coalition[] = []

  /** @param draw Another source of subsets than the seed, for enumeration. */
  constructor(settings: ContextCiteSettings, draw?: (sample: number) => Coalition) {
    this.#settings = settings
    this.#draw = draw ?? (sample => this.#drawn(sample))
  }

  next(room: number): readonly Coalition[] {
    const done = this.#values.length
    const count = Math.max(0, Math.min(samplesPerRound, this.#settings.samples - done, room))
    this.#asked = Array.from({ length: count }, (_, at) => this.#draw(done + at))
    return this.#asked
  }
  report(values: readonly Float64Array[]): void {
    this.#coalitions.push(...this.#asked)
    this.#values.push(...values.map(value => value[0]!))
  }
  result(): SamplerResult {
    const { players, penalty, tokens } = this.#settings
    const samples = this.#values.length
    if (areEqual(this.#values))
      return {
        scores: new Float64Array(players),
        intercept: this.#values[0]!,
        samples,
        warnings: [constantWarning],
      }
    const { coefficients, intercept } = lasso({
      penalty,
      players,
      coalitions: this.#coalitions,
      values: this.#values.map(value => value / tokens),
      weights: this.#values.map(() => 1),
      isStandardized: true,
    })
    return {
      scores: coefficients.map(each => each * tokens),
      intercept: intercept * tokens,
      samples,
      warnings: this.#constantMasks(),
    }
  }
  progress(): number {
    return this.#values.length / this.#settings.samples
  }

  #drawn(sample: number): Coalition {
    const { players, keepProbability, seed } = this.#settings
    const stream = new RandomStream(seed, 0, sample)
    let coalition = emptyCoalition(players)
    for (let player = 0; player < players; player++)
      if (stream.uniform() < keepProbability) coalition = withMember(coalition, player)
    return coalition
  }
  #constantMasks(): SamplerResult['warnings'] {
    const constant: number[] = []
    for (let player = 0; player < this.#settings.players; player++)
      if (areEqual(this.#coalitions.map(coalition => Number(isMember(coalition, player)))))
        constant.push(player)
    if (constant.length === 0) return []
    const named = constant.slice(0, 5).join(', ')
    return [
      {
        code: 'CONSTANT_MASKS',
        message: `${constant.length} texts (${named}${constant.length > 5 ? ', …' : ''}) were kept in all subsets or in none and have the score 0. Draw more samples.`,
      },
    ]
  }
}
