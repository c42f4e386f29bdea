import { AscribeError } from '../../errors.js'
import type { AttentionLayer } from './attentionPlan.js'
import { hasTwoSides } from './twoSides.js'

/**
 * The layers in which tokens look at each other, for methods that go from one to the next.
 *
 * @throws AscribeError MODEL_CAPABILITY where there are none, or the number of tokens changes between them.
 */
export function selfAttention(name: string, layers: readonly AttentionLayer[]): readonly AttentionLayer[] {
  if (hasTwoSides(layers))
    throw new AscribeError(
      'MODEL_CAPABILITY',
      `${name} is for models whose tokens all look at each other, and this one reads one text and writes another`,
      { hint: 'AttentionRollout, GradientXAttention, LeGrad and RawAttention read both sides.' },
    )
  const own = layers.filter(({ queries, keys }) => queries === keys)
  const sizes = [...new Set(own.map(({ keys }) => keys))]
  if (sizes.length === 1) return own
  throw new AscribeError(
    'MODEL_CAPABILITY',
    sizes.length === 0
      ? `${name} needs layers in which tokens look at each other, and the model has none`
      : `${name} goes through layers of equally many tokens, and the model has layers of ${sizes.join(', ')}`,
    { hint: 'RawAttention reads one layer, which its option `attention` picks.' },
  )
}
