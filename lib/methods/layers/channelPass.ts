import type { Value } from '../../graph/builder.js'
import type { Pass, PassParts } from '../inputs/pass.js'
import type { Recipe } from '../inputs/recipe.js'

/**
 * A forward pass for each channel of a layer, and one for none: what the target is, channel by channel, [channels].
 *
 * @param seen What the model gets; `picked` [N, channels] is 1 at the channel and 0 elsewhere, all 0 for none.
 */
export function channelPass(
  name: string,
  layer: string,
  channels: number,
  { extras, seen }: Pick<Pass, 'extras'> & { seen: (parts: PassParts, picked: Value) => Value[] },
): Recipe {
  const picked = ({ builder, position }: PassParts): Value => {
    const numbers = builder.constant(
      'f32',
      [1, channels],
      Float32Array.from({ length: channels }, (_, at) => at),
    )
    return builder.apply('cast', [builder.apply('equal', [numbers, position!])], { to: 'f32' })
  }
  return {
    quantity: 'gradient',
    points: new Float64Array(channels).fill(1),
    weights: new Float64Array(channels).fill(1),
    samples: 1,
    statistic: 'mean',
    seed: 0,
    pass: {
      name,
      positions: { values: Float64Array.from({ length: channels }, (_, at) => at), atInput: [-1] },
      ...(extras ? { extras } : {}),
      seen: parts => seen(parts, picked(parts)),
      outputNames: [layer],
      outputs: parts => {
        const { builder, objective } = parts
        const value = builder.apply('mul', [
          picked(parts),
          builder.apply('unsqueeze', [objective], { axes: [1] }),
        ])
        return [{ name: layer, value }]
      },
      cost: { forward: 1, backward: 0 },
    },
  }
}
