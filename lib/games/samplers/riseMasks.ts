import type { Coalition } from '../coalition.js'
import { RandomStream } from '../randomStream.js'

/** Where a pixel of an enlarged axis lies among the cells of the small one. */
interface Taps {
  readonly first: Int32Array
  readonly second: Int32Array
  /** What of it is of the second one. */
  readonly share: Float64Array
}

function tapsOf(cells: number, enlarged: number): Taps {
  const first = new Int32Array(enlarged)
  const second = new Int32Array(enlarged)
  const share = new Float64Array(enlarged)
  for (let pixel = 0; pixel < enlarged; pixel++) {
    const position = Math.min(cells - 1, Math.max(0, ((pixel + 0.5) * cells) / enlarged - 0.5))
    first[pixel] = Math.floor(position)
    second[pixel] = Math.min(cells - 1, first[pixel]! + 1)
    share[pixel] = position - first[pixel]!
  }
  return { first, second, share }
}

/**
 * RISE's masks of pictures: a small random grid, enlarged bilinearly to one cell more than the picture and cut out at a
 * random place. A mask stands for a coalition: bits of the grid, and a word for the place.
 */
export class RiseMasks {
  /** Players of the game that masks are coalitions of. */
  readonly players: number
  readonly #across: Taps
  readonly #down: Taps
  readonly #words: number

  /** @param cells Along each side of the grid. */
  constructor(
    readonly height: number,
    readonly width: number,
    readonly cells: number,
    readonly keep: number,
    readonly seed: number,
  ) {
    this.#words = Math.ceil((cells * cells) / 32)
    this.players = 32 * (this.#words + 1)
    this.#across = tapsOf(cells, Math.floor(width * (1 + 1 / cells)))
    this.#down = tapsOf(cells, Math.floor(height * (1 + 1 / cells)))
  }

  /** The mask of a sample. */
  draw(sample: number): Coalition {
    const stream = new RandomStream(this.seed, 0, sample)
    const coalition = new Uint32Array(this.#words + 1)
    for (let cell = 0; cell < this.cells * this.cells; cell++)
      if (stream.uniform() < this.keep) coalition[cell >>> 5]! |= 1 << (cell & 31)
    const left = stream.below(this.#across.first.length - this.width + 1)
    const top = stream.below(this.#down.first.length - this.height + 1)
    coalition[this.#words] = left + 65_536 * top
    return coalition
  }

  /** How much of each pixel it keeps, row by row. */
  render(coalition: Coalition): Float32Array {
    const { width, height, cells } = this
    const offset = coalition[this.#words]!
    const left = offset % 65_536
    const top = Math.floor(offset / 65_536)
    const bit = (row: number, column: number) => {
      const cell = row * cells + column
      return (coalition[cell >>> 5]! >>> (cell & 31)) & 1
    }
    // Every row of the grid along x first, then rows are mixed.
    const rows = Array.from({ length: cells }, (_, row) =>
      Float32Array.from({ length: width }, (__, x) => {
        const at = left + x
        const share = this.#across.share[at]!
        return (1 - share) * bit(row, this.#across.first[at]!) + share * bit(row, this.#across.second[at]!)
      }),
    )
    const mask = new Float32Array(width * height)
    for (let y = 0; y < height; y++) {
      const at = top + y
      const share = this.#down.share[at]!
      const upper = rows[this.#down.first[at]!]!
      const lower = rows[this.#down.second[at]!]!
      for (let x = 0; x < width; x++) mask[y * width + x] = (1 - share) * upper[x]! + share * lower[x]!
    }
    return mask
  }
}
