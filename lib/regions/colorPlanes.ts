import type { Image } from '../data/image.js'
import type { ColorPlanes } from './localClusters.js'

/** In which numbers colours are compared: as they are stored, or CIELAB, where equal distances look equal. */
export type RegionColors = 'rgb' | 'lab'

/** The colours of an 8-bit picture as clusters compare them. */
export function colorPlanes(picture: Image, space: RegionColors): ColorPlanes {
  const { width, height, data } = picture
  const colors = Float32Array.from(data)
  if (space === 'lab') {
    const linear = Float64Array.from({ length: 256 }, (_, value) => linearLight(value / 255))
    for (let at = 0; at < colors.length; at += 3)
      toLab(linear[data[at]!]!, linear[data[at + 1]!]!, linear[data[at + 2]!]!, colors, at)
  }
  return { width, height, colors }
}

/** IEC 61966-2-1. */
const linearLight = (value: number): number =>
  value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4

/** CIE 15: XYZ under D65, then L*, a*, b*. */
function toLab(red: number, green: number, blue: number, into: Float32Array, at: number): void {
  const x = compress((0.412453 * red + 0.35758 * green + 0.180423 * blue) / 0.95047)
  const y = compress(0.212671 * red + 0.71516 * green + 0.072169 * blue)
  const z = compress((0.019334 * red + 0.119193 * green + 0.950227 * blue) / 1.08883)
  into[at] = 116 * y - 16
  into[at + 1] = 500 * (x - y)
  into[at + 2] = 200 * (y - z)
}

const compress = (value: number): number => (value > 0.008856 ? Math.cbrt(value) : 7.787 * value + 16 / 116)
