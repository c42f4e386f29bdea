/** Directions that still turn by more than this after so many steps are of equal weight, and one is as good as another. */
const still = 1e-12
const mostSteps = 5000

/**
 * Rows of a matrix projected on its first right singular vector, columns centred: [rows]. The sign is that in which the
 * rows with greater sums have greater values.
 *
 * Found by powers of the matrix of the rows' inner products, whose first eigenvector is the projection up to its length.
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
  const inner = centred.map(a =>
    Float64Array.from(centred, b => a.reduce((sum, value, i) => sum + value * b[i]!, 0)),
  )
  const sums = Float64Array.from(centred, row => row.reduce((sum, value) => sum + value, 0))
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0)
  // Rows of one sum each begin with another direction, so that none is orthogonal to the one that is looked for.
  let direction = sums.map((sum, row) => sum + 1e-3 * Math.cos(row * row))
  let weight = 0
  for (let step = 0; step < mostSteps; step++) {
    const next = Float64Array.from(inner, row => dot(row, direction))
    weight = Math.sqrt(dot(next, next))
    if (weight === 0) return new Float32Array(rows)
    const unit = next.map(value => value / weight)
    const turned = 1 - Math.abs(dot(unit, direction)) / Math.sqrt(dot(direction, direction))
    direction = unit
    if (turned < still) break
  }
  // The eigenvalue is the squared singular value.
  const length = Math.sqrt(weight) * (dot(direction, sums) < 0 ? -1 : 1)
  return Float32Array.from(direction, value => value * length)
}
