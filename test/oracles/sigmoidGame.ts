import { coalitionOf } from '#lib/games/coalition.js'
import { CoalitionGame } from '#lib/games/coalitionGame.js'
import { functionEvaluator } from '#lib/games/functionEvaluator.js'

/** The perturbation methods' worked example: z in {0,1}⁴ (or between), all ones explained. */
export const sigmoidValue = ([z0, z1, z2, z3]: readonly number[]): number =>
  1 / (1 + Math.exp(-(1.5 * z0! - z1! + 0.5 * z2! + 2 * z0! * z3! - 1.2)))

/** A game whose value is a function of memberships, 0 or 1 each. */
export function gameOf(players: number, value: (z: readonly number[]) => number, batch = 8): CoalitionGame {
  const evaluator = functionEvaluator(
    requests =>
      requests.map(({ coalition }) =>
        value(
          Array.from({ length: players }, (_, player) => (coalition[player >>> 5]! >>> (player & 31)) & 1),
        ),
      ),
    { batch },
  )
  return new CoalitionGame({ players, evaluator })
}

export const sigmoidGame = (batch?: number): CoalitionGame => gameOf(4, sigmoidValue, batch)

/** Coalitions of four players by number: bit p is player p. */
export const numbered = (set: number): Uint32Array =>
  coalitionOf(
    4,
    [0, 1, 2, 3].filter(player => (set >>> player) & 1),
  )
