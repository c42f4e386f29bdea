import { Config } from '../config.js'
import { Unsupported } from '../unsupported.js'
import type { GgufMetadata } from './metadata.js'

/** What `general.architecture` is called in a config.json. */
const modelTypes: Readonly<Record<string, string>> = {
  llama: 'llama',
  qwen2: 'qwen2',
  qwen3: 'qwen3',
  phi3: 'phi3',
  gemma: 'gemma',
  gemma2: 'gemma2',
  gemma3: 'gemma3_text',
}

/** Layers of the models whose scores are scaled by features a head, instead of by the size of a head. */
const scaledByFeatures: Readonly<Record<string, number>> = { gemma2: 46, gemma3: 62 }

/** What the frequencies of rotary positions are divided by, in short texts and in long ones. */
export interface RotaryFactors {
  readonly short: readonly number[]
  readonly long: readonly number[]
}

/** How positions are stretched, in the words of config.json. */
function ropeParameters(
  metadata: GgufMetadata,
  of: (key: string) => string,
  factors: RotaryFactors | undefined,
) {
  const theta = metadata.number(of('rope.freq_base'))
  const base = theta === undefined ? {} : { rope_theta: theta }
  const length = metadata.number(of('rope.scaling.original_context_length'))
  const original = length === undefined ? {} : { original_max_position_embeddings: length }
  if (factors !== undefined) {
    const attention = { attention_factor: metadata.number(of('rope.scaling.attn_factor')) ?? 1 }
    return {
      ...base,
      ...original,
      ...attention,
      rope_type: 'longrope',
      short_factor: factors.short,
      long_factor: factors.long,
      factor: 1,
    }
  }
  const kind = metadata.text(of('rope.scaling.type')) ?? 'none'
  const given = metadata.number(of('rope.scaling.factor')) ?? metadata.number(of('rope.scale_linear'))
  if (kind === 'none' && (given === undefined || given === 1 || given === 0))
    return { ...base, rope_type: 'default' }
  if (kind !== 'none' && kind !== 'linear' && kind !== 'yarn')
    throw new Unsupported(`rotary scaling of type ${JSON.stringify(kind.slice(0, 60))}`)
  const rest = kind === 'yarn' ? original : {}
  return { ...base, ...rest, rope_type: kind === 'none' ? 'linear' : kind, factor: given }
}

/**
 * What a GGUF file says of the model, in the words of config.json.
 *
 * @param factors The file's own rotary factors, where it has them.
 * @throws AscribeError MODEL_INVALID, MODEL_UNSUPPORTED_OP for architectures that are not known.
 */
export function ggufConfig(metadata: GgufMetadata, factors: RotaryFactors | undefined): Config {
  const architecture = metadata.text('general.architecture')
  if (architecture === undefined) throw metadata.invalid('general.architecture', 'a text')
  const type = Object.hasOwn(modelTypes, architecture) ? modelTypes[architecture] : undefined
  if (type === undefined)
    throw new Unsupported(
      `GGUF files of architecture ${JSON.stringify(architecture.slice(0, 60))}`,
      `Those of ${Object.keys(modelTypes).join(', ')} are read.`,
    )
  const of = (key: string) => `${architecture}.${key}`
  const number = (key: string) => metadata.number(of(key))
  for (const [key, usual] of [
    ['expert_count', 0],
    ['attention.clamp_kqv', 0],
  ] as const)
    if ((number(key) ?? usual) !== usual) throw new Unsupported(`${of(key)} in a GGUF file`)
  const [features, heads, layers] = [
    number('embedding_length'),
    number('attention.head_count'),
    number('block_count'),
  ]
  const size = number('attention.key_length') ?? (features ?? 0) / (heads ?? 1)
  if ((number('attention.value_length') ?? size) !== size)
    throw new Unsupported('heads of keys and values of unlike sizes in a GGUF file')
  const turned = number('rope.dimension_count') ?? size
  const has = (tensor: string) => metadata.shape(tensor) !== undefined
  const isGemma = type.startsWith('gemma')
  const parameters = ropeParameters(metadata, of, factors)
  const windowed = number('attention.sliding_window')
  const values: Record<string, unknown> = {
    model_type: type,
    architectures: ['ForCausalLM'],
    vocab_size: metadata.shape('token_embd.weight')?.[0],
    hidden_size: features,
    intermediate_size: number('feed_forward_length'),
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: number('attention.head_count_kv') ?? heads,
    head_dim: size,
    rms_norm_eps: number('attention.layer_norm_rms_epsilon'),
    max_position_embeddings: number('context_length'),
    partial_rotary_factor: turned / size,
    rope_theta: parameters.rope_theta,
    // Gemma 3 has scaled positions in its whole layers alone.
    rope_parameters:
      type === 'gemma3_text'
        ? { full_attention: parameters, sliding_attention: { rope_type: 'default', rope_theta: 10_000 } }
        : parameters,
    // Rows of queries and keys of this architecture are put so that neighbours turn together.
    rope_interleaved: type === 'llama',
    // The file's writer has added the 1 that Gemma's norms count from.
    norm_offset: 0,
    attention_bias: has('blk.0.attn_output.bias'),
    input_bias: has('blk.0.attn_q.bias'),
    mlp_bias: has('blk.0.ffn_up.bias'),
    tie_word_embeddings: !has('output.weight'),
    sliding_window: windowed === 0 ? undefined : windowed,
    attn_logit_softcapping: number('attn_logit_softcapping') ?? null,
    final_logit_softcapping: number('final_logit_softcapping'),
    eos_token_id: endTokens(metadata),
    ...(isGemma
      ? {
          query_pre_attn_scalar:
            layers === scaledByFeatures[architecture] ? (features ?? 0) / (heads ?? 1) : size,
        }
      : {}),
  }
  return new Config(
    Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)),
    metadata.name,
  )
}

/** Tokens at which a text ends. */
function endTokens(metadata: GgufMetadata): number[] | undefined {
  const ids = ['eos', 'eot', 'eom'].flatMap(name => metadata.number(`tokenizer.ggml.${name}_token_id`) ?? [])
  return ids.length === 0 ? undefined : [...new Set(ids)]
}
