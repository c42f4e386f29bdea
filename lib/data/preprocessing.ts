import { AscribeError } from '../errors.js'
import {
  expectInteger,
  expectKnownKeys,
  expectNumber,
  expectObject,
  expectOneOf,
  expectString,
  rangeError,
  typeError,
} from '../validate.js'
import { type PreprocessingPreset, preprocessingPresets } from './preprocessingPresets.js'
import { type ResampleFilter, resampleFilters } from './resample.js'

/** A width and a height in pixels. */
export interface Size {
  readonly width: number
  readonly height: number
}

/**
 * What happens to a picture before a model sees it: resize, centre crop, then (value x scale - mean) / std for each
 * channel. It is part of the model as much as its weights are, so it is never guessed.
 */
export interface Preprocessing {
  /** What it is called in results. Default `custom`. */
  readonly name: string
  /** `none`, to a fixed size, or until the shorter side has a length. */
  readonly resize: 'none' | Size | { readonly shortestEdge: number }
  /** The filter of the resize; antialiased, as in Pillow. */
  readonly filter: ResampleFilter
  /** The size that is cut from the middle; where the picture is smaller, black is added around it. */
  readonly crop: 'none' | Size
  /** How the longer side is made whole: `down` (torchvision, transformers) or `nearest` (TensorFlow). */
  readonly resizeRounding: 'down' | 'nearest'
  /** Which way half a pixel goes in the crop: `down` (transformers, Keras, Caffe) or `even` (torchvision). */
  readonly cropRounding: 'down' | 'even'
  /** What the 8-bit values are multiplied by, for example 1/255. */
  readonly scale: number
  /** Subtracted after scaling; one number for each channel, in the order of `channelOrder`. */
  readonly mean: readonly number[]
  /** Divided by after that; one number for each channel, in the order of `channelOrder`. */
  readonly std: readonly number[]
  /** The model's channels; `L` is one channel of grey (ITU-R 601 luma, as in Pillow). */
  readonly channelOrder: 'RGB' | 'BGR' | 'L'
  /** The order of axes of the model's input. Default `NCHW`. */
  readonly layout: 'NCHW' | 'NHWC'
  /** Whether sizes and layout may follow the model's fixed input (presets: yes; descriptions: no by default). */
  readonly followsModel: boolean
}

/** A preprocessing as users write it: what is optional has a default, the rest must be said. */
export type PreprocessingDescription = Omit<
  Preprocessing,
  'name' | 'filter' | 'resizeRounding' | 'cropRounding' | 'layout' | 'followsModel'
> &
  Partial<
    Pick<Preprocessing, 'name' | 'filter' | 'resizeRounding' | 'cropRounding' | 'layout' | 'followsModel'>
  >

/** What may be given as a model's preprocessing: the name of a preset, or a description. */
export type PreprocessingOption = PreprocessingPreset | PreprocessingDescription

const keys = [
  'name',
  'resize',
  'filter',
  'crop',
  'resizeRounding',
  'cropRounding',
  'scale',
  'mean',
  'std',
  'channelOrder',
  'layout',
  'followsModel',
] as const

const maximumSide = 65_536

/**
 * The full preprocessing behind a preset's name or a description.
 *
 * @throws AscribeError `PREPROCESSING_REQUIRED` where nothing was given, or where a description leaves out what
 *   cannot have a default; `OPTION_*` for wrong values.
 */
export function resolvePreprocessing(option: PreprocessingOption | undefined): Preprocessing {
  if (option === undefined)
    throw new AscribeError('PREPROCESSING_REQUIRED', 'the preprocessing of the pictures is not known', {
      hint: `Give a preset (${Object.keys(preprocessingPresets).join(', ')}), a preprocessor_config.json, or a description.`,
    })
  if (typeof option === 'string') {
    const name = expectOneOf(
      'preprocessing',
      option,
      Object.keys(preprocessingPresets) as PreprocessingPreset[],
    )
    return preprocessingPresets[name]
  }
  return validatePreprocessing(option)
}

/** Checks a description that came from outside, fills in its defaults and returns a plain copy. */
export function validatePreprocessing(option: unknown): Preprocessing {
  const value = expectObject('preprocessing', option)
  expectKnownKeys('preprocessing', value, keys)
  const missing = ['resize', 'crop', 'scale', 'mean', 'std', 'channelOrder'].filter(
    key => value[key] === undefined,
  )
  if (value.resize !== undefined && value.resize !== 'none' && value.filter === undefined)
    missing.push('filter')
  if (missing.length > 0)
    throw new AscribeError('PREPROCESSING_REQUIRED', `the preprocessing does not say ${missing.join(', ')}`, {
      hint: "Write 'none' for steps that do not happen, mean 0 and std 1 where nothing is subtracted or divided.",
    })
  const channelOrder = expectOneOf('preprocessing.channelOrder', value.channelOrder, ['RGB', 'BGR', 'L'])
  const channels = channelOrder === 'L' ? 1 : 3
  if (value.followsModel !== undefined && typeof value.followsModel !== 'boolean')
    throw typeError('preprocessing.followsModel', 'a boolean', value.followsModel)
  return {
    name: expectString('preprocessing.name', value.name ?? 'custom'),
    resize: validateResize(value.resize),
    filter: expectOneOf('preprocessing.filter', value.filter ?? 'bilinear', resampleFilters),
    crop: value.crop === 'none' ? 'none' : validateSize('preprocessing.crop', value.crop),
    resizeRounding: expectOneOf('preprocessing.resizeRounding', value.resizeRounding ?? 'down', [
      'down',
      'nearest',
    ]),
    cropRounding: expectOneOf('preprocessing.cropRounding', value.cropRounding ?? 'down', ['down', 'even']),
    scale: expectNumber('preprocessing.scale', value.scale),
    mean: validateChannels('preprocessing.mean', value.mean, channels),
    std: validateChannels('preprocessing.std', value.std, channels, true),
    channelOrder,
    layout: expectOneOf('preprocessing.layout', value.layout ?? 'NCHW', ['NCHW', 'NHWC']),
    followsModel: value.followsModel ?? false,
  }
}

function validateResize(value: unknown): Preprocessing['resize'] {
  if (value === 'none') return 'none'
  const resize = expectObject('preprocessing.resize', value)
  if (!('shortestEdge' in resize)) return validateSize('preprocessing.resize', resize)
  expectKnownKeys('preprocessing.resize', resize, ['shortestEdge'])
  return {
    shortestEdge: expectInteger('preprocessing.resize.shortestEdge', resize.shortestEdge, 1, maximumSide),
  }
}

function validateSize(name: string, value: unknown): Size {
  const size = expectObject(name, value)
  expectKnownKeys(name, size, ['width', 'height'])
  return {
    width: expectInteger(`${name}.width`, size.width, 1, maximumSide),
    height: expectInteger(`${name}.height`, size.height, 1, maximumSide),
  }
}

function validateChannels(name: string, value: unknown, channels: number, isDivisor = false): number[] {
  if (!Array.isArray(value)) throw typeError(name, `an array of ${channels} numbers`, value)
  if (value.length !== channels) throw rangeError(name, `an array of ${channels} numbers`, value)
  return value.map((number, index) => {
    const checked = expectNumber(`${name}[${index}]`, number)
    if (isDivisor && checked <= 0) throw rangeError(`${name}[${index}]`, 'a number above 0', number)
    return checked
  })
}
