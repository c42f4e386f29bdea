import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { readFileBounded } from '../data/files.js'
import { readPreprocessorConfig } from '../data/huggingFacePreprocessing.js'
import { type PreprocessingOption, resolvePreprocessing } from '../data/preprocessing.js'
import { loadTokenizer, Tokenizer } from '../data/tokenizer/tokenizer.js'
import { AscribeError } from '../errors.js'
import { type GgufModel, loadGguf } from '../frontends/checkpoints/gguf/loadGguf.js'
import { loadLlama2c } from '../frontends/checkpoints/llama2c.js'
import { llama2cTokenizer } from '../frontends/checkpoints/llama2cTokenizer.js'
import { loadCheckpoint } from '../frontends/checkpoints/loadCheckpoint.js'
import { loadOnnx } from '../frontends/onnx/loadOnnx.js'
import { call, native, typed } from '../native.js'
import {
  expectInteger,
  expectKnownKeys,
  expectObject,
  expectOneOf,
  expectString,
  expectStrings,
  typeError,
} from '../validate.js'
import { type ComputePrecision, Model, type ModelParts } from './model.js'
import { expectBlocks, expectPrecision } from './precision.js'
import { expectRecomputation, type Recomputation } from './recomputation.js'

export interface LoadModelOptions {
  /**
   * How pictures become the model's input: a preset (`imagenet`, `caffe-bgr`, `clip`, `inception`, `none`), a
   * description, or the path of a `preprocessor_config.json`. Needed only where pictures are given; never guessed.
   */
  preprocessing?: PreprocessingOption | string
  /** Class names in output order: an array, or the path of a file with one a line, or of a JSON array. */
  labels?: readonly string[] | string
  /**
   * How texts become tokens: the path or the bytes of a `tokenizer.json`, one that is loaded, or the path of a llama2.c
   * tokenizer (`.bin`).
   */
  tokenizer?: string | Uint8Array | Tokenizer
  /** 'map' (default) maps the file, which must then not be written to; 'copy' reads it whole. */
  weights?: 'map' | 'copy'
  /** 'auto' (default), 'cpu', 'cuda' or 'cuda:N'. */
  device?: string
  /**
   * What products are computed in. 'bf16' rounds the factors of matrix products, convolutions and attention to bf16 where
   * they are packed, and adds up in f32; norms, softmax, residuals and sums stay f32. Weights are packed once in bf16.
   * 'int8' is for GGUF files whose weights are in blocks (Q8_0, Q4_K, Q6_K): products with such matrices round their rows to 8
   * bits, a scale for each block of 32, and multiply integers; all else is f32. It runs forwards only: gradients are
   * PRECISION_UNAVAILABLE. Default 'f32'.
   */
  precision?: ComputePrecision
  /** Bound on the memory of one call, in bytes; work is cut to fit. Default: none. */
  memoryLimitBytes?: number
  /**
   * Whether activations that only a gradient reads later are computed again instead of being kept: the same bits from less
   * memory, for at most one more pass forwards. `true` wherever that saves memory, a number of bytes as far as the activations
   * of a pass take more, `'auto'` (default) where a pass would not fit `memoryLimitBytes` otherwise, `false` never.
   */
  recompute?: Recomputation
  /**
   * Passes of the compiler to leave out of every plan, by name, to find the one that does harm (`ascribe doctor` lists
   * them). Default: none.
   */
  withoutPasses?: readonly string[]
  /** Name in results. Default: the file's name. */
  name?: string
}

const optionNames = [
  'preprocessing',
  'labels',
  'tokenizer',
  'weights',
  'device',
  'precision',
  'memoryLimitBytes',
  'recompute',
  'withoutPasses',
  'name',
]

/** What each reader checks itself is not checked here. @throws AscribeError OPTION_* */
function checkOptions(options: LoadModelOptions): void {
  expectObject('load options', options)
  expectKnownKeys('load options', options, optionNames)
  const { labels, tokenizer, device, precision, memoryLimitBytes, recompute, withoutPasses, name } = options
  if (labels !== undefined && typeof labels !== 'string') expectStrings('labels', labels)
  const isTokenizer =
    typeof tokenizer === 'string' || tokenizer instanceof Uint8Array || tokenizer instanceof Tokenizer
  if (tokenizer !== undefined && !isTokenizer)
    throw typeError('tokenizer', 'a path, bytes or a Tokenizer', tokenizer)
  if (device !== undefined) expectString('device', device)
  if (precision !== undefined) expectPrecision(precision)
  if (memoryLimitBytes !== undefined) expectInteger('memoryLimitBytes', memoryLimitBytes, 0)
  if (recompute !== undefined) expectRecomputation(recompute)
  if (withoutPasses !== undefined)
    for (const pass of expectStrings('withoutPasses', withoutPasses))
      expectOneOf('withoutPasses', pass, native().engine().passes)
  if (name !== undefined) expectString('name', name)
}

const maximumLabelBytes = 64 << 20

async function readLabels(labels: readonly string[] | string): Promise<readonly string[]> {
  if (typeof labels !== 'string') return labels
  const text = new TextDecoder().decode(await readFileBounded(labels, maximumLabelBytes))
  if (!labels.endsWith('.json')) return text.replace(/\r?\n$/, '').split(/\r?\n/)
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw new AscribeError('FILE_CORRUPT', `${labels} is not JSON`, { cause })
  }
  const list = Array.isArray(parsed) ? parsed : (parsed as { labels?: unknown } | null)?.labels
  if (!Array.isArray(list)) throw new AscribeError('FILE_CORRUPT', `${labels} holds no array of labels`)
  return list.map(entry =>
    typeof entry === 'string' ? entry : String((entry as { name?: unknown })?.name ?? ''),
  )
}

async function readTokenizer(given: string | Uint8Array | Tokenizer): Promise<Tokenizer> {
  if (given instanceof Tokenizer) return given
  const isLlama2c = typeof given === 'string' && given.endsWith('.bin')
  return loadTokenizer(isLlama2c ? await llama2cTokenizer(given) : given)
}

async function readPreprocessing(option: PreprocessingOption | string) {
  if (typeof option === 'string' && option.endsWith('.json')) return readPreprocessorConfig(option)
  return resolvePreprocessing(option as PreprocessingOption)
}

const isFolder = async (path: string) => (await stat(path).catch(() => undefined))?.isDirectory() === true

/**
 * Loads a model. Weights stay in the file (mapped) until a plan needs them and never become JavaScript objects.
 *
 * @param source Path of an ONNX file, or its bytes (which must not change afterwards); or of a Hugging Face checkpoint
 *   folder, with config.json and model.safetensors in it; or of a GGUF file (`.gguf`), or of a llama2.c file (`.bin`). A folder's
 *   preprocessor_config.json and class names are used where the options name no others.
 * @throws AscribeError OPTION_*, FILE_NOT_FOUND, FILE_CORRUPT, MODEL_INVALID, MODEL_UNSUPPORTED_OP (all of them in one error);
 *   PRECISION_UNAVAILABLE where the processor has no products of bf16, or the model no weights in blocks for those of int8
 * @example
 * const model = await loadModel('mobilenet.onnx', { preprocessing: 'imagenet', labels: 'imagenet.txt' })
 */
export async function loadModel(source: string | Uint8Array, options: LoadModelOptions = {}): Promise<Model> {
  try {
    if (typeof source !== 'string' && !(source instanceof Uint8Array))
      throw typeError('source', 'a path or bytes', source)
    checkOptions(options)
    const { preprocessing, labels, ...parts } =
      typeof source === 'string' && (/\.(bin|gguf)$/.test(source) || (await isFolder(source)))
        ? await checkpointParts(source, options)
        : await onnxParts(source, options)
    if (options.precision === 'int8')
      expectBlocks(
        parts.name,
        call(() => parts.parameters.list()),
      )
    const given =
      options.preprocessing === undefined ? preprocessing : await readPreprocessing(options.preprocessing)
    const names = options.labels === undefined ? labels : await readLabels(options.labels)
    return new Model({
      ...parts,
      source,
      ...(given === undefined ? {} : { preprocessing: given }),
      ...(names === undefined ? {} : { labels: names }),
      ...(options.tokenizer === undefined ? {} : { tokenizer: await readTokenizer(options.tokenizer) }),
      ...(options.device === undefined ? {} : { device: options.device }),
      ...(options.precision === undefined ? {} : { precision: options.precision }),
      ...(options.memoryLimitBytes === undefined ? {} : { memoryLimitBytes: options.memoryLimitBytes }),
      ...(options.recompute === undefined ? {} : { recompute: options.recompute }),
      ...(options.withoutPasses === undefined ? {} : { withoutPasses: [...options.withoutPasses] }),
    })
  } catch (error) {
    throw typed(error)
  }
}

const weightsOption = ({ weights }: LoadModelOptions) => (weights === undefined ? {} : { weights })

async function onnxParts(source: string | Uint8Array, options: LoadModelOptions): Promise<ModelParts> {
  const onnx = await loadOnnx(native(), source, weightsOption(options))
  const { graph, inputs, outputs, storage, metadata } = onnx
  const usual = typeof source === 'string' ? basename(source) : metadata.graphName || 'model'
  return {
    name: options.name ?? usual,
    graph,
    inputs,
    outputs,
    parameters: call(() => native().createParameters(onnx.parameters)),
    storage,
    metadata,
  }
}

async function checkpointParts(folder: string, options: LoadModelOptions): Promise<ModelParts> {
  const load = (await isFolder(folder)) ? loadCheckpoint : folder.endsWith('.gguf') ? loadGguf : loadLlama2c
  const {
    parameters,
    tokenizer: own,
    ...rest
  }: GgufModel = await load(native(), folder, weightsOption(options))
  const preprocessor = join(folder, 'preprocessor_config.json')
  const tokenizer = join(folder, 'tokenizer.json')
  const isThere = async (path: string) => (await stat(path).catch(() => undefined))?.isFile() === true
  const hasPictures = rest.inputs.some(({ name }) => name === 'pixel_values')
  const isPreprocessed = hasPictures && (await isThere(preprocessor))
  return {
    ...rest,
    name: options.name ?? basename(folder),
    parameters: call(() => native().createParameters(parameters)),
    // Read when the first text comes.
    ...(own !== undefined || (await isThere(tokenizer))
      ? { tokenizer: new Tokenizer(own ?? tokenizer) }
      : {}),
    ...(isPreprocessed ? { preprocessing: await readPreprocessorConfig(preprocessor) } : {}),
  }
}
