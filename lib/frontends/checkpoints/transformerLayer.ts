import type { Value } from '../../graph/builder.js'
import type { Config } from './config.js'
import type { Network } from './network.js'
import type { Sequence } from './sequence.js'

/** Numbers that every layer of an encoder has in common. */
export interface EncoderSizes {
  readonly features: number
  readonly heads: number
  readonly middle: number
  readonly activation: string
  readonly epsilon: number
}

/** Reads sizes under their usual names; `aliases` of the config stand in for others. */
export function encoderSizes(config: Config, epsilon = 1e-12): EncoderSizes {
  const features = config.integer('hidden_size')
  const heads = config.integer('num_attention_heads')
  if (features % heads !== 0)
    throw config.invalid('num_attention_heads', `a divisor of hidden_size (${features})`)
  return {
    features,
    heads,
    middle: config.integer('intermediate_size'),
    activation: config.text('hidden_act', 'gelu'),
    epsilon: config.epsilon('layer_norm_eps', epsilon),
  }
}

/** What the products of an attention layer are called. */
export interface AttentionNames {
  readonly query: string
  readonly key: string
  readonly value: string
  readonly output: string
}

/** Self-attention with one bias for each product, where the checkpoint has them. */
export function selfAttention(
  net: Network,
  x: Value,
  names: AttentionNames,
  { features, heads }: EncoderSizes,
  sequence: Sequence,
  bias?: Value,
): Value {
  const size = features / heads
  const part = (name: string) => net.splitHeads(net.linear(x, name, features, features), heads, size)
  const [q, k, v] = [part(names.query), part(names.key), part(names.value)]
  const shape = { heads, keyHeads: heads, size, scale: size ** -0.5, bias }
  const key = net.prefix + names.output.split('.')[0]
  return net.linear(sequence.attend(key, q, k, v, shape), names.output, features, features)
}

/** Two products with an activation between. */
export function feedForward(
  net: Network,
  x: Value,
  [up, down]: readonly [string, string],
  { features, middle, activation }: EncoderSizes,
): Value {
  return net.linear(net.activation(net.linear(x, up, features, middle), activation), down, middle, features)
}
