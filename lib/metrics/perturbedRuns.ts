import type { NativePlan, NativeTensor, RowsRequest } from '#typings/addon.js'
import type { Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { type Batching, batchingOf } from '../model/batching.js'
import type { Model } from '../model/model.js'
import { concatenate } from '../model/stack.js'
import { describePlan, native, settle } from '../native.js'
import { copyRows } from './copyRows.js'
import { Overlap } from './overlap.js'
import { copiesOf, type Perturbation } from './perturbation.js'
import {
  othersOf,
  type PerturbationKind,
  type PerturbedPlan,
  type Players,
  perturbedPlan,
  planInputs,
} from './perturbedPlan.js'
import { sharedPlan } from './sharedPlan.js'
import type { Subject } from './subject.js'

/** What the model says of each copy: numbers by name, copy after copy. */
export type CopyScores = Readonly<Record<string, Float64Array>>

export interface RunsOptions {
  chunk?: number | undefined
  signal?: AbortSignal | undefined
}

/** What one pass may hold unless the model says otherwise. */
const defaultBytes = 256 << 20
/** More rows than this fill no kernel better; and weights, which are read once a pass, should serve more than one. */
const greatestRows = 32
const fewestRows = 2
/** What of a pass stays in the cache of the core that runs it. */
const cacheBytes = 2 << 20

/** The place of each feature in the order of removal, where it is known and not left to the engine. */
const placesOf = (perturbation: Perturbation): Float32Array | undefined =>
  perturbation.kind === 'ranked' && 'places' in perturbation.order ? perturbation.order.places : undefined

/** What the engine ranks: the scores of features of which no place is known. */
function rankedTables(
  subjects: readonly Subject[],
  perturbations: readonly Perturbation[],
  reads: ReadonlySet<string> | undefined,
): RowsRequest['ranked'] {
  const [{ explained, count }] = subjects as [Subject]
  const tables = explained.names.map(planInputs.ranks)
  if (reads !== undefined && !tables.every(name => reads.has(name))) return undefined
  const scores = perturbations.flatMap(each =>
    each.kind === 'ranked' && 'scores' in each.order ? [each.order.scores] : [],
  )
  if (scores.length === 0) return undefined
  const data = scores.length === 1 ? scores[0]! : new Float64Array(scores.length * count)
  if (scores.length > 1) for (const [item, own] of scores.entries()) data.set(own, item * count)
  return { scores: { dtype: 'f64', shape: [scores.length, count], data }, tables }
}

interface Suited {
  /** That run passes beside each other. */
  threads: number
  /** Of a pass that is computed best. */
  rows: number
  /** Of a pass, so that all that run at once fit the memory bound. */
  fitting: number
}

interface Shape {
  rows: number
  items: number
  batching: Batching
}

/**
 * Runs a model on perturbed copies of samples. Copies are made and reduced to their scores inside the plan: of a curve,
 * only the sample, the ranks of its features and one number a copy go in, and few numbers a copy come out.
 */
export class PerturbedRuns {
  /** Examples that went through the model, padding not counted. */
  passes = 0
  readonly notices = new Map<string, { code: string; message: string }>()
  /** What a pass may hold, by what decides it. */
  readonly #suited = new Map<string, Suited>()

  constructor(
    readonly model: Model,
    readonly options: RunsOptions,
  ) {}

  /** How many samples with so many copies each make full passes together. */
  static together(copies: number): number {
    return Math.max(1, Math.floor(greatestRows / Math.max(copies, 1)))
  }

  /** Scores of all copies of some samples of one kind (see `kindOf`), sample by sample. */
  async run(subjects: readonly Subject[], perturbations: readonly Perturbation[]): Promise<CopyScores[]> {
    const shared = await this.#runShared(subjects, perturbations)
    if (shared !== undefined) return shared
    const items = subjects.length
    const counts = perturbations.map(copiesOf)
    const total = counts.reduce((sum, count) => sum + count, 0)
    const [first] = subjects as [Subject]
    const { kind } = perturbations[0]!
    const masked = perturbations[0]!.kind === 'masked' ? perturbations[0] : undefined
    const players: Players = {
      count: masked?.players ?? 1,
      are: masked?.areUnits ? 'units' : masked?.playerOf ? 'groups' : 'features',
    }
    const { rows, batching } = await this.#shape(first, kind, players, total, items)
    const { signal } = this.options
    const { plan, scores, readsClass } = await perturbedPlan(
      this.model,
      first,
      kind,
      players,
      rows,
      items,
      batching,
      signal,
    )
    return this.#scores(subjects, perturbations, { plan, scores, readsClass }, rows)
  }

  /** Copies of which patches go one by one, with what they have in common computed once, where the model allows it. */
  async #runShared(
    subjects: readonly Subject[],
    perturbations: readonly Perturbation[],
  ): Promise<CopyScores[] | undefined> {
    const { model, options } = this
    const [subject] = subjects as [Subject]
    const [perturbation] = perturbations as [Perturbation]
    const patches = perturbation.kind === 'given' ? undefined : perturbation.patches
    const rows = copiesOf(perturbation)
    if (patches === undefined || (options.chunk ?? rows) < rows) return undefined
    const batching = await batchingOf(model, subject.prepared.tensors, options.signal)
    const limit = model.memoryLimitBytes ?? defaultBytes
    const plan = await sharedPlan(model, subject, patches, batching, limit, options.signal)
    if (plan === undefined) return undefined
    const results: CopyScores[] = []
    for (const [at, subject] of subjects.entries())
      results.push(...(await this.#scores([subject], [perturbations[at]!], plan, rows)))
    return results
  }

  async #scores(
    subjects: readonly Subject[],
    perturbations: readonly Perturbation[],
    { plan, scores, readsClass, reads }: PerturbedPlan,
    rows: number,
  ): Promise<CopyScores[]> {
    const counts = perturbations.map(copiesOf)
    if (readsClass) this.#checkClasses(subjects)
    const read = <T>(given: Record<string, T>): Record<string, T> =>
      reads === undefined
        ? given
        : Object.fromEntries(Object.entries(given).filter(([name]) => reads.has(name)))
    const tables = read(this.#tables(subjects, perturbations))
    const ranked = rankedTables(subjects, perturbations, reads)
    const results = counts.map(count =>
      Object.fromEntries(scores.map(name => [name, new Float64Array(count)])),
    )
    await Overlap.of(async overlap => {
      for await (const { parts, count, ...copies } of copyRows(subjects, perturbations, rows, readsClass)) {
        const { marks = {} } = copies
        const own = { rows: read(copies.rows), marks: read(marks) }
        await overlap.begin(async () => {
          const outputs = await this.#passes(plan, {
            ...own,
            ...(ranked === undefined ? {} : { ranked }),
            tables,
            count,
            chunk: rows,
          })
          this.passes += count
          for (const [place, name] of scores.entries()) {
            let row = 0
            for (const { item, first, count } of parts)
              for (let copy = first; copy < first + count; copy++)
                results[item]![name]![copy] = Number(outputs[place]!.data[row++])
          }
        })
      }
    })
    return results
  }

  async #passes(plan: NativePlan, request: RowsRequest): Promise<NativeTensor[]> {
    const limit = this.model.memoryLimitBytes
    const { outputs } = await settle(
      () => plan.rows(request, { guard: true, ...(limit === undefined ? {} : { memoryLimitBytes: limit }) }),
      this.options.signal,
    )
    return outputs
  }

  /**
   * Equal passes that fit the memory bound and the model's batch. On the processor each thread runs passes of its own, of
   * so many rows as stay in its cache; a device gets all it can do at once.
   */
  async #shape(
    subject: Subject,
    kind: PerturbationKind,
    players: Players,
    total: number,
    items: number,
  ): Promise<Shape> {
    const { model, options } = this
    const batching = await batchingOf(model, subject.prepared.tensors, options.signal)
    if (batching.notice) this.notices.set(batching.notice.code, batching.notice)
    if (batching.size !== 'any') return { rows: batching.size, items, batching }
    const shapes = subject.explained.names.map(name => subject.explained.tensors[name]!.shape)
    const key = JSON.stringify([kind, shapes, players, items])
    let suited = this.#suited.get(key)
    if (suited === undefined) {
      const { plan } = await perturbedPlan(model, subject, kind, players, 1, items, batching, options.signal)
      const { arenaBytes, scratchBytes, device } = describePlan(plan)
      const threads = device === 'cpu' ? native().engine().threadsPerLane : 1
      const limit = (model.memoryLimitBytes ?? defaultBytes) / threads - scratchBytes
      const rowsIn = (bytes: number) => Math.max(1, Math.floor(bytes / Math.max(arenaBytes, 1)))
      const cached = threads === 1 ? greatestRows : Math.max(fewestRows, rowsIn(cacheBytes))
      suited = { threads, rows: Math.min(cached, greatestRows), fitting: rowsIn(limit) }
      this.#suited.set(key, suited)
    }
    const { threads, fitting } = suited
    const most = Math.min(options.chunk ?? suited.rows, fitting)
    // As many passes for every thread, where there is a row for each.
    const passes = Math.max(1, Math.ceil(Math.ceil(total / most) / threads) * threads)
    return { rows: Math.max(1, Math.ceil(total / passes)), items, batching }
  }

  #checkClasses(subjects: readonly Subject[]): void {
    const declared = this.model.outputs[0]?.shape
    const classes = declared?.length === 2 ? declared[1] : undefined
    if (typeof classes !== 'number') return
    for (const { class: index, target } of subjects)
      if (index !== undefined && index >= classes && target.options.output === undefined)
        throw new AscribeError('TARGET_INVALID', `Class ${index} is outside the model's ${classes} outputs`)
  }

  /** What is the same for every row of these samples. */
  #tables(
    subjects: readonly Subject[],
    perturbations: readonly Perturbation[],
  ): Record<string, NativeTensor> {
    const [{ explained, features }] = subjects as [Subject]
    const tables: Record<string, NativeTensor> = {}
    const put = (name: string, tensors: readonly Tensor[]) => {
      tables[name] = concatenate(tensors) as NativeTensor
    }
    for (const [name] of othersOf(subjects[0]!))
      put(
        planInputs.other(name),
        subjects.map(subject => subject.prepared.tensors[name]!),
      )
    const [perturbation] = perturbations as [Perturbation]
    if (perturbation.kind === 'given') return tables
    const inserts = perturbation.kind === 'ranked' && perturbation.inserts === true
    let offset = 0
    for (const [at, name] of explained.names.entries()) {
      const present = subjects.map(subject => subject.explained.tensors[name]!)
      const absent = subjects.map(subject => subject.baselines[at]!)
      put(planInputs.kept(name), inserts ? absent : present)
      put(planInputs.removed(name), inserts ? present : absent)
      const { count, shape } = features[at]!
      const end = offset + count
      if (perturbation.kind === 'ranked') {
        const places = perturbations.flatMap(each => placesOf(each)?.subarray(offset, end) ?? [])
        if (places.length > 0)
          put(
            planInputs.ranks(name),
            places.map(data => ({ dtype: 'f32', shape: [...shape], data })),
          )
      } else if (perturbation.playerOf !== undefined && !perturbation.areUnits)
        tables[planInputs.players(name)] = {
          dtype: 'i64',
          shape: [count],
          data: BigInt64Array.from(perturbation.playerOf.subarray(offset, end), BigInt),
        }
      offset = end
    }
    return tables
  }
}
