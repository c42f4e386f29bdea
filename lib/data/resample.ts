import { createYielder } from './eventLoop.js'
import { Image } from './image.js'

/** The interpolation filters, named as everywhere; all but `nearest` are antialiased when they shrink. */
export const resampleFilters = ['nearest', 'box', 'bilinear', 'hamming', 'bicubic', 'lanczos'] as const

/** The name of an interpolation filter. */
export type ResampleFilter = (typeof resampleFilters)[number]

/** The part of the resized picture that is wanted: only this part is computed. */
export interface ResizeWindow {
  left: number
  top: number
  width: number
  height: number
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x)
}

/** Each filter: half its width in source pixels at scale 1, and its value at a distance inside that width. */
const kernels: Record<
  Exclude<ResampleFilter, 'nearest'>,
  { support: number; weight: (x: number) => number }
> = {
  box: { support: 0.5, weight: x => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: x => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    weight: x => (Math.abs(x) < 1 ? sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x)) : 0),
  },
  bicubic: { support: 2, weight: x => cubic(Math.abs(x)) },
  lanczos: { support: 3, weight: x => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
}

/** Keys's cubic convolution with a = -1/2. */
function cubic(x: number): number {
  const a = -0.5
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a
  return 0
}

/** For each wanted output position: the first source position and the weights from there on. */
interface Taps {
  first: Int32Array
  count: Int32Array
  /** Fixed point with 22 fractional bits, `stride` numbers for each output position. */
  weights: Float64Array
  stride: number
}

const fixedPointOne = 1 << 22

/**
 * Fixed-point weights as Pillow has them (22 fractional bits for 8-bit samples, rounded half away from zero), since
 * that is the arithmetic with which the models' training pictures were resized.
 */
function computeTaps(
  filter: ResampleFilter,
  source: number,
  target: number,
  from: number,
  length: number,
): Taps {
  const scale = source / target
  const first = new Int32Array(length)
  const count = new Int32Array(length)
  if (filter === 'nearest') {
    // Pillow adds up the positions, and its rounding decides where a position falls on the edge of two pixels.
    let position = scale * 0.5
    for (let index = 0; index < from + length; index++, position += scale) {
      if (index < from) continue
      first[index - from] = Math.min(source - 1, Math.floor(position))
      count[index - from] = 1
    }
    return { first, count, weights: new Float64Array(length).fill(fixedPointOne), stride: 1 }
  }
  const { support, weight } = kernels[filter]
  const stretch = Math.max(scale, 1)
  const reach = support * stretch
  const stride = Math.ceil(reach) * 2 + 1
  const weights = new Float64Array(length * stride)
  for (let index = 0; index < length; index++) {
    const centre = (from + index + 0.5) * scale
    const start = Math.max(0, Math.trunc(centre - reach + 0.5))
    const end = Math.min(source, Math.trunc(centre + reach + 0.5))
    let sum = 0
    for (let position = start; position < end; position++) {
      const value = weight((position - centre + 0.5) / stretch)
      weights[index * stride + position - start] = value
      sum += value
    }
    for (let tap = 0; tap < end - start; tap++) {
      const exact = (weights[index * stride + tap]! / sum) * fixedPointOne
      weights[index * stride + tap] = exact < 0 ? Math.ceil(exact - 0.5) : Math.floor(exact + 0.5)
    }
    first[index] = start
    count[index] = end - start
  }
  return { first, count, weights, stride }
}

/**
 * Resizes a picture: separable, across and then down, with 8-bit samples in between. The numbers are those of
 * Pillow's `Image.resize` (and so of torchvision and transformers on PIL pictures), to the bit. Runs in slices, so
 * the event loop stays free.
 *
 * @param window The part of the result that is wanted, default all of it.
 */
export async function resample(
  image: Image,
  width: number,
  height: number,
  filter: ResampleFilter,
  window: ResizeWindow = { left: 0, top: 0, width, height },
): Promise<Image> {
  const columns = computeTaps(filter, image.width, width, window.left, window.width)
  const rows = computeTaps(filter, image.height, height, window.top, window.height)
  const isHeightKept = height === image.height && filter !== 'nearest'
  const isWidthKept = width === image.width && filter !== 'nearest'
  const last = window.height - 1
  const firstRow = isHeightKept ? window.top : rows.first[0]!
  const usedRows = isHeightKept ? window.height : rows.first[last]! + rows.count[last]! - firstRow
  const giveWay = createYielder()

  const across = new Uint8Array(usedRows * window.width * 3)
  for (let row = 0; row < usedRows; row++) {
    const source = (firstRow + row) * image.width * 3
    const target = row * window.width * 3
    if (isWidthKept) {
      const start = source + window.left * 3
      across.set(image.data.subarray(start, start + window.width * 3), target)
      continue
    }
    for (let column = 0; column < window.width; column++) {
      const at = column * columns.stride
      sumTaps(
        image.data,
        source + columns.first[column]! * 3,
        3,
        columns,
        at,
        columns.count[column]!,
        across,
        target + column * 3,
      )
    }
    await giveWay()
  }

  if (isHeightKept)
    return Image.fromPixels({ width: window.width, height: window.height, channels: 3, data: across })
  const stride = window.width * 3
  const down = new Uint8Array(window.height * stride)
  for (let row = 0; row < window.height; row++) {
    const source = (rows.first[row]! - firstRow) * stride
    for (let column = 0; column < window.width; column++)
      sumTaps(
        across,
        source + column * 3,
        stride,
        rows,
        row * rows.stride,
        rows.count[row]!,
        down,
        row * stride + column * 3,
      )
    await giveWay()
  }
  return Image.fromPixels({ width: window.width, height: window.height, channels: 3, data: down })
}

/** One output pixel: three weighted sums, rounded and clipped to a byte. */
function sumTaps(
  source: Uint8Array,
  start: number,
  step: number,
  taps: Taps,
  tap: number,
  count: number,
  target: Uint8Array,
  at: number,
): void {
  let red = fixedPointOne / 2
  let green = red
  let blue = red
  for (let index = 0, position = start; index < count; index++, position += step) {
    const weight = taps.weights[tap + index]!
    red += source[position]! * weight
    green += source[position + 1]! * weight
    blue += source[position + 2]! * weight
  }
  target[at] = clip(red)
  target[at + 1] = clip(green)
  target[at + 2] = clip(blue)
}

function clip(sum: number): number {
  const value = Math.floor(sum / fixedPointOne)
  return Math.min(Math.max(value, 0), 255)
}
