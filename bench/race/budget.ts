import { flags, quick } from '../harness.js'
import type { RacedNet } from './racedNets.js'
import type { CaseResult, Kind, Results } from './results.js'

/** Of fewer rounds the interval would not hold the median 95 times in 100; more would tell nothing new. */
const fewest = quick ? 3 : 6
const most = quick ? 3 : 40

type Case = Pick<CaseResult, 'kind' | 'net' | 'batch'>

const isSame = (a: Case, b: Case) => a.kind === b.kind && a.net === b.net && a.batch === b.batch
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!

/**
 * Deals a time out over cases so that all have the same number of rounds. `--budget SECONDS`; without it each case has
 * `--seconds`, 4 if it is not said.
 */
export class Budget {
  readonly #start = performance.now()
  readonly #totalMs = flags.budget === undefined ? undefined : 1000 * Number(flags.budget)
  readonly #cases = new Map<string, Case[]>()
  readonly #done: Case[] = []

  constructor(
    nets: readonly RacedNet[],
    kinds: readonly Kind[],
    private readonly results: Results,
  ) {
    for (const { name: net, batches, gigaflops } of nets) {
      const isSmall = gigaflops < 10
      const cases = kinds.flatMap(kind => {
        const isEnsemble = kind === 'integrated' || kind === 'smooth'
        if (isEnsemble && (!isSmall || flags.batch === '8')) return []
        return (isEnsemble ? [1] : batches).map(batch => ({ kind, net, batch }))
      })
      this.#cases.set(net, cases)
      for (const one of cases) this.#work.set(one, gigaflops)
    }
  }

  readonly #work = new Map<Case, number>()

  /** Those that have not got all the rounds they may have. */
  casesOf({ name }: Pick<RacedNet, 'name'>): readonly Case[] {
    return this.#cases.get(name)!.filter(each => this.#have(each) < most || flags.prepare)
  }

  get isSpent(): boolean {
    return this.#totalMs !== undefined && performance.now() - this.#start > this.#totalMs
  }

  left(): string {
    const seconds = (performance.now() - this.#start) / 1000
    return `${seconds.toFixed(0)} s${this.#totalMs === undefined ? '' : ` of ${this.#totalMs / 1000}`}`
  }

  /** How many rounds the case should have in all. */
  rounds(of: CaseResult): number {
    const mine = this.#roundMs(of)
    this.#done.push(of)
    if (this.#totalMs === undefined)
      return Math.min(most, Math.max(fewest, Math.ceil((1000 * Number(flags.seconds ?? 4)) / mine)))
    const ahead = [...this.#cases.values()].flat().filter(each => !this.#done.some(one => isSame(one, each)))
    const remaining = this.#totalMs - (performance.now() - this.#start)
    const needed = (rounds: number) =>
      ahead.reduce(
        (sum, each) =>
          sum + this.#setupMs(each) + Math.max(0, rounds - this.#have(each)) * this.#roundMs(each),
        Math.max(0, rounds - this.#have(of)) * mine,
      )
    let rounds = most
    while (rounds > fewest && needed(rounds) > remaining) --rounds
    return rounds
  }

  #result = (of: Case) => this.results.cases.find(each => isSame(each, of))
  #have = (of: Case) => this.#result(of)?.rounds.length ?? 0

  /** What was measured, or what its operations would take: small nets have overheads, gradients twice the work again. */
  #roundMs(of: Case): number {
    const rounds = this.#result(of)?.rounds ?? []
    if (rounds.length > 0)
      return median(
        rounds.map(round => Object.values(round).reduce((sum, ms) => sum + Math.max(50, ms) + 60, 0)),
      )
    const forward = 5 + (of.batch * (this.#workOf(of) ?? 1)) / 0.15
    return { forward: 3, gradient: 6, integrated: 350, smooth: 350 }[of.kind] * forward + 150
  }

  #workOf = (of: Case) => [...this.#work].find(([each]) => isSame(each, of))?.[1]

  /** Loading, a pilot where there was none, a round to warm up. */
  #setupMs(of: Case): number {
    const isPiloted = this.#result(of)?.way !== undefined
    return 2000 + (isPiloted ? 1 : 4) * this.#roundMs(of) + (flags.compile && !isPiloted ? 6000 : 0)
  }
}
