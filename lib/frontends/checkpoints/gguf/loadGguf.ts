import { open } from 'node:fs/promises'
import type { NativeAddon } from '#typings/addon.js'
import type { GgufHeader, GgufTensor } from '../../../data/ggufHeader.js'
import { AscribeError } from '../../../errors.js'
import type { ChatTemplate } from '../chatTemplate.js'
import { buildCheckpoint, type CheckpointModel } from '../loadCheckpoint.js'
import { CheckpointWeights } from '../weights.js'
import { ggufConfig, type RotaryFactors } from './ggufConfig.js'
import { ggufTokenizer, tokenId } from './ggufTokenizer.js'
import { GgufMetadata } from './metadata.js'
import { readGguf } from './readGguf.js'
import { weightName } from './weightNames.js'

/** Pairs of features of a head. */
const mostFactors = 4096

/** A small f32 tensor, read as numbers. */
async function readNumbers(path: string, tensor: GgufTensor | undefined): Promise<number[] | undefined> {
  if (tensor?.range === undefined || tensor.type !== 'F32') return undefined
  const { begin, end } = tensor.range
  if (end - begin > 4 * mostFactors)
    throw new AscribeError('FILE_CORRUPT', `${path}: ${tensor.name} has ${end - begin} bytes`)
  const handle = await open(path, 'r')
  try {
    const bytes = new Uint8Array(end - begin)
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, begin)
    if (bytesRead < bytes.length) throw new AscribeError('FILE_CORRUPT', `${path} ended while it was read`)
    return [...new Float32Array(bytes.buffer)]
  } finally {
    await handle.close()
  }
}

/** One list for texts of any length (Llama 3's stretching, worked out by whoever wrote the file), or one for each of two lengths. */
async function rotaryFactors(path: string, header: GgufHeader): Promise<RotaryFactors | undefined> {
  const read = (name: string) =>
    readNumbers(
      path,
      header.tensors.find(each => each.name === `${name}.weight`),
    )
  const all = await read('rope_freqs')
  const [short, long] = [all ?? (await read('rope_factors_short')), all ?? (await read('rope_factors_long'))]
  return short === undefined || long === undefined ? undefined : { short, long }
}

function chatTemplate(metadata: GgufMetadata): ChatTemplate {
  const template = metadata.text('tokenizer.chat_template')
  const texts = metadata.texts('tokenizer.ggml.tokens') ?? []
  const tokens = ['bos', 'eos', 'unknown', 'padding'].flatMap((role): [string, string][] => {
    const id = tokenId(metadata, role, texts)
    const name = role === 'unknown' ? 'unk' : role === 'padding' ? 'pad' : role
    return id === undefined ? [] : [[`${name}_token`, texts[id]!]]
  })
  return { ...(template === undefined ? {} : { template }), tokens: Object.fromEntries(tokens) }
}

/** A checkpoint with what its file says of texts. */
export type GgufModel = CheckpointModel & { readonly tokenizer?: Uint8Array }

/**
 * Reads a GGUF file of a model of the llama family: sizes, tokenizer and chat template from its metadata, weights where
 * they lie in the mapped file (F32, F16, BF16, Q8_0, Q4_K, Q6_K).
 *
 * @throws AscribeError FILE_NOT_FOUND, FILE_CORRUPT; MODEL_INVALID where what it says does not fit its weights;
 *   MODEL_UNSUPPORTED_OP for other architectures, tokenizers and ways to store weights.
 */
export async function loadGguf(
  addon: NativeAddon,
  path: string,
  options: { weights?: 'map' | 'copy' } = {},
): Promise<GgufModel> {
  const header = await readGguf(path)
  const metadata = new GgufMetadata(header, path)
  const config = ggufConfig(metadata, await rotaryFactors(path, header))
  const architecture = metadata.text('general.architecture')!
  const storage = addon.openStorage(path, { weights: options.weights ?? 'map' })
  const weights = new CheckpointWeights()
  weights.add(
    storage,
    0,
    header.tensors.flatMap(({ name, type, shape, range }) => {
      const own = weightName(architecture, name)
      return own === undefined
        ? []
        : [{ name: own, dtype: type, shape, begin: range?.begin ?? 0, end: range?.end ?? 0 }]
    }),
  )
  const built = buildCheckpoint(path, config, weights)
  const tokenizer = ggufTokenizer(metadata)
  return {
    ...built,
    checkpoint: { ...built.checkpoint, chatTemplate: chatTemplate(metadata) },
    storages: [storage],
    ...(tokenizer === undefined ? {} : { tokenizer }),
  }
}
