import type { Value } from '../../graph/builder.js'
import type { Config } from './config.js'
import { output, textInputs } from './encoder.js'
import {
  architecture,
  type BuiltModel,
  type CausalDecoder,
  type Family,
  type Source,
  sourceOf,
} from './family.js'
import type { Network } from './network.js'
import { type RelativeBuckets, relativeBias, relativeBuckets } from './relativePositions.js'
import { attention, maskOf, type Sequence, WholeSequence } from './sequence.js'
import { Unsupported } from './unsupported.js'

/** T5 and Flan-T5: relative positions in place of absolute ones, and scores that are not scaled. */
class T5 implements CausalDecoder {
  readonly vocabulary: number
  readonly features: number
  /** Distances are put into buckets, so that there is no longest sequence. */
  readonly contextLength = Number.POSITIVE_INFINITY
  readonly startToken: number
  readonly #heads: number
  readonly #size: number
  readonly #middle: number
  readonly #epsilon: number
  readonly #activation: string
  readonly #isGated: boolean

  constructor(private readonly config: Config) {
    this.vocabulary = config.integer('vocab_size')
    this.features = config.integer('d_model')
    this.#heads = config.integer('num_heads')
    this.#size = config.integer('d_kv')
    this.#middle = config.integer('d_ff')
    this.#epsilon = config.epsilon('layer_norm_epsilon', 1e-6)
    const kind = config.text('feed_forward_proj', 'relu')
    this.#isGated = kind.startsWith('gated-')
    this.#activation = kind === 'gated-gelu' ? 'gelu_new' : kind.replace(/^gated-/, '')
    this.startToken = config.integer('decoder_start_token_id', config.integer('pad_token_id', 0, 0), 0)
  }

  /** Ids [B, S] -> states [B, S, features] of the encoder. */
  encode(net: Network, ids: Value, kept: Value): Value {
    const body = net.within('encoder.')
    const sequence = new WholeSequence(net, ids, false, kept)
    const bias = this.#bias(body, relativeBuckets(this.config, true), sequence)
    let x = body.named(this.#words(net, ids), 'embed_tokens')
    for (let at = 0; at < this.config.layers('num_layers'); at++) {
      const block = body.within(`block.${at}.`)
      x = this.#selfAttention(block, x, sequence, bias)
      x = this.#feed(block.within('layer.1.'), x)
      body.named(x, `block.${at}`)
    }
    return body.named(body.rmsNorm(x, 'final_layer_norm', this.features, this.#epsilon), 'final_layer_norm')
  }

  hidden(net: Network, ids: Value, sequence: Sequence, source?: Source): Value {
    const body = net.within('decoder.')
    const bias = this.#bias(body, relativeBuckets(this.config, false), sequence)
    let x = body.named(this.#words(net, ids), 'embed_tokens')
    const mask = maskOf(net, net.unsqueeze(net.cast(source!.kept, 'bool'), 1, 2))
    for (let at = 0; at < this.#decoderLayers; at++) {
      const block = body.within(`block.${at}.`)
      x = this.#selfAttention(block, x, sequence, bias)
      x = this.#crossAttention(block.within('layer.1.'), x, source!, mask)
      x = this.#feed(block.within('layer.2.'), x)
      body.named(x, `block.${at}`)
    }
    return body.named(body.rmsNorm(x, 'final_layer_norm', this.features, this.#epsilon), 'final_layer_norm')
  }

  logits(net: Network, hidden: Value): Value {
    // Version 1.1 has a table of its own; newer files call the two tied all the same, and say apart whether to scale.
    const name = net.weights.has('lm_head.weight') ? 'lm_head.weight' : 'shared.weight'
    const isScaled = this.config.flag('scale_decoder_outputs', this.config.flag('tie_word_embeddings', true))
    const table = net.parameter(name, [this.vocabulary, this.features])
    const states = isScaled ? net.scaled(hidden, this.features ** -0.5) : hidden
    return net.apply('matMul', [states, table], { transposeB: 1 }, 'lm_head')
  }

  #words(net: Network, ids: Value): Value {
    return net.apply('gather', [net.parameter('shared.weight', [this.vocabulary, this.features]), ids], {
      axis: 0,
    })
  }

  #bias(body: Network, buckets: RelativeBuckets, { positions, keyPositions, perExample }: Sequence): Value {
    const name = 'block.0.layer.0.SelfAttention.relative_attention_bias.weight'
    const table = body.weight(name, [buckets.count, this.#heads])
    return relativeBias(body, table, buckets, positions, keyPositions, perExample)
  }

  #norm(net: Network, x: Value): Value {
    return net.rmsNorm(x, 'layer_norm', this.features, this.#epsilon)
  }

  #part(net: Network, x: Value, name: string): Value {
    const width = this.#heads * this.#size
    return net.splitHeads(net.linear(x, name, this.features, width, false), this.#heads, this.#size)
  }

  get #shape() {
    return { heads: this.#heads, keyHeads: this.#heads, size: this.#size, scale: 1 }
  }

  #selfAttention(block: Network, x: Value, sequence: Sequence, bias: Value): Value {
    const layer = block.within('layer.0.')
    const net = layer.within('SelfAttention.')
    const normed = this.#norm(layer, x)
    const part = (name: string) => this.#part(net, normed, name)
    const shape = { ...this.#shape, bias }
    const read = sequence.attend(net.prefix.slice(0, -1), part('q'), part('k'), part('v'), shape)
    return this.#added(layer, x, net, read, 'SelfAttention')
  }

  crossings(net: Network, states: Value): { key: string; keys: Value; values: Value }[] {
    return Array.from({ length: this.#decoderLayers }, (_, at) => {
      const inner = net.within(`decoder.block.${at}.layer.1.EncDecAttention.`)
      const [keys, values] = this.#crossing(inner, states)
      return { key: inner.prefix.slice(0, -1), keys, values }
    })
  }

  get #decoderLayers(): number {
    return this.config.integer('num_decoder_layers', this.config.layers('num_layers'), 1, 1024)
  }

  #crossing(net: Network, states: Value): readonly [Value, Value] {
    return [this.#part(net, states, 'k'), this.#part(net, states, 'v')]
  }

  #crossAttention(layer: Network, x: Value, source: Source, mask: Value): Value {
    const net = layer.within('EncDecAttention.')
    const key = net.prefix.slice(0, -1)
    const parts = source.crossed(key, this.#heads, this.#size, states => this.#crossing(net, states))
    const queries = this.#part(net, this.#norm(layer, x), 'q')
    source.observe?.(key, queries, parts[0], mask, this.#shape)
    const read = attention(net, key, [queries, ...parts], this.#shape, mask, false)
    return this.#added(layer, x, net, net.joinHeads(read, this.#heads, this.#size), 'EncDecAttention')
  }

  #added(layer: Network, x: Value, net: Network, read: Value, name: string): Value {
    const out = net.linear(read, 'o', this.#heads * this.#size, this.features, false)
    return layer.add(x, layer.named(out, name))
  }

  #feed(layer: Network, x: Value): Value {
    const net = layer.within('DenseReluDense.')
    const normed = this.#norm(layer, x)
    const up = (name: string) => net.linear(normed, name, this.features, this.#middle, false)
    const active = net.activation(up(this.#isGated ? 'wi_0' : 'wi'), this.#activation)
    const product = this.#isGated ? net.apply('mul', [active, up('wi_1')]) : active
    const fed = net.linear(net.named(product, 'dropout'), 'wo', this.#middle, this.features, false)
    return layer.add(x, layer.named(fed, 'DenseReluDense'))
  }
}

function build(net: Network, config: Config): BuiltModel {
  const name = architecture(config)
  const model = new T5(config)
  const { values, inputs } = textInputs(net, ['attention_mask'])
  const states = model.encode(net, inputs.input_ids!, inputs.attention_mask!)
  if (name.endsWith('EncoderModel'))
    return {
      inputs: values,
      outputs: [output(net, 'last_hidden_state', states, ['batch', 'tokens', model.features])],
    }
  if (name !== '' && !name.endsWith('ForConditionalGeneration'))
    throw new Unsupported(`the class ${JSON.stringify(name.slice(0, 60))}`)
  const ids = net.graph.input('decoder_input_ids', 'i64', ['batch', 'targets'])
  const source = sourceOf(states, inputs.attention_mask!)
  const hidden = model.hidden(net, ids, new WholeSequence(net, ids, true), source)
  return {
    inputs: [...values, { name: 'decoder_input_ids', dtype: 'i64', shape: ['batch', 'targets'] }],
    outputs: [output(net, 'logits', model.logits(net, hidden), ['batch', 'targets', model.vocabulary])],
  }
}

export const t5: Family = {
  modelTypes: ['t5'],
  build,
  decoder: config => (architecture(config).endsWith('EncoderModel') ? undefined : new T5(config)),
}
