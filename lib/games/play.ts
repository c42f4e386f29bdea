import { AscribeError } from '../errors.js'
import { expectInteger, expectNumber } from '../validate.js'
import type { Coalition } from './coalition.js'
import { type CoalitionGame, valuesTogether } from './coalitionGame.js'
import { inSlices, type Slice, type Sliced } from './sliced.js'

/**
 * A search or a sampler over a game as a state machine. It asks and is told, and never waits: so that one driver serves
 * native models and somebody's function, one image and many in lock-step. What it asks must not depend on batches, only
 * on its seed and on the values it was told.
 */
export interface CoalitionPlayer<Result> {
  /**
   * Coalitions whose values it needs next. None: it is done, or has no use for so little room.
   *
   * @param room New evaluations that the budget still allows (known coalitions are free).
   */
  next(room: number): readonly Coalition[]
  /** Values in the order of the last {@link next}. */
  report(values: readonly Float64Array[]): void
  /**
   * What the next step waits for, or (where `forResult`) the result: work that takes long, in pieces. What is left of it
   * is done at once when a result is asked for.
   */
  settle?(forResult: boolean): Sliced<void>
  /** What is known by now: may be asked at any time after the first report. */
  result(): Result
  /** Standard error of the result relative to its norm, of players that sample; undefined before it can be told. */
  standardError?(): number | undefined
  /** Share of the work that is done, from 0 to 1. */
  progress(): number
}

export interface PlayOptions {
  /** Evaluations that the game may cost, per player. Default: as many as it takes. */
  budget?: number | undefined
  /** Ends the play once the relative standard error is at most this. For players that sample. */
  tolerance?: number | undefined
  signal?: AbortSignal | undefined
  /** Thousandths of the work, and 1000. */
  onProgress?: ((done: number, total: number) => void) | undefined
}

/** Why a play ended: the player was done, its budget was spent, or its error was small enough. */
export type Ending = 'done' | 'budget' | 'tolerance'

export interface Played<Result> {
  readonly result: Result
  readonly ending: Ending
  /** New evaluations that this play cost. */
  readonly evaluations: number
  readonly standardError?: number
}

/** Lets one player play one game to its end, or as far as the budget goes. */
export async function play<Result>(
  game: CoalitionGame,
  player: CoalitionPlayer<Result>,
  options: PlayOptions = {},
): Promise<Played<Result>> {
  const [played] = await playTogether([{ game, player }], options)
  return played!
}

/**
 * Lets many players play their games in lock-step. Each gets what it would get alone; batches are filled across them.
 *
 * @throws AscribeError `OPTION_RANGE` where the budget does not allow a first step; `ABORTED`.
 */
export async function playTogether<Result>(
  seats: readonly { game: CoalitionGame; player: CoalitionPlayer<Result> }[],
  options: PlayOptions = {},
): Promise<Played<Result>[]> {
  const { signal, onProgress } = options
  const budget = options.budget === undefined ? Infinity : expectInteger('budget', options.budget, 1)
  if (options.tolerance !== undefined) expectNumber('tolerance', options.tolerance, 0)
  const tables = seats.map(({ game, player }) => ({
    game,
    player,
    before: game.cost.evaluations,
    reports: 0,
    ending: undefined as Ending | undefined,
  }))
  const slice: Slice = { operations: 0 }
  const settle = async (player: CoalitionPlayer<Result>, forResult: boolean) => {
    if (player.settle) await inSlices(player.settle(forResult), signal, slice)
  }
  const spent = (table: (typeof tables)[number]) => table.game.cost.evaluations - table.before
  for (;;) {
    const round: { table: (typeof tables)[number]; coalitions: readonly Coalition[] }[] = []
    for (const table of tables) {
      if (table.ending !== undefined) continue
      // To tell it may cost the solution of a system: only where somebody wants to know.
      if (options.tolerance !== undefined && table.reports > 0) await settle(table.player, true)
      const error = options.tolerance === undefined ? undefined : table.player.standardError?.()
      if (error !== undefined && error <= options.tolerance!) {
        table.ending = 'tolerance'
        continue
      }
      const room = budget - spent(table)
      const coalitions = table.player.next(room)
      if (coalitions.length === 0) table.ending = table.player.progress() >= 1 ? 'done' : 'budget'
      else if (table.game.newAmong(coalitions) > room) table.ending = 'budget'
      else round.push({ table, coalitions })
      if (table.ending === 'budget' && table.reports === 0)
        throw new AscribeError('OPTION_RANGE', `A budget of ${budget} evaluations allows no first step`)
    }
    if (round.length === 0) break
    const values = await valuesTogether(
      round.map(({ table, coalitions }) => ({ game: table.game, coalitions })),
      { signal },
    )
    for (const [at, { table }] of round.entries()) {
      table.player.report(values[at]!)
      ++table.reports
      await settle(table.player, false)
    }
    if (onProgress) {
      const share = tables.reduce((sum, table) => sum + (table.ending ? 1 : table.player.progress()), 0)
      onProgress(Math.round((1000 * share) / tables.length), 1000)
    }
  }
  for (const { player } of tables) await settle(player, true)
  return tables.map(table => {
    const standardError = table.player.standardError?.()
    return {
      result: table.player.result(),
      ending: table.ending!,
      evaluations: spent(table),
      ...(standardError === undefined ? {} : { standardError }),
    }
  })
}
