import { AscribeError } from '../errors.js'
import { atOnce, type Sliced } from './sliced.js'

/** The triangle has their square: more would take gigabytes, and hours. */
const greatestUnknowns = 4097

/** @throws AscribeError `OPTION_RANGE` where a fit has more coefficients than memory should hold the squares of. */
export function checkUnknowns(count: number): void {
  if (count > greatestUnknowns)
    throw new AscribeError(
      'OPTION_RANGE',
      `A linear fit of ${count} coefficients would hold ${count} x ${count} numbers; ${greatestUnknowns} coefficients at most`,
      { hint: 'Take fewer regions: { kind: "grid", rows: 14 }, or a `regionCount`.' },
    )
}

/** The smallest share of the greatest pivot that another may have before equations count as dependent. */
const smallestPivot = 1e-9

export interface LeastSquaresSolution {
  readonly solution: Float64Array
  /** Standard errors of the unknowns, by the residuals, whatever scale the weights have; NaN where there are as many unknowns as equations. */
  readonly errors: Float64Array
  /** How many unknowns the equations decide. */
  readonly rank: number
  /** Variance of the sum of all unknowns. */
  readonly sumVariance: number
}

/**
 * Weighted least squares whose equations come one by one: `row · x = value`, with a weight. Kept is the triangle of a
 * QR decomposition, of the size of the unknowns, updated by rotations: as accurate as with all equations at hand, also
 * where weights are as far apart as 1 and a million.
 */
export class LeastSquares {
  /** The triangle, row by row, and its right side. */
  readonly #triangle: Float64Array
  readonly #right: Float64Array
  /** Squares that no solution explains. */
  #residual = 0
  #count = 0

  constructor(readonly unknowns: number) {
    checkUnknowns(unknowns)
    this.#triangle = new Float64Array(unknowns * unknowns)
    this.#right = new Float64Array(unknowns)
  }

  add(row: ArrayLike<number>, value: number, weight = 1): void {
    const scale = Math.sqrt(weight)
    const scaled = Float64Array.from(row, entry => entry * scale)
    this.#residual += rotateIn(this.#triangle, this.#right, scaled, value * scale) ** 2
    this.#count++
  }

  /**
   * The solution, with a penalty of `ridge` on the squares of those unknowns that `penalized` names (all by default).
   * Where equations are dependent the solution has zeros for what they do not decide.
   */
  solve(ridge = 0, penalized: (unknown: number) => boolean = () => true): LeastSquaresSolution {
    return atOnce(this.solving(ridge, penalized))
  }

  /** {@link solve} in pieces. */
  *solving(ridge = 0, penalized: (unknown: number) => boolean = () => true): Sliced<LeastSquaresSolution> {
    const { unknowns } = this
    const triangle = this.#triangle.slice()
    const right = this.#right.slice()
    if (ridge > 0)
      for (let unknown = 0; unknown < unknowns; unknown++) {
        if (!penalized(unknown)) continue
        const row = new Float64Array(unknowns)
        row[unknown] = Math.sqrt(ridge)
        rotateIn(triangle, right, row, 0)
        yield 2 * unknowns * unknowns
      }
    const { order, rank } = yield* pivot(triangle, right, unknowns)
    const inverse = yield* invertTriangle(triangle, unknowns, rank)
    const solution = new Float64Array(unknowns)
    for (let i = 0; i < rank; i++)
      for (let j = i; j < rank; j++) solution[order[i]!]! += inverse[i * unknowns + j]! * right[j]!
    const freedom = this.#count - rank
    const variance = freedom > 0 ? this.#residual / freedom : Number.NaN
    // The covariance is the inverse times its transpose.
    const errors = new Float64Array(unknowns)
    const columnSums = new Float64Array(rank)
    for (let i = 0; i < rank; i++) {
      let own = 0
      for (let k = i; k < rank; k++) {
        const entry = inverse[i * unknowns + k]!
        own += entry * entry
        columnSums[k]! += entry
      }
      errors[order[i]!] = Math.sqrt(variance * own)
    }
    const sumVariance = variance * columnSums.reduce((sum, each) => sum + each * each, 0)
    return { solution, errors, rank, sumVariance }
  }
}

/** Turns a row into zeros against the triangle (Givens rotations); what is left of its right side is residual. */
function rotateIn(triangle: Float64Array, right: Float64Array, row: Float64Array, value: number): number {
  const size = row.length
  let rest = value
  for (let i = 0; i < size; i++) {
    const below = row[i]!
    if (below === 0) continue
    const diagonal = triangle[i * size + i]!
    const length = Math.hypot(diagonal, below)
    const cosine = diagonal / length
    const sine = below / length
    for (let j = i; j < size; j++) {
      const upper = triangle[i * size + j]!
      const lower = row[j]!
      triangle[i * size + j] = cosine * upper + sine * lower
      row[j] = cosine * lower - sine * upper
    }
    const upper = right[i]!
    right[i] = cosine * upper + sine * rest
    rest = cosine * rest - sine * upper
  }
  return rest
}

/** Householder QR of the triangle with the greatest remaining column first: columns that depend on others come last. */
function* pivot(
  triangle: Float64Array,
  right: Float64Array,
  size: number,
): Sliced<{ order: Int32Array; rank: number }> {
  const order = Int32Array.from({ length: size }, (_, at) => at)
  const at = (i: number, j: number) => i * size + j
  let first = 0
  for (let step = 0; step < size; step++) {
    let greatest = -1
    let best = step
    for (let j = step; j < size; j++) {
      let norm = 0
      for (let i = step; i < size; i++) norm += triangle[at(i, j)]! ** 2
      if (norm > greatest) {
        greatest = norm
        best = j
      }
      yield size - step
    }
    const norm = Math.sqrt(greatest)
    if (step === 0) first = norm
    if (!(norm > smallestPivot * first)) return { order, rank: step }
    for (let i = 0; i < size; i++) {
      const kept = triangle[at(i, step)]!
      triangle[at(i, step)] = triangle[at(i, best)]!
      triangle[at(i, best)] = kept
    }
    const unknown = order[step]!
    order[step] = order[best]!
    order[best] = unknown
    yield* reflect(triangle, right, size, step, norm)
  }
  return { order, rank: size }
}

function* reflect(
  triangle: Float64Array,
  right: Float64Array,
  size: number,
  step: number,
  norm: number,
): Sliced<void> {
  const at = (i: number, j: number) => i * size + j
  const sign = triangle[at(step, step)]! < 0 ? -1 : 1
  const vector = new Float64Array(size)
  for (let i = step; i < size; i++) vector[i] = triangle[at(i, step)]!
  vector[step]! += sign * norm
  let squares = 0
  for (let i = step; i < size; i++) squares += vector[i]! ** 2
  const mirror = (get: (i: number) => number, set: (i: number, value: number) => void) => {
    let product = 0
    for (let i = step; i < size; i++) product += vector[i]! * get(i)
    const factor = (2 * product) / squares
    for (let i = step; i < size; i++) set(i, get(i) - factor * vector[i]!)
  }
  for (let j = step; j < size; j++) {
    mirror(
      i => triangle[at(i, j)]!,
      (i, value) => {
        triangle[at(i, j)] = value
      },
    )
    yield 2 * (size - step)
  }
  mirror(
    i => right[i]!,
    (i, value) => {
      right[i] = value
    },
  )
}

/** The inverse of the leading `rank` x `rank` triangle. */
function* invertTriangle(triangle: Float64Array, size: number, rank: number): Sliced<Float64Array> {
  const inverse = new Float64Array(size * size)
  for (let column = 0; column < rank; column++)
    for (let i = column; i >= 0; i--) {
      yield column - i
      let sum = i === column ? 1 : 0
      for (let j = i + 1; j <= column; j++) sum -= triangle[i * size + j]! * inverse[j * size + column]!
      inverse[i * size + column] = sum / triangle[i * size + i]!
    }
  return inverse
}
