import { Config } from './config.js'
import { type RotarySpec, rotarySpec } from './rotary.js'

/** In what the models of the family differ, whatever their config.json says. */
export interface LlamaTraits {
  /** Embeddings are multiplied with the root of their size. */
  readonly scalesEmbedding?: boolean
  /** Added to the weights of norms. */
  readonly normOffset?: number
  /** Each head of queries and keys is normalised. */
  readonly headNorms?: boolean
  /** What attention and feed-forward layers give is normalised before it is added. */
  readonly postNorms?: boolean
  /** Queries, keys and values come from one product, and so do gate and value of the feed-forward layer. */
  readonly isFused?: boolean
}

const gemma: LlamaTraits = { scalesEmbedding: true, normOffset: 1 }
const traits: Readonly<Record<string, LlamaTraits>> = {
  qwen3: { headNorms: true },
  gemma,
  gemma2: { ...gemma, postNorms: true },
  gemma3_text: { ...gemma, postNorms: true, headNorms: true },
  phi3: { isFused: true },
}

/** One layer's numbers. */
export interface LlamaLayer {
  readonly traits: LlamaTraits
  readonly heads: number
  readonly keyHeads: number
  readonly size: number
  readonly scale: number
  readonly window: number | undefined
  readonly softCap: number | undefined
  /** Absent: the layer knows no positions. */
  readonly rotary: RotarySpec | undefined
  readonly middle: number
  readonly activation: string
  readonly epsilon: number
  readonly inputBias: boolean
  readonly outputBias: boolean
  readonly middleBias: boolean
}

const isKind = (value: unknown): value is string =>
  value === 'full_attention' || value === 'sliding_attention'
const isBit = (value: unknown): value is number => value === 0 || value === 1

/** Which layers read a window only, one entry a layer. */
function windows(
  config: Config,
  type: string,
  count: number,
  turns: readonly boolean[],
): (number | undefined)[] {
  const size = config.optionalInteger('sliding_window')
  const all = Array.from({ length: count }, (_, at) => at)
  const where = (isSliding: (at: number) => boolean) => all.map(at => (isSliding(at) ? size : undefined))
  const isOn = (fallback: boolean) => config.flag('use_sliding_window', fallback)
  const kinds = () => config.list('layer_types', count, 'full_attention or sliding_attention', isKind)
  const listed = (fallback: (at: number) => boolean) => {
    const each = kinds()
    return where(each === undefined ? fallback : at => each[at] === 'sliding_attention')
  }
  switch (type) {
    case 'mistral':
    case 'phi3':
      return where(() => true)
    case 'qwen2':
    case 'qwen3': {
      const first = config.integer('max_window_layers', 28, 0)
      return isOn(false) ? listed(at => at >= first) : where(() => false)
    }
    case 'smollm3':
      return isOn(false) ? listed(at => !turns[at]) : where(() => false)
    case 'gemma2':
      return listed(at => at % 2 === 0)
    case 'gemma3_text': {
      const pattern = config.integer('sliding_window_pattern', config.integer('_sliding_window_pattern', 6))
      return listed(at => (at + 1) % pattern !== 0)
    }
    default:
      return where(() => false)
  }
}

/** Rotary positions of layers that read everything, and of those that read a window. */
function rotaries(config: Config, type: string, size: number): { whole: RotarySpec; sliding: RotarySpec } {
  const options = {
    size,
    positions: config.integer('max_position_embeddings', 2048),
    share: config.real('partial_rotary_factor', 1, 0, 1),
  }
  const given = config.optionalPart('rope_parameters') ?? config.optionalPart('rope_scaling')
  if (type !== 'gemma3_text') {
    const each = rotarySpec(config, given, options)
    return { whole: each, sliding: each }
  }
  const local = config.real('rope_local_base_freq', 10_000, 1 + 1e-6, 1e12)
  if (given?.has('full_attention'))
    return {
      whole: rotarySpec(config, given.part('full_attention'), { ...options, theta: 1e6 }),
      sliding: rotarySpec(config, given.part('sliding_attention'), options),
    }
  const whole = rotarySpec(config, given, { ...options, theta: 1e6 })
  return { whole, sliding: rotarySpec(new Config({ rope_theta: local }, config.name), undefined, options) }
}

/** Reads and checks what config.json says of the layers. */
export function llamaLayers(config: Config): LlamaLayer[] {
  const type = config.text('model_type')
  const usual = Object.hasOwn(traits, type) ? traits[type]! : {}
  // Ours alone: GGUF files have it added to the weights already.
  const own = config.has('norm_offset') ? { ...usual, normOffset: config.real('norm_offset') } : usual
  const isGemma = type.startsWith('gemma')
  const count = config.layers()
  const features = config.integer('hidden_size')
  const heads = config.integer('num_attention_heads')
  const keyHeads = config.integer('num_key_value_heads', heads)
  if (heads % keyHeads !== 0) throw config.invalid('num_key_value_heads', `a divisor of the ${heads} heads`)
  if (!config.has('head_dim') && !isGemma && features % heads !== 0)
    throw config.invalid('num_attention_heads', `a divisor of hidden_size (${features})`)
  const size = config.integer('head_dim', isGemma ? 256 : type === 'qwen3' ? 128 : features / heads)
  const turns = config.list('no_rope_layers', count, '0 or 1', isBit)
  const interval = config.integer('no_rope_layer_interval', 4)
  const isTurned = Array.from({ length: count }, (_, at) =>
    type === 'smollm3' ? (turns === undefined ? (at + 1) % interval !== 0 : turns[at] === 1) : true,
  )
  const window = windows(config, type, count, isTurned)
  const { whole, sliding } = rotaries(config, type, size)
  const attentionBias = config.flag('attention_bias', false)
  const scaleOf =
    type === 'gemma2' || type === 'gemma3_text' ? config.real('query_pre_attn_scalar', 256, 1e-6) : size
  config.requireValue('use_bidirectional_attention', false)
  if (type === 'gemma2' && !Object.hasOwn(config.values, 'attn_logit_softcapping'))
    throw config.invalid('attn_logit_softcapping', 'a number or null')
  return Array.from({ length: count }, (_, at) => ({
    traits: own,
    heads,
    keyHeads,
    size,
    scale: scaleOf ** -0.5,
    window: window[at],
    softCap: config.optionalReal('attn_logit_softcapping', 1e-3, 1e6),
    rotary: isTurned[at] ? (window[at] === undefined ? whole : sliding) : undefined,
    middle: config.integer('intermediate_size'),
    activation: isGemma
      ? config.text('hidden_activation', 'gelu_pytorch_tanh')
      : config.text('hidden_act', 'silu'),
    epsilon: config.epsilon('rms_norm_eps', 1e-6),
    // Ours alone, as GGUF files show it: queries, keys and values may have biases where the output has none.
    inputBias: config.flag('input_bias', type === 'qwen2' || attentionBias),
    outputBias: type !== 'qwen2' && attentionBias,
    middleBias: config.flag('mlp_bias', false),
  }))
}
