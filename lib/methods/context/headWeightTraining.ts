import { setImmediate } from 'node:timers/promises'
import { AscribeError } from '../../errors.js'
import { RandomStream } from '../../games/randomStream.js'
import { correlation } from './correlation.js'

/** One part of a response under random masks of the context. */
export interface TrainingTarget {
  /** Of each mask, the sum over context tokens of ±attention of every head (+ where the token is kept), [masks, heads]. */
  readonly features: Float32Array
  /** Of each mask, the log-odds of the part. */
  readonly values: Float64Array
}

export interface TrainingOptions {
  readonly steps: number
  readonly batch: number
  readonly learningRate: number
  readonly clip: number
  readonly seed: number
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

export interface TrainedWeights {
  /** One for each head of each layer; their absolute values sum to 1. */
  readonly weights: Float64Array
  /** Of every step: the mean of negative correlations, before it. */
  readonly losses: readonly number[]
  /** Targets whose values or predictions did not vary, in all steps together. */
  readonly undefinedCount: number
}

/** The negative Pearson correlation of theta · features with the values over masks, and its gradient in theta. */
export function correlationLoss(
  { features, values }: TrainingTarget,
  theta: Float64Array,
): { loss: number; gradient: Float64Array; isDefined: boolean } {
  const heads = theta.length
  const predicted = Float64Array.from(values, (_, mask) => {
    let sum = 0
    for (let head = 0; head < heads; head++) sum += theta[head]! * features[mask * heads + head]!
    return sum
  })
  const { value, gradient: outer, isDefined } = correlation(predicted, values)
  const gradient = new Float64Array(heads)
  for (const [mask, factor] of outer.entries())
    for (let head = 0; head < heads; head++) gradient[head]! -= factor * features[mask * heads + head]!
  return { loss: -value, gradient, isDefined }
}

const [decay1, decay2, tiny] = [0.9, 0.999, 1e-8]

/**
 * Learns weights of heads whose weighted attention goes along with what masking does (AT2): Adam on the mean of negative
 * correlations, the rate falling to 0 along a cosine, gradients clipped by their norm. Starts from uniform weights; at the
 * end their absolute values sum to 1.
 *
 * @param examples Targets of each example; a step takes examples at random, and of each one target.
 */
export async function trainHeadWeights(
  examples: readonly (readonly TrainingTarget[])[],
  heads: number,
  { steps, batch, learningRate, clip, seed, signal, onProgress }: TrainingOptions,
): Promise<TrainedWeights> {
  const theta = new Float64Array(heads).fill(1 / heads)
  const [first, second] = [new Float64Array(heads), new Float64Array(heads)]
  const losses: number[] = []
  let undefinedCount = 0
  for (let step = 0; step < steps; step++) {
    // Steps are short: others get their turn between two.
    await setImmediate()
    if (signal?.aborted) throw new AscribeError('ABORTED', 'The work was aborted', { cause: signal.reason })
    const random = new RandomStream(seed, 0, step)
    const gradient = new Float64Array(heads)
    let loss = 0
    for (let each = 0; each < batch; each++) {
      const targets = examples[random.below(examples.length)]!
      const found = correlationLoss(targets[random.below(targets.length)]!, theta)
      if (!found.isDefined) undefinedCount++
      loss += found.loss / batch
      for (let head = 0; head < heads; head++) gradient[head]! += found.gradient[head]! / batch
    }
    losses.push(loss)
    const norm = Math.hypot(...gradient)
    const shrink = norm > clip ? clip / norm : 1
    const rate = (learningRate * (1 + Math.cos((Math.PI * step) / steps))) / 2
    for (let head = 0; head < heads; head++) {
      const own = gradient[head]! * shrink
      first[head] = decay1 * first[head]! + (1 - decay1) * own
      second[head] = decay2 * second[head]! + (1 - decay2) * own * own
      const mean = first[head]! / (1 - decay1 ** (step + 1))
      const spread = Math.sqrt(second[head]! / (1 - decay2 ** (step + 1)))
      theta[head]! -= (rate * mean) / (spread + tiny)
    }
    onProgress?.(step + 1, steps)
  }
  const total = theta.reduce((sum, value) => sum + Math.abs(value), 0)
  return { weights: theta.map(value => (total > 0 ? value / total : 1 / heads)), losses, undefinedCount }
}
