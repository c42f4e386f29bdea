import { AscribeError } from '../../errors.js'
import { type Coalition, fullCoalition, isMember } from '../coalition.js'
import { checkUnknowns } from '../leastSquares.js'
import type { CoalitionPlayer } from '../play.js'
import { RandomStream } from '../randomStream.js'
import { atOnce, type Sliced } from '../sliced.js'
import { areEqual, constantWarning, type SamplerResult, samplesPerRound } from './samplerResult.js'
import { type Surrogate, surrogate } from './surrogate.js'

/** Sums over the elements of each player, for distances between masked inputs and the input: see {@link limeWeight}. */
export interface InputMoments {
  /** Of x squared. */
  readonly own: Float64Array
  /** Of x times the baseline. */
  readonly mixed: Float64Array
  /** Of the baseline squared. */
  readonly baseline: Float64Array
}

export interface LimeSettings {
  players: number
  samples: number
  surrogate: Surrogate
  penalty: number
  distance: 'euclidean' | 'cosine'
  /** exp(-D²/κ²) as Xplique has it, or exp(-D²/(2κ²)), as Captum. */
  kernel: 'xplique' | 'captum'
  kernelWidth: number
  seed: number
  moments: InputMoments
}

/** How near a masked input is to the input, 1 where nothing is masked. */
export function limeWeight(
  settings: Omit<LimeSettings, 'samples' | 'seed' | 'surrogate' | 'penalty'>,
  kept: Coalition,
): number {
  const { players, moments, distance, kernel, kernelWidth } = settings
  let [gap, own, mixed, masked] = [0, 0, 0, 0]
  for (let player = 0; player < players; player++) {
    const xx = moments.own[player]!
    own += xx
    if (isMember(kept, player)) {
      mixed += xx
      masked += xx
      continue
    }
    const [xb, bb] = [moments.mixed[player]!, moments.baseline[player]!]
    gap += xx - 2 * xb + bb
    mixed += xb
    masked += bb
  }
  // A vector of zeros has cosine 0 to any other.
  const cosine = own > 0 && masked > 0 ? mixed / Math.sqrt(own * masked) : 0
  const squared = distance === 'euclidean' ? Math.max(0, gap) : (1 - cosine) ** 2
  return Math.exp(-squared / ((kernel === 'captum' ? 2 : 1) * kernelWidth ** 2))
}

/**
 * LIME: a linear surrogate of the value around the input, weighted by how near a masked input is.
 *
 * Source: Ribeiro, Singh and Guestrin, "Why should I trust you?" (2016), algorithm 1.
 */
export class LimePlayer implements CoalitionPlayer<SamplerResult> {
  readonly #settings: LimeSettings
  readonly #coalitions: Coalition[] = []
  readonly #values: number[] = []
  readonly #draw: (sample: number) => Coalition
  #full: number | undefined
  #asked: Coalition[] = []
  #found: SamplerResult | undefined

  /** @param draw Another source of samples than the seed, for enumeration. */
  constructor(settings: LimeSettings, draw?: (sample: number) => Coalition) {
    this.#settings = settings
    checkUnknowns(settings.players + 1)
    if (settings.samples < settings.players + 1 && settings.penalty === 0)
      throw new AscribeError(
        'OPTION_RANGE',
        `${settings.samples} samples do not decide ${settings.players} coefficients: draw more, or give a penalty`,
      )
    this.#draw = draw ?? (sample => drawHalf(settings.players, settings.seed, sample))
  }

  next(room: number): readonly Coalition[] {
    const { players, samples } = this.#settings
    if (this.#full === undefined) return [fullCoalition(players)]
    const count = Math.max(0, Math.min(samplesPerRound, samples - this.#values.length, room))
    this.#asked = Array.from({ length: count }, (_, at) => this.#draw(this.#values.length + at))
    return this.#asked
  }
  report(values: readonly Float64Array[]): void {
    this.#found = undefined
    if (this.#full === undefined) {
      this.#full = values[0]![0]!
      return
    }
    this.#coalitions.push(...this.#asked)
    this.#values.push(...values.map(value => value[0]!))
  }
  result(): SamplerResult {
    return this.#found ?? atOnce(this.#fit())
  }
  *settle(forResult: boolean): Sliced<void> {
    if (forResult && this.#full !== undefined) this.#found ??= yield* this.#fit()
  }

  *#fit(): Sliced<SamplerResult> {
    const { players } = this.#settings
    const shared = { full: this.#full!, samples: this.#values.length }
    if (this.#values.length === 0) return { scores: new Float64Array(players), ...shared, warnings: [] }
    if (areEqual(this.#values))
      return {
        scores: new Float64Array(players),
        intercept: this.#values[0]!,
        ...shared,
        warnings: [constantWarning],
      }
    const warnings: { code: string; message: string }[] = []
    let weights: number[] = []
    for (const coalition of this.#coalitions) {
      weights.push(limeWeight(this.#settings, coalition))
      yield 4 * players
    }
    if (weights.every(weight => weight === 0)) {
      weights = weights.map(() => 1)
      warnings.push({
        code: 'KERNEL_TOO_NARROW',
        message: `No masked input is near the input by a kernel of width ${this.#settings.kernelWidth}, so all samples counted alike, as Xplique does it. Give a greater kernelWidth.`,
      })
    }
    const { coefficients, intercept, errors } = yield* surrogate(
      this.#settings.surrogate,
      this.#settings.penalty,
      players,
      this.#coalitions,
      this.#values,
      weights,
    )
    return { scores: coefficients, intercept, ...(errors ? { errors } : {}), ...shared, warnings }
  }
  progress(): number {
    return this.#values.length / this.#settings.samples
  }
}

/** Each player is in with probability 1/2. */
function drawHalf(players: number, seed: number, sample: number): Coalition {
  const stream = new RandomStream(seed, 0, sample)
  const words = Math.ceil(players / 32)
  const coalition = Uint32Array.from({ length: words }, () => stream.bits())
  const rest = players & 31
  if (rest !== 0) coalition[words - 1]! &= (1 << rest) - 1
  return coalition
}
