import type { GraphBuilder, Value } from '../../graph/builder.js'
import type { Model } from '../../model/model.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { AttentionMethod } from './attentionMethod.js'
import { headOptions, placeOptions, rowOptions } from './attentionOptions.js'
import type { AttentionLayer } from './attentionPlan.js'
import { type AttentionReading, asScores, fuseHeads } from './attentionReading.js'
import { selfAttention } from './selfAttention.js'
import { bothSides, hasTwoSides, twoSides } from './twoSides.js'

export const attentionRolloutOptions = {
  ...headOptions,
  discard: {
    kind: 'number',
    default: 0,
    minimum: 0,
    maximum: 0.999,
    description:
      "Share of each layer's smallest probabilities that are set to 0, the first token's of itself kept.",
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
 * Of a model that reads one text and writes another, a layer that looks at what was read hands half on and takes half from there, and
 * the encoder's layers go on behind it, so that the scores of both texts together add up to 1: our own extension, of which the
 * paper says nothing.
 *
 * Source: Abnar and Zuidema, "Quantifying Attention Flow in Transformers" (ACL 2020), section 3. Heads by maximum or
 * minimum and `discard` are from a later implementation for pictures, vit-explain, whose rows do not add up to 1 with them: it
 * divides columns by the sums of rows.
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
    return {
      name: 'AttentionRollout',
      key: JSON.stringify(['rollout', heads, discard, row, position]),
      needsGradients: false,
      row,
      position,
      select: (layers: readonly AttentionLayer[]) => {
        return hasTwoSides(layers)
          ? twoSides('AttentionRollout', layers)
          : selfAttention('AttentionRollout', layers)
      },
      combine: ({ builder, layers, attention, rows }) => {
        // The product of all matrices is never formed: a row goes through them from the last to the first.
        let [written, read]: [Value, Value | undefined] = [rows, undefined]
        for (const [at, layer] of [...layers.entries()].toReversed()) {
          const fused = fuseHeads(builder, attention[at]!, heads)
          const matrix = discard > 0 ? withoutSmallest(builder, fused, layer, discard) : fused
          if (layer.side === 'encoder') read = stepBack(builder, read!, matrix)
          else if (layer.side !== 'cross') written = stepBack(builder, written, matrix)
          else {
            written = shareOf(builder, written, matrix)
            const crossed = builder.apply('matMul', [written, matrix])
            read = read === undefined ? crossed : builder.apply('add', [read, crossed])
          }
        }
        return read === undefined ? asScores(builder, written) : bothSides(builder, read, written)
      },
    }
  }
}

/** row · (A + I) with the rows of A + I scaled to 1, for [N, 1, T] and [N, T, T]. */
function stepBack(builder: GraphBuilder, row: Value, matrix: Value): Value {
  const share = shareOf(builder, row, matrix)
  return builder.apply('add', [builder.apply('matMul', [share, matrix]), share])
}

/** What of a row stays where it is, and what a matrix moves, each: row / (1 + sums of the matrix's rows). */
function shareOf(builder: GraphBuilder, row: Value, matrix: Value): Value {
  const sums = builder.apply('sum', [matrix], { axes: [-1], keepDims: 0 })
  const whole = builder.apply('unsqueeze', [builder.apply('add', [sums, builder.scalar(1)])], { axes: [1] })
  return builder.apply('div', [row, whole])
}

/** [N, Q, K] with a share of its smallest elements set to 0; the first is what the first token keeps of itself. */
function withoutSmallest(
  builder: GraphBuilder,
  matrix: Value,
  { queries, keys, side }: AttentionLayer,
  share: number,
): Value {
  const count = Math.floor(queries * keys * share)
  if (count === 0) return matrix
  const flat = builder.apply('reshape', [matrix, builder.integers([-1, queries * keys])])
  const [values, indices] = builder.applyMany('topK', [flat, builder.integers([count])], 2, {
    axis: -1,
    largest: 0,
  }) as [Value, Value]
  const zeros = builder.apply('mul', [values, builder.scalar(0)])
  const cleared = builder.apply('scatterElements', [flat, indices, zeros], { axis: 1 })
  const first = new Uint8Array(queries * keys)
  first[0] = side === 'cross' ? 0 : 1
  const isFirst = builder.constant('bool', [1, queries * keys], first)
  const kept = builder.apply('where', [isFirst, flat, cleared])
  return builder.apply('reshape', [kept, builder.integers([-1, queries, keys])])
}
