import type { Value } from '../../graph/builder.js'
import type { Config } from './config.js'
import type { CheckpointValue } from './family.js'
import type { Network } from './network.js'

/** How a picture is cut into patches. */
export interface PatchSizes {
  readonly channels: number
  readonly height: number
  readonly width: number
  readonly patch: readonly [number, number]
  /** Patches of a picture. */
  readonly count: number
}

/** A side, or height and width. */
function pair(config: Config, key: string, fallback: number): [number, number] {
  const isSide = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0
  if (!Array.isArray(config.raw(key))) {
    const side = config.integer(key, fallback, 1, 1 << 16)
    return [side, side]
  }
  const [height, width] = config.list(key, 2, 'a positive integer', isSide)!
  return [height!, width!]
}

export function patchSizes(config: Config, usualPatch = 16): PatchSizes {
  const [height, width] = pair(config, 'image_size', 224)
  const patch = pair(config, 'patch_size', usualPatch)
  if (height < patch[0] || width < patch[1])
    throw config.invalid('patch_size', 'patches no larger than the picture')
  const count = Math.floor(height / patch[0]) * Math.floor(width / patch[1])
  return { channels: config.integer('num_channels', 3), height, width, patch, count }
}

export const pixelValues = ({ channels, height, width }: PatchSizes, batch: string): CheckpointValue => ({
  name: 'pixel_values',
  dtype: 'f32',
  shape: [batch, channels, height, width],
})

/** Pictures [B, C, H, W] -> patches [B, count, features]. */
export function patches(
  net: Network,
  pixels: Value,
  name: string,
  { channels, patch }: PatchSizes,
  features: number,
  bias: boolean,
): Value {
  const weight = net.weight(`${name}.weight`, [features, channels, ...patch])
  const shift = bias ? net.weight(`${name}.bias`, [features]) : undefined
  const cut = net.apply('conv', [pixels, weight, shift], { strides: [...patch] }, net.prefix + name)
  const flat = net.apply('reshape', [cut, net.integers(0, features, -1)])
  return net.apply('transpose', [flat], { permutation: [0, 2, 1] })
}

/** One row [1, 1, features] for each picture of a batch. */
export function forEach(net: Network, row: Value, like: Value, features: number): Value {
  const shape = net.apply('concat', [net.dimension(like, 0), net.integers(1, features)], { axis: 0 })
  return net.apply('expand', [row, shape])
}
