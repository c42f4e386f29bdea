import type { Canvas, Colour } from './canvas.js'
import type { CounterRandom } from './random.js'

export function randomColour(random: CounterRandom): Colour {
  return [random.below(256), random.below(256), random.below(256)]
}

/** A linear gradient between two colours in a random direction. */
export function paintGradient(canvas: Canvas, random: CounterRandom): void {
  const from = randomColour(random)
  const to = randomColour(random)
  const { cos, sin } = random.direction()
  const [halfWidth, halfHeight] = [canvas.width / 2, canvas.height / 2]
  const reach = Math.abs(cos) * halfWidth + Math.abs(sin) * halfHeight
  for (let y = 0; y < canvas.height; y++)
    for (let x = 0; x < canvas.width; x++) {
      const along = 0.5 + ((x - halfWidth) * cos + (y - halfHeight) * sin) / (2 * reach)
      canvas.blend(x, y, from, 1)
      canvas.blend(x, y, to, along)
    }
}

/** A filled or outlined ellipse without texture, which is none of the classes. */
export function paintBlob(canvas: Canvas, random: CounterRandom): void {
  const colour = randomColour(random)
  const opacity = random.between(0.5, 1)
  const [centreX, centreY] = [random.between(0, canvas.width), random.between(0, canvas.height)]
  const [long, short] = [random.between(6, 20), random.between(3, 11)]
  const { cos, sin } = random.direction()
  const isOutline = random.unit() < 0.5
  const thickness = random.between(1, 2.5)
  const bounds = { left: centreX - long, top: centreY - long, right: centreX + long, bottom: centreY + long }
  canvas.forEachIn(bounds, (x, y) => {
    const [dx, dy] = [x - centreX, y - centreY]
    const along = (dx * cos + dy * sin) / long
    const across = (dy * cos - dx * sin) / short
    const distance = (Math.sqrt(along * along + across * across) - 1) * short
    const inside = isOutline ? thickness - Math.abs(distance + thickness) : -distance
    const coverage = Math.min(1, Math.max(0, inside + 0.5))
    if (coverage > 0) canvas.blend(x, y, colour, coverage * opacity)
  })
}

/** A straight stroke: hard, often high-contrast edges, so that an edge detector alone finds clutter. */
export function paintStroke(canvas: Canvas, random: CounterRandom): void {
  const tone = random.unit()
  const colour =
    tone < 0.3 ? ([8, 8, 8] as const) : tone < 0.6 ? ([247, 247, 247] as const) : randomColour(random)
  const [startX, startY] = [random.between(-10, canvas.width + 10), random.between(-10, canvas.height + 10)]
  const { cos, sin } = random.direction()
  const reach = random.between(15, 70)
  const halfWidth = random.between(0.6, 1.8)
  const [endX, endY] = [startX + cos * reach, startY + sin * reach]
  const bounds = {
    left: Math.min(startX, endX) - halfWidth - 1,
    top: Math.min(startY, endY) - halfWidth - 1,
    right: Math.max(startX, endX) + halfWidth + 1,
    bottom: Math.max(startY, endY) + halfWidth + 1,
  }
  canvas.forEachIn(bounds, (x, y) => {
    const [dx, dy] = [x - startX, y - startY]
    const along = Math.min(reach, Math.max(0, dx * cos + dy * sin))
    const [offX, offY] = [dx - along * cos, dy - along * sin]
    const coverage = Math.min(1, Math.max(0, halfWidth + 0.5 - Math.sqrt(offX * offX + offY * offY)))
    if (coverage > 0) canvas.blend(x, y, colour, coverage)
  })
}
