/** Which region each block, or each pixel, belongs to. */
export interface OwnerGrid {
  readonly width: number
  readonly height: number
  readonly owners: Int32Array
}

/** The eight places around one, in a circle from the left one on. */
const circle = [
  [-1, 0],
  [-1, -1],
  [0, -1],
  [1, -1],
  [1, 0],
  [1, 1],
  [0, 1],
  [-1, 1],
] as const

/**
 * Whether a region stays in one piece (4 neighbours) without one of its elements, judged by the eight around it: those
 * beside the element must be joined to each other along the circle.
 */
export function staysConnected({ width, height, owners }: OwnerGrid, at: number): boolean {
  const x = at % width
  const y = (at - x) / width
  const owner = owners[at]
  const own = circle.map(([right, down]) => {
    const column = x + right
    const row = y + down
    return column >= 0 && row >= 0 && column < width && row < height && owners[row * width + column] === owner
  })
  // A run of the region's elements along the circle counts where it holds one that is beside the element.
  let runs = 0
  for (let place = 0; place < 8; place += 2) {
    if (!own[place]) continue
    const isJoinedToNext = own[place + 1]! && own[(place + 2) % 8]!
    if (!isJoinedToNext) runs++
  }
  const isWhole = own.every(Boolean)
  return isWhole || runs === 1
}
