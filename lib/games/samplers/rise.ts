import type { Coalition } from '../coalition.js'
import type { CoalitionPlayer } from '../play.js'
import { constantWarning, type SamplerResult, samplesPerRound } from './samplerResult.js'

/**
 * What the weighted masks are divided by at each place: the masks' own sum, or the one that is expected, N p; `centred` is
 * the first, less the mean value under all masks.
 */
export type RiseNormalization = 'mask' | 'expected' | 'centred'

/** Added to the masks' sum, as Xplique has it. */
const smallestMass = 1e-4

export interface RiseSettings {
  samples: number
  places: number
  keep: number
  normalization: RiseNormalization
  /** The mask of each sample as a coalition. */
  draw: (sample: number) => Coalition
  /** What the coalition means: 1 where a place is kept. */
  render: (coalition: Coalition) => ArrayLike<number>
}

/**
 * RISE: the mean of random masks, each weighted with the value under it.
 *
 * Source: Petsiuk, Das and Saenko, "RISE: randomized input sampling for explanation of black-box models" (2018).
 */
export class RisePlayer implements CoalitionPlayer<SamplerResult> {
  readonly #settings: RiseSettings
  readonly #weighted: Float64Array
  readonly #squared: Float64Array
  readonly #mass: Float64Array
  #asked: Coalition[] = []
  #done = 0
  #sum = 0
  #first: number | undefined
  #isConstant = true

  constructor(settings: RiseSettings) {
    this.#settings = settings
    this.#weighted = new Float64Array(settings.places)
    this.#squared = new Float64Array(settings.places)
    this.#mass = new Float64Array(settings.places)
  }
  next(room: number): readonly Coalition[] {
    const { samples, draw } = this.#settings
    const count = Math.max(0, Math.min(samplesPerRound, samples - this.#done, room))
    this.#asked = Array.from({ length: count }, (_, at) => draw(this.#done + at))
    return this.#asked
  }
  report(values: readonly Float64Array[]): void {
    const isExpected = this.#settings.normalization === 'expected'
    for (const [at, coalition] of this.#asked.entries()) {
      const value = values[at]![0]!
      this.#sum += value
      this.#first ??= value
      this.#isConstant &&= value === this.#first
      const mask = this.#settings.render(coalition)
      for (let place = 0; place < mask.length; place++) {
        const kept = mask[place]!
        this.#weighted[place]! += value * kept
        this.#squared[place]! += value * value * kept * (isExpected ? kept : 1)
        this.#mass[place]! += kept
      }
    }
    this.#done += values.length
  }
  result(): SamplerResult {
    return {
      scores: this.#scores(),
      errors: this.#errors(),
      samples: this.#done,
      warnings: this.#isConstant ? [constantWarning] : [],
    }
  }
  /** Relative to how far the map departs from its mean: what is the same everywhere says nothing. */
  standardError(): number | undefined {
    if (this.#done < 2) return undefined
    const scores = this.#scores()
    const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length
    const spread = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0)
    const error = this.#errors().reduce((sum, each) => sum + each * each, 0)
    return spread === 0 ? undefined : Math.sqrt(error / spread)
  }
  progress(): number {
    return this.#done / this.#settings.samples
  }

  #scores(): Float64Array {
    const { normalization, keep } = this.#settings
    const mean = this.#sum / this.#done
    return this.#weighted.map((sum, place) => {
      if (normalization === 'expected') return sum / (this.#done * keep)
      const mass = this.#mass[place]!
      const share = mass + smallestMass
      return normalization === 'mask' ? sum / share : (sum - mean * mass) / share
    })
  }
  #errors(): Float64Array {
    const { normalization, keep } = this.#settings
    const done = this.#done
    if (done < 2) return new Float64Array(this.#mass.length).fill(Number.NaN)
    // What is not divided by the masks themselves varies with them too.
    if (normalization === 'expected')
      return this.#squared.map((squares, place) => {
        const mean = this.#weighted[place]! / done
        return Math.sqrt(Math.max(0, squares / done - mean * mean) / (done - 1)) / keep
      })
    return this.#mass.map((mass, place) => {
      if (mass === 0) return 0
      const mean = this.#weighted[place]! / mass
      return Math.sqrt(Math.max(0, this.#squared[place]! / mass - mean * mean) / mass)
    })
  }
}
