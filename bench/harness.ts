import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { native, settle } from '#lib/native.js'

/** One thing that is raced: called over and over, each call timed alone. */
export type Contender = () => Promise<unknown>

export interface Race {
  /** Milliseconds: medians, and half the distance between the quartiles as their spread. */
  ours: number
  peer: number
  oursSpread: number
  peerSpread: number
  /** Peer's time over ours, round by round: the median, and the ends of its 95 % interval by order statistics. */
  ratio: number
  low: number
  high: number
  rounds: number
}

export const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    folder: { type: 'string' },
    record: { type: 'boolean', default: false },
    table: { type: 'boolean', default: false },
    scenes: { type: 'string' },
    batch: { type: 'string' },
    sizes: { type: 'string' },
    runs: { type: 'string' },
    seconds: { type: 'string' },
    compile: { type: 'boolean', default: false },
    package: { type: 'string' },
    model: { type: 'string' },
    precision: { type: 'string' },
    peer: { type: 'string' },
    texts: { type: 'string' },
    budget: { type: 'string' },
    results: { type: 'string' },
    kinds: { type: 'string' },
    write: { type: 'boolean', default: false },
    prepare: { type: 'boolean', default: false },
  },
})
/** `--quick`: seconds instead of minutes. */
export const quick = flags.quick
/** `--only TEXT[,TEXT…]`: cases whose name contains one of them. */
export const isChosen = (name: string) =>
  flags.only === undefined || flags.only.split(',').some(text => name.includes(text))

// Lanes are nice to the event loop; in a race both sides have the same priority.
process.env.ASCRIBE_NICENESS ??= '0'

/** Threads for both sides. */
export const threads = 2

function quantile(sorted: readonly number[], q: number): number {
  const at = (sorted.length - 1) * q
  const low = sorted[Math.floor(at)] ?? Number.NaN
  return low + ((sorted[Math.ceil(at)] ?? low) - low) * (at % 1)
}

/** ONNX Runtime's threads spin for some 30 ms after a run, on cores that the other side would need. */
const settleMs = 50

/** A contender in another process says itself how long it took. */
export interface Timed {
  milliseconds: number
}

/** One run's milliseconds, after a pause. */
export async function timed(run: Contender, pauseMs = settleMs): Promise<number> {
  if (pauseMs > 0) await setTimeout(pauseMs)
  const start = performance.now()
  const result = await run()
  const took = performance.now() - start
  return isTimed(result) ? result.milliseconds : took
}

const isTimed = (result: unknown): result is Timed =>
  typeof result === 'object' && result !== null && Object.keys(result).join() === 'milliseconds'

export interface RaceOptions {
  warmups?: number
  fewest?: number
  budgetMs?: number
}

/** Ours, theirs, ours, theirs …: what else the machine does meets both alike. */
export async function race(
  ours: Contender,
  peer: Contender,
  {
    warmups = 3,
    fewest = quick ? 5 : 15,
    budgetMs = flags.seconds ? 1000 * Number(flags.seconds) : quick ? 400 : 4000,
  }: RaceOptions = {},
): Promise<Race> {
  for (let i = 0; i < warmups; ++i) {
    await ours()
    await peer()
  }
  const mine: number[] = []
  const theirs: number[] = []
  const start = performance.now()
  while (mine.length < fewest || (performance.now() - start < budgetMs && mine.length < 400)) {
    mine.push(await timed(ours))
    theirs.push(await timed(peer))
  }
  return compare(mine, theirs)
}

/** Times of two sides, round by round. */
export function compare(mine: readonly number[], theirs: readonly number[]): Race {
  const sorted = (list: readonly number[]) => list.toSorted((a, b) => a - b)
  const ratios = sorted(mine.map((one, at) => theirs[at]! / one))
  // Of n numbers, those this far from the middle hold the median between them 95 times in 100; of five and fewer, the
  // outermost do so less often.
  const reach = 0.98 * Math.sqrt(ratios.length)
  const within = (at: number) => ratios[Math.min(ratios.length - 1, Math.max(0, at))]!
  const middle = (ratios.length - 1) / 2
  const [ours, peer] = [sorted(mine), sorted(theirs)]
  const spread = (list: readonly number[]) => (quantile(list, 0.75) - quantile(list, 0.25)) / 2
  return {
    ours: quantile(ours, 0.5),
    peer: quantile(peer, 0.5),
    oursSpread: spread(ours),
    peerSpread: spread(peer),
    ratio: quantile(ratios, 0.5),
    low: within(Math.floor(middle - reach)),
    high: within(Math.ceil(middle + reach)),
    rounds: mine.length,
  }
}

/** What the machine can do, by the probe that lies outside the kernels. */
export async function peakGflops(): Promise<number> {
  return (await settle(() => native().probe())).gflops
}

/** Resident bytes that `make` added, beside what it made. */
export async function weighed<T>(make: () => Promise<T>): Promise<{ made: T; megabytes: number }> {
  const before = process.memoryUsage().rss
  const made = await make()
  return { made, megabytes: (process.memoryUsage().rss - before) / 1e6 }
}

/** Repeatable numbers in [-1, 1]. */
export function randomFloats(count: number, seed = 1): Float32Array {
  let state = seed >>> 0 || 1
  return Float32Array.from({ length: count }, () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return ((state >>> 0) / 2 ** 31 - 1) as number
  })
}

/** Columns as wide as their longest cell; the first is text, the others numbers. */
export function printTable(header: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = header.map((cell, i) => Math.max(cell.length, ...rows.map(row => row[i]?.length ?? 0)))
  for (const row of [header, ...rows])
    console.log(
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
    )
}
