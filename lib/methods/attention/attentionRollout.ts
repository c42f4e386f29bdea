import type { GraphBuilder, Value } from '../../graph/builder.js'
import type { Model } from '../../model/model.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { AttentionMethod } from './attentionMethod.js'
import { headOptions, placeOptions, rowOptions } from './attentionOptions.js'
import type { AttentionLayer } from './attentionPlan.js'
import { type AttentionReading, asScores, fuseHeads } from './attentionReading.js'
import { selfAttention } from './selfAttention.js'

export const attentionRolloutOptions = {
  ...headOptions,
  discard: {
    kind: 'number',
    default: 0,
    minimum: 0,
    maximum: 0.999,
    description:
      "Share of each layer's smallest probabilities that are set to 0, the first token's of itself kept [unconfirmed].",
  },
  ...rowOptions,
  ...placeOptions,
} as const

export type AttentionRolloutOptions = Given<typeof attentionRolloutOptions>

/**
 * Attention rollout: how much of each token reaches the read token through all layers, if attention alone moved
 * information and every layer handed half of each token on as it was: the product of (A + I) with rows scaled to 1.
 * Scores are at least 0; with class tokens counted they add up to 1. It is the same for every target that reads the
 * same tokens. One forward pass, and a backward pass through the last layers where `row` is `auto`.
 *
 * Source: Abnar and Zuidema, "Quantifying Attention Flow in Transformers" (ACL 2020), section 3. Heads by maximum or
 * minimum and `discard` are from a later implementation for pictures [unconfirmed].
 *
 * @throws AscribeError MODEL_CAPABILITY where the model has no attention, or the number of tokens changes on the way.
 */
export class AttentionRollout extends AttentionMethod {
  readonly options: Resolved<typeof attentionRolloutOptions>

  constructor(model: Model, options: AttentionRolloutOptions = {}) {
    super(model)
    this.options = resolveOptions(attentionRolloutOptions, options)
  }

  override identity(): MethodIdentity {
    return { name: 'AttentionRollout', options: this.options }
  }

  protected override reading(): AttentionReading {
    const { heads, discard, row, position } = this.options
    let tokens = 0
    return {
      name: 'AttentionRollout',
      key: JSON.stringify(['rollout', heads, discard, row, position]),
      needsGradients: false,
      row,
      position,
      select: (layers: readonly AttentionLayer[]) => {
        const own = selfAttention('AttentionRollout', layers)
        tokens = own[0]!.keys
        return own
      },
      combine: ({ builder, attention, rows }) =>
        asScores(
          builder,
          // The product of all matrices is never formed: a row goes through them from the last to the first.
          attention.reduceRight((row, layer) => {
            const fused = fuseHeads(builder, layer, heads)
            return stepBack(
              builder,
              row,
              discard > 0 ? withoutSmallest(builder, fused, tokens, discard) : fused,
            )
          }, rows),
        ),
    }
  }
}

/** row · (A + I) with the rows of A + I scaled to 1, for [N, 1, T] and [N, T, T]. */
function stepBack(builder: GraphBuilder, row: Value, matrix: Value): Value {
  const sums = builder.apply('sum', [matrix], { axes: [-1], keepDims: 0 })
  const whole = builder.apply('unsqueeze', [builder.apply('add', [sums, builder.scalar(1)])], { axes: [1] })
  const share = builder.apply('div', [row, whole])
  return builder.apply('add', [builder.apply('matMul', [share, matrix]), share])
}

/** [N, T, T] with a share of its smallest elements set to 0; the first is what the first token keeps of itself. */
function withoutSmallest(builder: GraphBuilder, matrix: Value, tokens: number, share: number): Value {
  const count = Math.floor(tokens * tokens * share)
  if (count === 0) return matrix
  const flat = builder.apply('reshape', [matrix, builder.integers([-1, tokens * tokens])])
  const [values, indices] = builder.applyMany('topK', [flat, builder.integers([count])], 2, {
    axis: -1,
    largest: 0,
  }) as [Value, Value]
  const zeros = builder.apply('mul', [values, builder.scalar(0)])
  const cleared = builder.apply('scatterElements', [flat, indices, zeros], { axis: 1 })
  const first = new Uint8Array(tokens * tokens)
  first[0] = 1
  const isFirst = builder.constant('bool', [1, tokens * tokens], first)
  const kept = builder.apply('where', [isFirst, flat, cleared])
  return builder.apply('reshape', [kept, builder.integers([-1, tokens, tokens])])
}
