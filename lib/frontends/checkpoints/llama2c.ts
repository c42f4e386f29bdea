import { open } from 'node:fs/promises'
import type { NativeAddon } from '#typings/addon.js'
import type { SafetensorsEntry } from '../../data/safetensorsHeader.js'
import { AscribeError } from '../../errors.js'
import { Config } from './config.js'
import { buildCheckpoint, type CheckpointModel } from './loadCheckpoint.js'
import { CheckpointWeights } from './weights.js'

/** Seven 32-bit integers. */
const headerBytes = 28

interface Sizes {
  features: number
  middle: number
  layers: number
  heads: number
  keyHeads: number
  /** Below 0 in the file where the output product has a table of its own. */
  vocabulary: number
  positions: number
}

async function readHeader(path: string): Promise<{ numbers: number[]; size: number }> {
  const handle = await open(path, 'r').catch(cause => {
    throw new AscribeError('FILE_NOT_FOUND', `cannot open ${path}: ${(cause as Error).message}`, { cause })
  })
  try {
    const { size } = await handle.stat()
    const bytes = Buffer.alloc(headerBytes)
    const { bytesRead } = await handle.read(bytes, 0, headerBytes, 0)
    if (bytesRead < headerBytes)
      throw new AscribeError('FILE_CORRUPT', `${path} is too short for a llama2.c file`)
    return { numbers: Array.from({ length: 7 }, (_, at) => bytes.readInt32LE(4 * at)), size }
  } finally {
    await handle.close()
  }
}

/** Weights in the order of the file, one layer after the other for each kind. */
function tensors(sizes: Sizes, isTied: boolean): { name: string; shape: number[] }[] {
  const { features, middle, layers, heads, keyHeads, vocabulary, positions } = sizes
  const size = features / heads
  const shared = keyHeads * size
  const each = (name: string, ...shape: number[]) =>
    Array.from({ length: layers }, (_, at) => ({ name: `model.layers.${at}.${name}.weight`, shape }))
  return [
    { name: 'model.embed_tokens.weight', shape: [vocabulary, features] },
    ...each('input_layernorm', features),
    ...each('self_attn.q_proj', features, features),
    ...each('self_attn.k_proj', shared, features),
    ...each('self_attn.v_proj', shared, features),
    ...each('self_attn.o_proj', features, features),
    ...each('post_attention_layernorm', features),
    ...each('mlp.gate_proj', middle, features),
    ...each('mlp.down_proj', features, middle),
    ...each('mlp.up_proj', middle, features),
    { name: 'model.norm.weight', shape: [features] },
    // Cosines and sines, which are computed here.
    { name: 'rotary', shape: [positions, size] },
    ...(isTied ? [] : [{ name: 'lm_head.weight', shape: [vocabulary, features] }]),
  ]
}

/**
 * Reads a llama2.c file (version 0: seven sizes, then all weights in f32). Weights stay in the mapped file.
 *
 * @throws AscribeError FILE_NOT_FOUND; FILE_CORRUPT where the sizes are impossible or the file is not as long as they say.
 */
export async function loadLlama2c(
  addon: NativeAddon,
  path: string,
  options: { weights?: 'map' | 'copy' } = {},
): Promise<CheckpointModel> {
  const { numbers, size } = await readHeader(path)
  const [features, middle, layers, heads, keyHeads, vocabulary, positions] = numbers as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const isTied = vocabulary > 0
  const sizes = { features, middle, layers, heads, keyHeads, vocabulary: Math.abs(vocabulary), positions }
  const isPossible =
    Object.values(sizes).every(each => each > 0 && each <= 1 << 24) &&
    layers <= 1024 &&
    features % heads === 0 &&
    heads % keyHeads === 0
  if (!isPossible)
    throw new AscribeError('FILE_CORRUPT', `${path}: no llama2.c file has the sizes ${numbers.join(', ')}`)
  let begin = 0
  const entries = tensors(sizes, isTied).map(({ name, shape }): SafetensorsEntry => {
    const bytes = 4 * shape.reduce((product, dim) => product * dim, 1)
    const entry = { name, dtype: 'F32', shape, begin, end: begin + bytes }
    begin += bytes
    return entry
  })
  if (headerBytes + begin !== size)
    throw new AscribeError(
      'FILE_CORRUPT',
      `${path}: its sizes need ${headerBytes + begin} bytes, and it has ${size}`,
    )
  const storage = addon.openStorage(path, { weights: options.weights ?? 'map' })
  const weights = new CheckpointWeights()
  weights.add(storage, headerBytes, entries)
  const config = new Config(
    {
      model_type: 'llama',
      architectures: ['LlamaForCausalLM'],
      hidden_size: features,
      intermediate_size: middle,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      num_key_value_heads: keyHeads,
      vocab_size: sizes.vocabulary,
      max_position_embeddings: positions,
      tie_word_embeddings: isTied,
      rms_norm_eps: 1e-5,
      rope_interleaved: true,
      // Texts of the models that came with it are parted by their beginnings.
      eos_token_id: [1, 2],
    },
    path,
  )
  return { ...buildCheckpoint(path, config, weights), storages: [storage] }
}
