import { AscribeError } from '../errors.js'
import { createYielder } from './eventLoop.js'
import type { Image } from './image.js'
import type { Placement } from './placement.js'
import type { Preprocessing, Size } from './preprocessing.js'
import { resample } from './resample.js'
import { createTensor, type Tensor } from './tensor.js'

/** A picture as a model sees it. */
export interface PreprocessedImage {
  /** Shape [1, channels, height, width] or [1, height, width, channels], by the preprocessing's layout. */
  tensor: Tensor<'f32'>
  /** Which part of the picture the tensor's pixels cover. */
  placement: Placement
}

/** Bounds the result of a preprocessing with hostile or mistaken sizes: about 400 MB of pixels. */
const maximumPixels = 100_000_000

/**
 * Turns a picture into a model's input. The same picture gives the same bits everywhere: the resize is integer
 * arithmetic, the rest one rounding to float from double.
 *
 * @throws AscribeError `OPTION_RANGE` where the result would have more than 100 million pixels.
 */
export async function preprocess(image: Image, preprocessing: Preprocessing): Promise<PreprocessedImage> {
  const resized = resizedSize(image, preprocessing)
  const { width, height } = preprocessing.crop === 'none' ? resized : preprocessing.crop
  const left = cropOffset(resized.width, width, preprocessing.cropRounding)
  const top = cropOffset(resized.height, height, preprocessing.cropRounding)
  if (width * height > maximumPixels || resized.width * resized.height > 16 * maximumPixels)
    throw new AscribeError(
      'OPTION_RANGE',
      `the preprocessing would make ${width} x ${height} pixels out of ${resized.width} x ${resized.height}`,
    )

  // Only what the crop keeps is computed; where the crop is larger than the picture, the rest stays black.
  const window = {
    left: Math.max(left, 0),
    top: Math.max(top, 0),
    width: Math.min(left + width, resized.width) - Math.max(left, 0),
    height: Math.min(top + height, resized.height) - Math.max(top, 0),
  }
  const filter = preprocessing.resize === 'none' ? 'nearest' : preprocessing.filter
  const pixels = await resample(image, resized.width, resized.height, filter, window)
  const data = await normalize(
    pixels,
    { width, height, left: window.left - left, top: window.top - top },
    preprocessing,
  )

  const channels = preprocessing.channelOrder === 'L' ? 1 : 3
  const shape = preprocessing.layout === 'NCHW' ? [1, channels, height, width] : [1, height, width, channels]
  const across = image.width / resized.width
  const down = image.height / resized.height
  return {
    tensor: createTensor('f32', shape, data),
    placement: {
      sourceWidth: image.width,
      sourceHeight: image.height,
      left: left * across,
      top: top * down,
      width: width * across,
      height: height * down,
    },
  }
}

function resizedSize(image: Image, { resize, resizeRounding }: Preprocessing): Size {
  if (resize === 'none') return image
  if ('width' in resize) return resize
  const { shortestEdge } = resize
  const { width, height } = image
  const longest = (shortestEdge * Math.max(width, height)) / Math.min(width, height)
  const rounded = resizeRounding === 'down' ? Math.floor(longest) : Math.round(longest)
  return width <= height ? { width: shortestEdge, height: rounded } : { width: rounded, height: shortestEdge }
}

function cropOffset(available: number, wanted: number, rounding: Preprocessing['cropRounding']): number {
  const half = (available - wanted) / 2
  if (rounding === 'down') return Math.floor(half)
  // torchvision pads first, by the half rounded down, and otherwise rounds halves to the even number.
  if (half < 0) return -Math.floor(-half)
  const floor = Math.floor(half)
  return half - floor === 0.5 ? floor + (floor % 2) : Math.round(half)
}

/** The canvas of the result, and where the picture's pixels begin on it. */
interface Canvas {
  width: number
  height: number
  left: number
  top: number
}

async function normalize(pixels: Image, canvas: Canvas, preprocessing: Preprocessing): Promise<Float32Array> {
  const { channelOrder, layout, mean, std, scale } = preprocessing
  const channels = channelOrder === 'L' ? 1 : 3
  const area = canvas.width * canvas.height
  const result = new Float32Array(area * channels)
  const giveWay = createYielder()
  for (let channel = 0; channel < channels; channel++) {
    const table = Float32Array.from(
      { length: 256 },
      (_, value) => (value * scale - mean[channel]!) / std[channel]!,
    )
    const source = channelOrder === 'BGR' ? 2 - channel : channel
    const step = layout === 'NCHW' ? 1 : channels
    const start = layout === 'NCHW' ? channel * area : channel
    if (table[0] !== 0) for (let index = 0; index < area; index++) result[start + index * step] = table[0]!
    for (let row = 0; row < pixels.height; row++) {
      const target = start + ((row + canvas.top) * canvas.width + canvas.left) * step
      for (let column = 0, at = row * pixels.width * 3; column < pixels.width; column++, at += 3) {
        const value = channelOrder === 'L' ? luma(pixels.data, at) : pixels.data[at + source]!
        result[target + column * step] = table[value]!
      }
      await giveWay()
    }
  }
  return result
}

/** ITU-R 601 luma in Pillow's 16-bit fixed point. */
function luma(data: Uint8Array, at: number): number {
  return (data[at]! * 19595 + data[at + 1]! * 38470 + data[at + 2]! * 7471 + 0x8000) >> 16
}
