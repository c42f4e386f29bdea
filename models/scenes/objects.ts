import { mix32 } from './random.js'

/** The classes, in the order of the models' logits. */
export const SCENE_LABELS = [
  'striped disc',
  'chequered square',
  'dotted triangle',
  'spoked ring',
  'zigzag cross',
  'banded star',
  'gridded crescent',
  'speckled hexagon',
] as const

/** What one class looks like, in the object's own rotated coordinates. */
export interface ObjectKind {
  /** Signed distance to the outline, negative inside, for an object whose circumscribed circle has radius 1. */
  distance(u: number, v: number): number
  /** Which of the two colours the texture has at (u, v), with a period of 1 and `salt` differing per scene. */
  texture(u: number, v: number, salt: number): boolean
}

const fraction = (value: number) => value - Math.floor(value)
const isOdd = (value: number) => (value & 1) === 1
const length = (u: number, v: number) => Math.sqrt(u * u + v * v)
const box = (u: number, v: number, halfWidth: number, halfHeight: number) =>
  Math.max(Math.abs(u) - halfWidth, Math.abs(v) - halfHeight)

const HALF_SQRT_3 = 0.8660254037844386
/** Normals of a regular pentagon's sides, as literals so that no sine is evaluated. */
const PENTAGON = [
  [0, 1],
  [0.9510565162951535, 0.3090169943749474],
  [0.5877852522924731, -0.8090169943749475],
  [-0.5877852522924731, -0.8090169943749475],
  [-0.9510565162951535, 0.3090169943749474],
] as const

/** A five-pointed star is what lies behind at least four of the five lines: the second largest distance. */
function starDistance(u: number, v: number): number {
  let largest = Number.NEGATIVE_INFINITY
  let second = Number.NEGATIVE_INFINITY
  for (const [x, y] of PENTAGON) {
    const distance = u * x + v * y
    if (distance > largest) {
      second = largest
      largest = distance
    } else if (distance > second) second = distance
  }
  return second - 0.34
}

/** One kind per label, in the order of {@link SCENE_LABELS}. */
export const OBJECT_KINDS: readonly ObjectKind[] = [
  {
    distance: (u, v) => length(u, v) - 0.92,
    texture: u => fraction(u) < 0.5,
  },
  {
    distance: (u, v) => box(u, v, 0.72, 0.72),
    texture: (u, v) => isOdd(Math.floor(u * 2) + Math.floor(v * 2)),
  },
  {
    distance: (u, v) => Math.max(v, HALF_SQRT_3 * u - 0.5 * v, -HALF_SQRT_3 * u - 0.5 * v) - 0.5,
    texture: (u, v) => length(fraction(u) - 0.5, fraction(v) - 0.5) < 0.32,
  },
  {
    distance: (u, v) => Math.abs(length(u, v) - 0.68) - 0.27,
    texture: (u, v) => Math.abs(u) > Math.abs(v) !== (u > 0 === v > 0),
  },
  {
    distance: (u, v) => Math.min(box(u, v, 0.94, 0.34), box(u, v, 0.34, 0.94)),
    texture: (u, v) => fraction(u + Math.abs(fraction(v) - 0.5)) < 0.5,
  },
  {
    distance: starDistance,
    texture: (u, v) => fraction(length(u, v)) < 0.5,
  },
  {
    distance: (u, v) => Math.max(length(u, v) - 0.95, 0.62 - length(u - 0.55, v)),
    texture: (u, v) => fraction(u) < 0.3 || fraction(v) < 0.3,
  },
  {
    distance: (u, v) =>
      Math.max(Math.abs(v), Math.abs(HALF_SQRT_3 * u + 0.5 * v), Math.abs(HALF_SQRT_3 * u - 0.5 * v)) - 0.8,
    texture: (u, v, salt) =>
      isOdd(mix32(salt + Math.floor(u * 2.5) * 0x1f1f + Math.floor(v * 2.5) * 0x6b43) >>> 7),
  },
]
