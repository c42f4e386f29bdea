import type { Tensor } from '../../data/tensor.js'
import { arrayConstructors } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { blackBaseline } from '../../regions/seenPicture.js'
import type { RegionInput } from './regionInput.js'

/** What a removed region shows. */
export const absences = ['auto', 'black', 'grey', 'zero', 'mean', 'blur'] as const
export type Absence = (typeof absences)[number]

/** The option of methods that remove regions. */
export const absenceOption = {
  absence: {
    kind: 'choice',
    choices: absences,
    default: 'auto',
    description:
      'What a removed region shows, where no baseline is given: black, grey (0.5), zero (in model space), the mean of each channel, or the input blurred (box of 21). auto: black in pictures, zero in tensors.',
  },
} as const

const blurReach = 10

/** @throws AscribeError `OPTION_RANGE` where a tensor is no picture and cannot be black, grey or blurred. */
export function absenceBaseline(kind: Absence, { prepared, input, item }: RegionInput): number | Tensor {
  if (kind === 'auto') return item.baseline
  if (kind === 'zero') return 0
  const tensor = prepared.tensors[input]!
  const units = prepared.units[input]
  const { preprocessing } = prepared
  if (kind === 'black' || kind === 'grey') {
    if (preprocessing === undefined || prepared.pictureInput !== input)
      throw new AscribeError(
        'OPTION_RANGE',
        `What ${kind} is in "${input}" is not known: it came as a tensor`,
        {
          hint: 'Give a picture, or a baseline.',
        },
      )
    const black = blackBaseline(preprocessing)
    if (kind === 'black') return black
    const half = 127.5 * preprocessing.scale
    return { ...black, data: black.data.map((value, channel) => value + half / preprocessing.std[channel]!) }
  }
  if (units?.kind !== 'grid') {
    if (kind === 'blur')
      throw new AscribeError('OPTION_RANGE', `"${input}" is no picture and cannot be blurred`)
    return meanOf(tensor.data as ArrayLike<number>)
  }
  const isLast = units.layout === 'NHWC'
  const { channels, height, width } = units
  const at = (channel: number, place: number) =>
    isLast ? place * channels + channel : channel * height * width + place
  if (kind === 'mean') {
    const data = Float32Array.from({ length: channels }, (_, channel) => {
      let sum = 0
      for (let place = 0; place < height * width; place++) sum += tensor.data[at(channel, place)] as number
      return sum / (height * width)
    })
    return { dtype: 'f32', shape: isLast ? [1, 1, 1, channels] : [1, channels, 1, 1], data }
  }
  const data = new arrayConstructors[tensor.dtype as 'f32'](tensor.data.length)
  for (let channel = 0; channel < channels; channel++) {
    const plane = Float64Array.from(
      { length: height * width },
      (_, place) => tensor.data[at(channel, place)] as number,
    )
    const blurred = boxBlur(boxBlur(plane, height, width, true), height, width, false)
    for (let place = 0; place < blurred.length; place++) data[at(channel, place)] = blurred[place]!
  }
  return { ...tensor, data } as Tensor
}

function meanOf(values: ArrayLike<number>): number {
  let sum = 0
  for (let at = 0; at < values.length; at++) sum += values[at]!
  return sum / values.length
}

/** Mean over a window along one axis, cut off at the edges. */
function boxBlur(plane: Float64Array, height: number, width: number, isAcross: boolean): Float64Array {
  const [lines, length] = isAcross ? [height, width] : [width, height]
  const at = (line: number, index: number) => (isAcross ? line * width + index : index * width + line)
  const result = new Float64Array(plane.length)
  for (let line = 0; line < lines; line++)
    for (let index = 0; index < length; index++) {
      const first = Math.max(0, index - blurReach)
      const last = Math.min(length - 1, index + blurReach)
      let sum = 0
      for (let other = first; other <= last; other++) sum += plane[at(line, other)]!
      result[at(line, index)] = sum / (last - first + 1)
    }
  return result
}
