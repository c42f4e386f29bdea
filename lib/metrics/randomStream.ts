import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import type { NativeTensor } from '#typings/addon.js'

/** Random numbers of one draw of one sample. */
export interface RandomStream {
  /** From 0 to 1. */
  uniform(): number
  /** Of the standard normal distribution. */
  normal(): number
  /** From 0 to `count` - 1. */
  below(count: number): number
}

/** 32 bits of a text: FNV-1a, then the finaliser of MurmurHash3, so that neighbouring keys give unlike seeds. */
export function streamKey(text: string): number {
  let state = 0x811c9dc5
  for (let at = 0; at < text.length; at++) state = Math.imul(state ^ text.charCodeAt(at), 0x01000193)
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
  return (state ^ (state >>> 16)) >>> 0
}

/** The key of one draw of a sample; see {@link randomStream}. */
export const drawKey = (seed: number, id: string | undefined, draw: number | string): number =>
  streamKey(`${seed}/${draw}/${id ?? ''}`)

/** Keys of several draws, as the native side takes them. */
export const drawKeys = (
  seed: number,
  id: string | undefined,
  first: number,
  count: number,
): NativeTensor => ({
  dtype: 'i32',
  shape: [count],
  data: Int32Array.from({ length: count }, (_, at) => drawKey(seed, id, first + at)),
})

/**
 * A stream keyed by the seed, the sample's own name and the draw: what a sample draws depends on neither its place in
 * the data nor its batch mates.
 */
export function randomStream(seed: number, id: string | undefined, draw: number | string): RandomStream {
  const generator = xoroshiro128plus(drawKey(seed, id, draw))
  return {
    uniform: () => uniformFloat64(generator),
    normal: () => {
      const radius = Math.sqrt(-2 * Math.log(1 - uniformFloat64(generator)))
      return radius * Math.cos(2 * Math.PI * uniformFloat64(generator))
    },
    below: count => uniformInt(generator, 0, count - 1),
  }
}

/**
 * Draws `size` of `count` places, each subset equally likely, again and again. What is given holds until the next draw.
 */
export function subsetsOf(count: number, size: number): (stream: RandomStream) => Uint32Array {
  // Few places are drawn until they differ; of many, those that stay out are drawn.
  const isFew = 2 * size <= count
  const isDrawn = new Uint8Array(count)
  const drawn = new Uint32Array(isFew ? size : count - size)
  const rest = new Uint32Array(isFew ? 0 : size)
  return stream => {
    for (let found = 0; found < drawn.length; ) {
      const place = stream.below(count)
      if (isDrawn[place] === 1) continue
      isDrawn[place] = 1
      drawn[found++] = place
    }
    let left = 0
    if (!isFew) for (let place = 0; place < count; place++) if (isDrawn[place] === 0) rest[left++] = place
    for (let at = 0; at < drawn.length; at++) isDrawn[drawn[at]!] = 0
    return isFew ? drawn : rest
  }
}

/** Some of `count` places, each by itself with a probability. */
export function drawEach(stream: RandomStream, count: number, probability: number): number[] {
  const drawn: number[] = []
  for (let place = 0; place < count; place++) if (stream.uniform() < probability) drawn.push(place)
  return drawn
}
