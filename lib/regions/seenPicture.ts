import { Image } from '../data/image.js'
import type { Preprocessing } from '../data/preprocessing.js'
import type { Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'

/**
 * The 8-bit picture that a model sees: after resize and crop, before scaling. It is read back from the model's input,
 * which holds a table's value for each of the 256.
 *
 * @param tensor [1, channels, height, width] or [1, height, width, channels], by the preprocessing's layout.
 */
export function seenPicture(tensor: Tensor, preprocessing: Preprocessing): Image {
  const { layout, channelOrder, mean, std, scale } = preprocessing
  if (tensor.dtype !== 'f32' || tensor.shape.length !== 4)
    throw new AscribeError('INPUT_SHAPE', 'A picture as a model sees it is a tensor f32 of four axes')
  const [a, b, c] = tensor.shape.slice(1) as [number, number, number]
  const [channels, height, width] = layout === 'NCHW' ? [a, b, c] : [c, a, b]
  const area = height * width
  const data = new Uint8Array(area * 3)
  for (let channel = 0; channel < 3; ++channel) {
    const from = channels === 1 ? 0 : channelOrder === 'BGR' ? 2 - channel : channel
    for (let at = 0; at < area; ++at) {
      const value = tensor.data[layout === 'NCHW' ? from * area + at : at * channels + from] as number
      data[at * 3 + channel] = Math.min(
        255,
        Math.max(0, Math.round((value * std[from]! + mean[from]!) / scale)),
      )
    }
  }
  return Image.fromPixels({ width, height, channels: 3, data })
}

/** Black as a model with this preprocessing sees it: a value for each channel, which broadcasts to its input. */
export function blackBaseline({ layout, channelOrder, mean, std }: Preprocessing): Tensor<'f32'> {
  const channels = channelOrder === 'L' ? 1 : 3
  const data = Float32Array.from({ length: channels }, (_, channel) => (0 - mean[channel]!) / std[channel]!)
  return {
    dtype: 'f32',
    shape: layout === 'NCHW' ? [1, channels, 1, 1] : [1, 1, 1, channels],
    data,
  }
}
