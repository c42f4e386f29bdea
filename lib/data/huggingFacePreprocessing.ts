import { AscribeError } from '../errors.js'
import { describeValue, expectNumber, expectObject } from '../validate.js'
import { readFileBounded } from './files.js'
import { type Preprocessing, type Size, validatePreprocessing } from './preprocessing.js'
import type { ResampleFilter } from './resample.js'

type Config = Record<string, unknown>

/** What the classes of transformers assume where an older file is silent, and how they read a bare `size`. */
interface ClassDefaults {
  bareSize: 'square' | 'shortestEdge'
  resample: number
  centreCrop: boolean
}

const classDefaults: Record<string, ClassDefaults> = {
  ViT: { bareSize: 'square', resample: 2, centreCrop: false },
  DeiT: { bareSize: 'square', resample: 3, centreCrop: true },
  CLIP: { bareSize: 'shortestEdge', resample: 3, centreCrop: true },
  Bit: { bareSize: 'shortestEdge', resample: 3, centreCrop: true },
  ConvNext: { bareSize: 'shortestEdge', resample: 2, centreCrop: false },
}

/** Pillow's numbers for its filters. */
const filtersByNumber: readonly ResampleFilter[] = [
  'nearest',
  'lanczos',
  'bilinear',
  'bicubic',
  'box',
  'hamming',
]

/** The steps that are understood; any other step that is switched on is refused. */
const knownSteps = [
  'do_resize',
  'do_center_crop',
  'do_rescale',
  'do_normalize',
  'do_convert_rgb',
  'do_flip_channel_order',
  'do_reduce_labels',
]

/**
 * Reads a `preprocessor_config.json` of Hugging Face transformers.
 *
 * @throws AscribeError `FILE_NOT_FOUND`, `FILE_CORRUPT`, or what {@link parsePreprocessorConfig} throws.
 */
export async function readPreprocessorConfig(path: string): Promise<Preprocessing> {
  const text = Buffer.from(await readFileBounded(path, 1 << 20)).toString('utf8')
  let config: unknown
  try {
    config = JSON.parse(text)
  } catch (cause) {
    throw new AscribeError('FILE_CORRUPT', `${path} is not JSON: ${(cause as Error).message}`, { cause })
  }
  return parsePreprocessorConfig(config)
}

/**
 * The preprocessing that the contents of a `preprocessor_config.json` describe. Older files leave out what their
 * class assumed; that is filled in for the classes whose defaults are known (ViT, DeiT, CLIP, BiT, ConvNeXT).
 *
 * @throws AscribeError `PREPROCESSING_REQUIRED` where the file does not say enough or asks for a step that is not
 *   supported; `OPTION_*` for values of the wrong kind.
 */
export function parsePreprocessorConfig(contents: unknown): Preprocessing {
  const config = expectObject('preprocessor_config', contents)
  const kind = config.image_processor_type ?? config.feature_extractor_type ?? ''
  if (typeof kind !== 'string') throw unclear(`names ${describeValue(kind)} as its class, not a text`)
  const className = kind.replace(/(ImageProcessor(Fast)?|FeatureExtractor)$/, '')
  const defaults = Object.hasOwn(classDefaults, className) ? classDefaults[className] : undefined
  const unknown = Object.keys(config).filter(
    key => key.startsWith('do_') && config[key] === true && !knownSteps.includes(key),
  )
  if (unknown.length > 0) throw unclear(`asks for ${unknown.join(', ')}, which is not supported`)

  const normalizes = readFlag(config, 'do_normalize', true)
  const resized = className === 'ConvNext' ? readConvNext(config) : readSizes(config, defaults)
  return validatePreprocessing({
    name: kind === '' ? 'preprocessor_config' : kind,
    ...resized,
    resizeRounding: 'down',
    cropRounding: 'down',
    scale: readFlag(config, 'do_rescale', true)
      ? expectNumber('rescale_factor', config.rescale_factor ?? 1 / 255)
      : 1,
    mean: normalizes ? readStatistics(config, 'image_mean') : [0, 0, 0],
    std: normalizes ? readStatistics(config, 'image_std') : [1, 1, 1],
    channelOrder: readFlag(config, 'do_flip_channel_order', false) ? 'BGR' : 'RGB',
    layout: 'NCHW',
    followsModel: false,
  })
}

function unclear(what: string): AscribeError {
  return new AscribeError('PREPROCESSING_REQUIRED', `preprocessor_config ${what}`, {
    hint: 'Describe the preprocessing yourself: { resize, filter, crop, scale, mean, std, channelOrder }.',
  })
}

function readFlag(config: Config, key: string, fallback: boolean | undefined): boolean {
  const value = config[key] ?? fallback
  if (value === undefined) throw unclear(`does not say ${key}`)
  if (typeof value !== 'boolean') throw unclear(`has ${key} = ${describeValue(value)}, not true or false`)
  return value
}

function readStatistics(config: Config, key: string): number[] {
  const value = config[key]
  if (typeof value === 'number') return [value, value, value]
  if (!Array.isArray(value)) throw unclear(`normalises but does not say ${key}`)
  return value.map((number, index) => expectNumber(`${key}[${index}]`, number))
}

function readFilter(config: Config, fallback: number | undefined): ResampleFilter {
  const value = config.resample ?? fallback
  if (value === undefined) throw unclear('resizes but does not say resample')
  const filter = typeof value === 'number' ? filtersByNumber[value] : undefined
  if (filter === undefined)
    throw unclear(`has resample = ${describeValue(value)}, not one of Pillow's filters 0 to 5`)
  return filter
}

type Resized = Pick<Preprocessing, 'resize' | 'filter' | 'crop'>

function readSizes(config: Config, defaults: ClassDefaults | undefined): Resized {
  const crops = readFlag(
    config,
    'do_center_crop',
    defaults?.centreCrop ?? (config.crop_size === undefined ? false : undefined),
  )
  const crop = crops ? readCrop(config) : 'none'
  if (!readFlag(config, 'do_resize', true)) return { resize: 'none', filter: 'bilinear', crop }
  return { resize: readResize(config.size, defaults), filter: readFilter(config, defaults?.resample), crop }
}

function readCrop(config: Config): Size {
  const value = config.crop_size
  if (typeof value === 'number') return { width: value, height: value }
  const size = fullSize(value)
  if (size === undefined) throw unclear(`crops, but crop_size is ${describeValue(value)}`)
  return size
}

function fullSize(value: unknown): Size | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { width, height } = value as Partial<Size>
  return typeof width === 'number' && typeof height === 'number' ? { width, height } : undefined
}

function readResize(value: unknown, defaults: ClassDefaults | undefined): Preprocessing['resize'] {
  if (typeof value === 'number') {
    if (defaults === undefined)
      throw unclear(`has size = ${value} and no class that says whether that is a square or the shorter side`)
    return defaults.bareSize === 'square' ? { width: value, height: value } : { shortestEdge: value }
  }
  const size = fullSize(value)
  if (size !== undefined) return size
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : []
  if (keys.length === 1 && keys[0] === 'shortest_edge')
    return { shortestEdge: (value as Record<string, number>).shortest_edge! }
  throw unclear(`resizes, but size is ${JSON.stringify(value)?.slice(0, 100)}`)
}

/**
 * ConvNeXT has its own convention: below 384 the shorter side becomes size / crop_pct and the middle is cropped,
 * from 384 on the picture is squeezed into the square.
 */
function readConvNext(config: Config): Resized {
  if (!readFlag(config, 'do_resize', true)) return { resize: 'none', filter: 'bilinear', crop: 'none' }
  const resize = readResize(config.size, classDefaults.ConvNext)
  if (typeof resize === 'string' || !('shortestEdge' in resize))
    throw unclear('has a size that is not a shortest edge')
  const edge = resize.shortestEdge
  const square = { width: edge, height: edge }
  const filter = readFilter(config, 2)
  if (edge >= 384) return { resize: square, filter, crop: 'none' }
  const share = expectNumber('crop_pct', config.crop_pct ?? 224 / 256, 0.01, 1)
  return { resize: { shortestEdge: Math.floor(edge / share) }, filter, crop: square }
}
