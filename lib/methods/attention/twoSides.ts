import { AscribeError } from '../../errors.js'
import type { GraphBuilder, Value } from '../../graph/builder.js'
import type { AttentionLayer } from './attentionPlan.js'
import { asScores } from './attentionReading.js'

/** Whether a model reads one text and writes another, so that its layers look at either. */
export const hasTwoSides = (layers: readonly AttentionLayer[]): boolean =>
  layers.some(({ side }) => side === 'cross')

/**
 * The layers of a model that reads one text and writes another, as they are computed: those of the encoder, then in turns those in
 * which written tokens look at each other and at what was read.
 *
 * @throws AscribeError MODEL_CAPABILITY where they are not so.
 */
export function twoSides(name: string, layers: readonly AttentionLayer[]): readonly AttentionLayer[] {
  const [cross, own, read] = (['cross', 'self', 'encoder'] as const).map(side =>
    layers.filter(layer => layer.side === side),
  ) as [AttentionLayer[], AttentionLayer[], AttentionLayer[]]
  const { queries, keys } = cross[0]!
  const fits =
    cross.length === own.length &&
    cross.every(layer => layer.queries === queries && layer.keys === keys) &&
    own.every(layer => layer.queries === queries && layer.keys === queries) &&
    read.every(layer => layer.queries === keys && layer.keys === keys)
  const ordered = [...read, ...own.flatMap((layer, at) => [layer, cross[at]!])]
  if (!fits || ordered.some((layer, at) => layer !== layers[at]))
    throw new AscribeError(
      'MODEL_CAPABILITY',
      `${name} goes through an encoder's layers, and in turns through a decoder's of either kind; the model has others`,
    )
  return ordered
}

/** Scores of what was read [N, 1, S] and of what was written [N, 1, T], one behind the other, [N, S + T]. */
export const bothSides = (builder: GraphBuilder, read: Value, written: Value): Value =>
  asScores(builder, builder.apply('concat', [read, written], { axis: -1 }))
