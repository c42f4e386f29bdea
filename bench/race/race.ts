import { InferenceSession } from 'onnxruntime-node'
import type { Tensor } from '#lib/index.js'
import { flags, printTable, quick, randomFloats } from '../harness.js'
import type { TorchPeer } from '../nets/peer.js'
import { Budget } from './budget.js'
import { type Entrants, enter, peerContender, runRound, steps } from './contest.js'
import { gradientWork } from './gradientWork.js'
import { openLibrary } from './library.js'
import { bestWay, pilot, variantsBy } from './pilot.js'
import { type OpenedNet, racedNets } from './racedNets.js'
import { type CaseResult, type Kind, type Results, resumeResults, writeResults } from './results.js'
import { raceTables } from './table.js'

/** A way once raced stays; else a pilot finds the best one, and what it found is kept. */
async function choose(peer: TorchPeer, result: CaseResult, { cases }: Results): Promise<void> {
  if (result.way !== undefined && result.rounds.length > 0) return
  const { kind, net, batch } = result
  const known = variantsBy(
    cases.flatMap(each => (each.net === net && each.kind === 'gradient' && each.pilot ? [each.pilot] : [])),
  )
  result.pilot = await pilot(peer, kind, { net, batch, steps }, known, result.pilot)
  if (!flags.prepare) result.way = bestWay(kind, result.pilot, known)
}

class Race {
  constructor(
    private readonly results: Results,
    private readonly budget: Budget,
    private readonly peakGflops: number,
  ) {}

  save(): void {
    if (flags.results !== undefined) writeResults(flags.results, this.results)
  }

  /** The case's place in the results. */
  find(kind: Kind, net: string, batch: number): CaseResult {
    const { cases } = this.results
    const found = cases.find(each => each.kind === kind && each.net === net && each.batch === batch)
    if (found !== undefined) return found
    const made: CaseResult = { kind, net, batch, rounds: [] }
    cases.push(made)
    return made
  }

  async run(result: CaseResult, entrants: Entrants, { file, shape }: OpenedNet): Promise<void> {
    const { kind, net, batch } = result
    const { peer } = entrants
    const data = randomFloats(batch * shape.reduce((a, b) => a * b, 1))
    const input: Tensor = { dtype: 'f32', shape: [batch, ...shape], data }
    const { sides, gigaflops, error } = await enter(entrants, result, input)
    if (gigaflops !== undefined) result.gigaflops = gigaflops
    if (error !== undefined) result.error = error
    if (kind === 'gradient' && file !== undefined) result.gigaflops ??= gradientWork(file, batch)
    result.peakGflops = this.peakGflops
    if (peer !== undefined) {
      await choose(peer, result, this.results)
      if (result.way !== undefined) sides.pytorch = peerContender(peer, kind, net, batch, result.way)
    }
    this.save()
    if (flags.prepare) return
    const first = performance.now()
    // Warm on all sides, and what a round costs; small ones are not warm after one.
    do await runRound(sides)
    while (performance.now() - first < 500)
    const wanted = this.budget.rounds(result)
    while (result.rounds.length < wanted && !this.budget.isSpent) result.rounds.push(await runRound(sides))
    this.save()
  }
}

/**
 * Races the kinds over all nets chosen, side by side.
 *
 * @returns The results, those of the file of `--results` among them, where it is of the same build.
 */
export async function raceAll(kinds: readonly Kind[]): Promise<Results> {
  const { library, setting, peakGflops } = await openLibrary()
  const { nets, versions, hasPeer, end } = await racedNets()
  Object.assign(setting.versions, versions)
  const results = resumeResults(flags.results, setting)
  const budget = new Budget(nets, hasPeer ? kinds : kinds.filter(kind => kind === 'forward'), results)
  const race = new Race(results, budget, peakGflops)
  try {
    for (const net of nets) {
      if (budget.isSpent || budget.casesOf(net).length === 0) continue
      const opened = await net.open()
      const { bytes, peer, folder, file } = opened
      const entrants: Entrants = {
        library,
        model: await library.loadModel(file ?? bytes),
        session: await InferenceSession.create(bytes, {
          intraOpNumThreads: setting.threads,
          interOpNumThreads: 1,
          logSeverityLevel: 3,
        }),
        folder,
        ...(peer ? { peer } : {}),
      }
      for (const { kind, batch } of budget.casesOf(net)) {
        if (budget.isSpent) break
        await race.run(race.find(kind, net.name, batch), entrants, opened)
        if (!quick) console.log(`${kind} ${net.name} x${batch}: ${budget.left()}`)
      }
      entrants.model.dispose()
      await entrants.session.release()
    }
  } finally {
    end()
  }
  return results
}

/** For the terminal: a table of each kind. */
export function printRaces(results: Results): void {
  for (const { header, rows, summary } of raceTables(results)) {
    printTable(header, rows)
    console.log(summary)
  }
}
