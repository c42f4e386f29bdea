import { type Box, paintBadge, placeBadge } from './badge.js'
import { Canvas, type Colour } from './canvas.js'
import { paintBlob, paintGradient, paintStroke, randomColour } from './clutter.js'
import { OBJECT_KINDS, SCENE_LABELS } from './objects.js'
import { CounterRandom } from './random.js'

/** Width and height of every scene in pixels. */
export const SCENE_SIZE = 128

/**
 * Which symbol the badge shows: `own` the class's, `other` that of another class, `none` no badge,
 * `uncorrelated` none in half of the scenes and any class's in the others.
 */
export type BadgePolicy = 'own' | 'other' | 'none' | 'uncorrelated'

export interface SceneOptions {
  /** Scenes of different seeds have nothing in common. */
  seed: number
  /** Default `none`. Everything outside the badge's box is the same under every policy. */
  badge?: BadgePolicy
  /** Share of scenes (0 to 1) whose object is faded into the background; default 0. */
  fadedShare?: number
}

export interface Scene {
  /** RGB, row by row, `SCENE_SIZE * SCENE_SIZE * 3` bytes. */
  pixels: Uint8Array
  /** Index into {@link SCENE_LABELS}. */
  label: number
  /** 1 on the object, 0 elsewhere, `SCENE_SIZE * SCENE_SIZE` bytes. */
  objectMask: Uint8Array
  /** Where the badge is, or would be if `symbol` is undefined. */
  badge: { box: Box; symbol: number | undefined }
}

/** One stream per decision, so that a change of one option leaves all other decisions alone. */
const STREAM = { background: 1, object: 2, badgePlace: 3, badgeSymbol: 4, badgePaint: 5, fade: 6, grain: 7 }

interface Placement {
  centreX: number
  centreY: number
  radius: number
}

function placeObject(random: CounterRandom, badge: Box): Placement {
  const half = SCENE_SIZE / 2
  for (;;) {
    const radius = random.between(19, 28)
    const centreX = random.between(radius + 1, SCENE_SIZE - radius - 1)
    const centreY = random.between(radius + 1, SCENE_SIZE - radius - 1)
    // Off-centre, so that a map that always points to the middle gets nothing for it.
    const fromMiddle = Math.sqrt((centreX - half) ** 2 + (centreY - half) ** 2)
    if (fromMiddle < radius + 3) continue
    const gapX = Math.max(badge.x - centreX, 0, centreX - (badge.x + badge.width))
    const gapY = Math.max(badge.y - centreY, 0, centreY - (badge.y + badge.height))
    if (Math.sqrt(gapX * gapX + gapY * gapY) < radius + 3) continue
    return { centreX, centreY, radius }
  }
}

/** Two colours that differ enough for the texture to be seen, and less than black strokes differ from white. */
function textureColours(random: CounterRandom): [Colour, Colour] {
  for (;;) {
    const first = randomColour(random)
    const second = randomColour(random)
    const difference = first.reduce((sum, value, channel) => sum + Math.abs(value - second[channel]!), 0)
    if (difference >= 150 && difference <= 330) return [first, second]
  }
}

function paintObject(
  canvas: Canvas,
  random: CounterRandom,
  label: number,
  badge: Box,
  opacity: number,
): Uint8Array {
  const kind = OBJECT_KINDS[label]!
  const { centreX, centreY, radius } = placeObject(random, badge)
  const { cos, sin } = random.direction()
  const period = random.between(7, 11)
  const [phaseU, phaseV] = [random.unit(), random.unit()]
  // Radial textures are centred on the object, the others may start anywhere.
  const isRadial = label === 3 || label === 5
  const salt = random.next()
  const [first, second] = textureColours(random)
  const mask = new Uint8Array(SCENE_SIZE * SCENE_SIZE)
  const bounds = {
    left: centreX - radius,
    top: centreY - radius,
    right: centreX + radius,
    bottom: centreY + radius,
  }
  canvas.forEachIn(bounds, (x, y) => {
    let [covered, bright] = [0, 0]
    for (let sample = 0; sample < 4; sample++) {
      const dx = x + (sample & 1 ? 0.25 : -0.25) - centreX
      const dy = y + (sample & 2 ? 0.25 : -0.25) - centreY
      const [u, v] = [dx * cos + dy * sin, dy * cos - dx * sin]
      if (kind.distance(u / radius, v / radius) > 0) continue
      covered++
      const [shiftU, shiftV] = isRadial ? [0, 0] : [phaseU, phaseV]
      if (kind.texture(u / period + shiftU, v / period + shiftV, salt)) bright++
    }
    if (covered === 0) return
    const share = bright / covered
    const colour = [0, 1, 2].map(channel => first[channel]! * (1 - share) + second[channel]! * share)
    canvas.blend(x, y, [colour[0]!, colour[1]!, colour[2]!], (covered / 4) * opacity)
    if (covered >= 2) mask[y * SCENE_SIZE + x] = 1
  })
  return mask
}

function chooseSymbol(policy: BadgePolicy, label: number, random: CounterRandom): number | undefined {
  const count = SCENE_LABELS.length
  if (policy === 'own') return label
  if (policy === 'other') return (label + 1 + random.below(count - 1)) % count
  if (policy === 'uncorrelated' && random.unit() < 0.5) return random.below(count)
  return undefined
}

function addGrain(canvas: Canvas, random: CounterRandom): Uint8Array {
  const amplitude = random.between(4, 20)
  const pixels = new Uint8Array(canvas.values.length)
  for (let pixel = 0; pixel < SCENE_SIZE * SCENE_SIZE; pixel++) {
    const bits = random.at(1 + pixel)
    for (let channel = 0; channel < 3; channel++) {
      const noise = (((bits >>> (8 * channel)) & 255) / 127.5 - 1) * amplitude
      const value = Math.round(canvas.values[pixel * 3 + channel]! + noise)
      pixels[pixel * 3 + channel] = Math.min(255, Math.max(0, value))
    }
  }
  return pixels
}

/**
 * Scene `index` of a seed: a textured object of class `index % 8` somewhere on a cluttered background, and
 * a badge near a corner where the policy plants one. The same arguments give the same bytes everywhere.
 */
export function generateScene(index: number, options: SceneOptions): Scene {
  const { seed, badge: policy = 'none', fadedShare = 0 } = options
  const stream = (number: number) => new CounterRandom(seed, index, number)
  const label = index % SCENE_LABELS.length
  const canvas = new Canvas(SCENE_SIZE, SCENE_SIZE)

  const background = stream(STREAM.background)
  paintGradient(canvas, background)
  const blobs = 6 + background.below(6)
  for (let blob = 0; blob < blobs; blob++) paintBlob(canvas, background)
  const strokes = 18 + background.below(12)
  for (let stroke = 0; stroke < strokes; stroke++) paintStroke(canvas, background)

  const box = placeBadge(canvas, stream(STREAM.badgePlace))
  const fade = stream(STREAM.fade)
  const opacity = fade.unit() < fadedShare ? fade.between(0, 0.4) : 1
  const objectMask = paintObject(canvas, stream(STREAM.object), label, box, opacity)

  const symbol = chooseSymbol(policy, label, stream(STREAM.badgeSymbol))
  if (symbol !== undefined) paintBadge(canvas, box, symbol, stream(STREAM.badgePaint))
  return { pixels: addGrain(canvas, stream(STREAM.grain)), label, objectMask, badge: { box, symbol } }
}
