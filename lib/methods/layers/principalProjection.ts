/** Directions that still turn by more than this after so many steps are of equal weight, and one is as good as another. */
const still = 1e-12
const mostSteps = 5000

/**
 * Rows of a matrix projected on its first right singular vector, columns centred: [rows]. The sign is that in which the
 * rows with greater sums have greater values.
 *
 * Found by powers of the matrix of inner products of rows, or of columns where they are fewer.
 */
export function principalProjection(
  rows: number,
  columns: number,
  at: (row: number, column: number) => number,
): Float32Array {
  const centred = Array.from({ length: rows }, () => new Float64Array(columns))
  for (let column = 0; column < columns; column++) {
    let mean = 0
    for (let row = 0; row < rows; row++) mean += at(row, column) / rows
    for (let row = 0; row < rows; row++) centred[row]![column] = at(row, column) - mean
  }
  const sums = Float64Array.from(centred, row => row.reduce((sum, value) => sum + value, 0))
  const found = columns < rows ? alongColumns(centred, sums, columns) : alongRows(centred, sums)
  const sign = dot(found, sums) < 0 ? -1 : 1
  return Float32Array.from(found, value => value * sign)
}

const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0)

/** The first eigenvector of the rows' inner products is the projection but for its length, the singular value. */
function alongRows(centred: readonly Float64Array[], sums: Float64Array): Float64Array {
  const inner = centred.map(a => Float64Array.from(centred, b => dot(a, b)))
  const { direction, weight } = firstEigenvector(inner, sums)
  return direction.map(value => value * Math.sqrt(weight))
}

/** The first eigenvector of the columns' inner products is the singular vector itself. */
function alongColumns(centred: readonly Float64Array[], sums: Float64Array, columns: number): Float64Array {
  const inner = Array.from({ length: columns }, () => new Float64Array(columns))
  const start = new Float64Array(columns)
  for (const [at, row] of centred.entries())
    for (let a = 0; a < columns; a++) {
      const own = row[a]!
      start[a]! += own * sums[at]!
      for (let b = 0; b < columns; b++) inner[a]![b]! += own * row[b]!
    }
  const { direction } = firstEigenvector(inner, start)
  return Float64Array.from(centred, row => dot(row, direction))
}

function firstEigenvector(
  inner: readonly Float64Array[],
  start: Float64Array,
): { direction: Float64Array; weight: number } {
  // Each entry is moved by its own share, so that no start is orthogonal to what is looked for.
  const scale = Math.sqrt(dot(start, start) / start.length) || 1
  let direction = start.map((value, at) => value + 1e-3 * scale * Math.cos(at * at))
  let weight = 0
  for (let step = 0; step < mostSteps; step++) {
    const next = Float64Array.from(inner, row => dot(row, direction))
    weight = Math.sqrt(dot(next, next))
    if (weight === 0) return { direction: new Float64Array(start.length), weight: 0 }
    const unit = next.map(value => value / weight)
    const turned = 1 - Math.abs(dot(unit, direction)) / Math.sqrt(dot(direction, direction))
    direction = unit
    if (turned < still) break
  }
  return { direction, weight }
}
