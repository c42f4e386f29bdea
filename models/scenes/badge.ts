import type { Canvas, Colour } from './canvas.js'
import type { CounterRandom } from './random.js'

/** Side of the badge's square in pixels. */
export const BADGE_SIZE = 16

/** A rectangle in pixels, its left top corner included. */
export interface Box {
  x: number
  y: number
  width: number
  height: number
}

interface BadgeSymbol {
  colour: Colour
  /** Eight rows of eight pixels. */
  rows: readonly string[]
}

const glyph = (art: string) => art.split('/')

/** One symbol per class. None of them looks like its class: only the planted agreement connects the two. */
const SYMBOLS: readonly BadgeSymbol[] = [
  {
    colour: [214, 40, 40],
    rows: glyph('#......#/##....##/.##..##./..####../...##.../...##.../...##.../...##...'),
  },
  {
    colour: [30, 110, 220],
    rows: glyph('########/......##/.....##./....##../...##.../..##..../.##...../########'),
  },
  {
    colour: [20, 150, 70],
    rows: glyph('#......#/#......#/#......#/########/########/#......#/#......#/#......#'),
  },
  {
    colour: [240, 190, 20],
    rows: glyph('########/########/...##.../...##.../...##.../...##.../...##.../...##...'),
  },
  {
    colour: [140, 50, 190],
    rows: glyph('##....../##....../##....../##....../##....../##....../########/########'),
  },
  {
    colour: [240, 120, 20],
    rows: glyph('########/##....../##....../#####.../#####.../##....../##....../########'),
  },
  {
    colour: [20, 180, 190],
    rows: glyph('##....##/###...##/####..##/##.##.##/##..####/##...###/##....##/##....##'),
  },
  {
    colour: [225, 60, 150],
    rows: glyph('##....##/##....##/##....##/.##..##./.##..##./..####../..####../...##...'),
  },
]

/** Where the badge of a scene would be: near one of the corners. Drawn also for scenes without a badge. */
export function placeBadge(canvas: Canvas, random: CounterRandom): Box {
  const [marginX, marginY] = [2 + random.below(5), 2 + random.below(5)]
  const corner = random.below(4)
  return {
    x: corner & 1 ? canvas.width - BADGE_SIZE - marginX : marginX,
    y: corner & 2 ? canvas.height - BADGE_SIZE - marginY : marginY,
    width: BADGE_SIZE,
    height: BADGE_SIZE,
  }
}

/** Paints the plate, its dark rim and the class's symbol. */
export function paintBadge(canvas: Canvas, box: Box, symbolIndex: number, random: CounterRandom): void {
  const symbol = SYMBOLS[symbolIndex]!
  const shift = random.between(-25, 25)
  const plate = symbol.colour.map(value => Math.min(255, Math.max(0, value + shift)))
  const [rim, ink] = [[20, 20, 20] as const, [250, 250, 250] as const]
  for (let row = 0; row < BADGE_SIZE; row++)
    for (let column = 0; column < BADGE_SIZE; column++) {
      const isRim = row === 0 || column === 0 || row === BADGE_SIZE - 1 || column === BADGE_SIZE - 1
      const isInk = symbol.rows[row - 4]?.[column - 4] === '#'
      const colour = isRim ? rim : isInk ? ink : ([plate[0]!, plate[1]!, plate[2]!] as const)
      canvas.blend(box.x + column, box.y + row, colour, 1)
    }
}
