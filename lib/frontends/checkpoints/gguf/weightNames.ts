/** What weights of one layer are called in a GGUF file, and in a checkpoint folder. */
const ofLayer: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_qkv: 'self_attn.qkv_proj',
  attn_output: 'self_attn.o_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
}

/** Models that normalise what a part gives, too. */
const withPostNorms: Readonly<Record<string, string>> = {
  post_attention_norm: 'post_attention_layernorm',
  ffn_norm: 'pre_feedforward_layernorm',
  post_ffw_norm: 'post_feedforward_layernorm',
}

/** Gate and value of the feed-forward layer in one product. */
const fused: Readonly<Record<string, string>> = { ffn_up: 'mlp.gate_up_proj' }

const elsewhere: Readonly<Record<string, string>> = {
  token_embd: 'model.embed_tokens',
  output_norm: 'model.norm',
  output: 'lm_head',
}

/**
 * The name that a checkpoint folder has for a weight of a GGUF file; undefined for what no model here reads (tables of
 * rotary positions, say).
 */
export function weightName(architecture: string, name: string): string | undefined {
  const parts = /^(?:blk\.(\d+)\.)?([a-z_]+)\.(weight|bias)$/.exec(name)
  if (parts === null) return undefined
  const [, layer, own, kind] = parts as unknown as [string, string | undefined, string, string]
  if (layer === undefined) return Object.hasOwn(elsewhere, own) ? `${elsewhere[own]}.${kind}` : undefined
  const special =
    architecture === 'gemma2' || architecture === 'gemma3'
      ? withPostNorms
      : architecture === 'phi3'
        ? fused
        : {}
  const names = { ...ofLayer, ...special }
  return Object.hasOwn(names, own) ? `model.layers.${layer}.${names[own]}.${kind}` : undefined
}
