import { type Coalition, isMember } from '../coalition.js'
import { LeastSquares } from '../leastSquares.js'
import { atOnce, type Sliced } from '../sliced.js'

/** What is fitted: least squares with squares or absolute values of the coefficients as penalty. */
export type Surrogate = 'ridge' | 'lasso'

export interface Fitted {
  coefficients: Float64Array
  intercept: number
  errors?: Float64Array
}

/**
 * A weighted linear model of values by membership, with an intercept that is not penalised. Ridge:
 * `Σ w (y - ŷ)² + α ‖β‖²`; lasso: `1/(2N) Σ w̃ (y - ŷ)² + α ‖β‖₁`, weights scaled to sum N, as scikit-learn has them.
 */
export function* surrogate(
  kind: Surrogate,
  penalty: number,
  players: number,
  coalitions: readonly Coalition[],
  values: readonly number[],
  weights: readonly number[],
): Sliced<Fitted> {
  const member = (coalition: Coalition) => (player: number) => (isMember(coalition, player) ? 1 : 0)
  if (kind === 'ridge') {
    const equations = new LeastSquares(players + 1)
    for (const [at, coalition] of coalitions.entries()) {
      const is = member(coalition)
      const row = Float64Array.from({ length: players + 1 }, (_, player) =>
        player === players ? 1 : is(player),
      )
      equations.add(row, values[at]!, weights[at]!)
      yield 2 * players * players
    }
    const { solution, errors } = yield* equations.solving(penalty, unknown => unknown < players)
    return {
      coefficients: solution.slice(0, players),
      intercept: solution[players]!,
      errors: errors.slice(0, players),
    }
  }
  return yield* lassoPieces({ penalty, players, coalitions, values, weights })
}

/** Rounds of coordinate descent; what has not come to rest by then is as near as doubles get. */
const greatestRounds = 100_000
const restTolerance = 1e-13

export interface LassoProblem {
  penalty: number
  players: number
  coalitions: readonly Coalition[]
  values: readonly number[]
  weights: readonly number[]
  /** Memberships are divided by their standard deviation, and so penalised alike however often a player is in. */
  isStandardized?: boolean
}

/**
 * Coordinate descent on the centred second moments. Coefficients are those of memberships as they are, also where they
 * were standardised; a player who is always in, or never, has 0.
 */
export const lasso = (problem: LassoProblem): Fitted => atOnce(lassoPieces(problem))

function* lassoPieces({
  penalty,
  players,
  coalitions,
  values,
  weights,
  isStandardized = false,
}: LassoProblem): Sliced<Fitted> {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const means = new Float64Array(players)
  let meanValue = 0
  for (const [at, coalition] of coalitions.entries()) {
    const weight = weights[at]! / total
    meanValue += weight * values[at]!
    for (let player = 0; player < players; player++) if (isMember(coalition, player)) means[player]! += weight
  }
  const gram = new Float64Array(players * players)
  const right = new Float64Array(players)
  const centred = new Float64Array(players)
  for (const [at, coalition] of coalitions.entries()) {
    const weight = weights[at]! / total
    for (let player = 0; player < players; player++)
      centred[player] = (isMember(coalition, player) ? 1 : 0) - means[player]!
    for (let i = 0; i < players; i++) {
      const scaled = weight * centred[i]!
      right[i]! += scaled * (values[at]! - meanValue)
      for (let j = 0; j < players; j++) gram[i * players + j]! += scaled * centred[j]!
      yield players
    }
  }
  const deviations = Float64Array.from(means, (_, i) =>
    isStandardized ? Math.sqrt(gram[i * players + i]!) || 1 : 1,
  )
  for (let i = 0; i < players; i++) {
    right[i]! /= deviations[i]!
    for (let j = 0; j < players; j++) gram[i * players + j]! /= deviations[i]! * deviations[j]!
  }
  const coefficients = new Float64Array(players)
  const scale = Math.max(...right.map(Math.abs))
  for (let round = 0; round < greatestRounds; round++) {
    let moved = 0
    for (let i = 0; i < players; i++) {
      const diagonal = gram[i * players + i]!
      if (diagonal === 0) continue
      let rest = right[i]!
      for (let j = 0; j < players; j++) if (j !== i) rest -= gram[i * players + j]! * coefficients[j]!
      const next = Math.abs(rest) <= penalty ? 0 : (Math.sign(rest) * (Math.abs(rest) - penalty)) / diagonal
      moved = Math.max(moved, Math.abs(next - coefficients[i]!))
      coefficients[i] = next
      yield players
    }
    if (moved <= restTolerance * scale) break
  }
  for (let i = 0; i < players; i++) coefficients[i]! /= deviations[i]!
  const intercept = coefficients.reduce((sum, value, player) => sum - value * means[player]!, meanValue)
  return { coefficients, intercept }
}
