import type { Reach } from '../graph/localValues.js'
import type { Regions } from '../regions/regions.js'

/** Regions coloured so that no window sees two of one colour. */
export interface RegionColors {
  readonly colors: number
  /** The colour of each region. */
  readonly colorOf: Int32Array
  /** For each colour, place by place: the region of that colour in the place's window, or -1; [colors, places]. */
  readonly seen: Int32Array
}

/** Places of the picture that a place of a value reads, within the picture. */
function windowsOf({ step, first, last, size }: Reach, extent: number): { from: number; to: number }[] {
  return Array.from({ length: size }, (_, at) => ({
    from: Math.max(0, at * step + first),
    to: Math.min(extent - 1, at * step + last),
  }))
}

/**
 * Colours regions so that any two that some window of a value sees together differ. A value then has 2^colors forms at
 * most in every place, whatever set of regions is shown: all sets that are unions of colours hold them all.
 *
 * @returns undefined where it would take more than `limit` colours.
 */
export function colorRegions(
  regions: Regions,
  reach: readonly [Reach, Reach],
  limit: number,
): RegionColors | undefined {
  const [height, width] = regions.shape as [number, number]
  const { count, labels } = regions
  const [down, across] = [windowsOf(reach[0], height), windowsOf(reach[1], width)]
  const together = new Uint8Array(count * count)
  const places = down.length * across.length
  const members: number[][] = new Array(places)
  const stamp = new Int32Array(count).fill(-1)
  let place = 0
  for (const { from: top, to: bottom } of down)
    for (const { from: left, to: right } of across) {
      const own: number[] = []
      for (let y = top; y <= bottom; ++y)
        for (let at = y * width + left; at <= y * width + right; ++at) {
          const region = labels[at]!
          if (stamp[region] === place) continue
          stamp[region] = place
          own.push(region)
        }
      if (own.length > limit) return undefined
      for (const a of own) for (const b of own) together[a * count + b] = 1
      members[place++] = own
    }
  const colorOf = paint(together, count)
  const colors = colorOf.reduce((most, color) => Math.max(most, color + 1), 0)
  if (colors > limit) return undefined
  const seen = new Int32Array(colors * places).fill(-1)
  for (const [at, own] of members.entries())
    for (const region of own) seen[colorOf[region]! * places + at] = region
  return { colors, colorOf, seen }
}

/** Greedy colouring: next is the region whose neighbours have the most colours, of those the one with most neighbours. */
function paint(together: Uint8Array, count: number): Int32Array {
  const colorOf = new Int32Array(count).fill(-1)
  const neighbours = Array.from({ length: count }, (_, a) =>
    Array.from({ length: count }, (_, b) => b).filter(b => b !== a && together[a * count + b] === 1),
  )
  const taken = neighbours.map(() => new Set<number>())
  for (let done = 0; done < count; ++done) {
    let best = -1
    for (let region = 0; region < count; ++region) {
      if (colorOf[region] !== -1) continue
      const isFirst =
        best < 0 ||
        taken[region]!.size > taken[best]!.size ||
        (taken[region]!.size === taken[best]!.size && neighbours[region]!.length > neighbours[best]!.length)
      if (isFirst) best = region
    }
    let color = 0
    while (taken[best]!.has(color)) ++color
    colorOf[best] = color
    for (const neighbour of neighbours[best]!) taken[neighbour]!.add(color)
  }
  return colorOf
}
