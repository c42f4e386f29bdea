import type { NativePlan, NativeTensor } from '#typings/addon.js'
import { elementCount, type Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { classInput } from '../graph/compileTarget.js'
import { type Batching, batchingOf } from '../model/batching.js'
import type { Model } from '../model/model.js'
import { concatenate } from '../model/stack.js'
import { settle } from '../native.js'
import { othersOf, type PerturbationKind, type Players, perturbedPlan, planInputs } from './perturbedPlan.js'
import type { Subject } from './subject.js'

/** Copies in which features are removed in an order. */
export interface Ranked {
  readonly kind: 'ranked'
  /** The place of each feature in the order of removal, from 0. */
  readonly ranks: Float32Array
  /** One copy for each: features with a rank below it are removed. */
  readonly thresholds: readonly number[]
  /** Starts without anything, and thresholds say what comes back. */
  readonly inserts?: boolean
}

/** Copies in which groups of features are removed. */
export interface Masked {
  readonly kind: 'masked'
  readonly players: number
  /** The player of each feature; absent where every feature is its own. */
  readonly playerOf?: Int32Array
  /** Players are the units (pixels, tokens) of the explained values, one value after the other, whatever features are. */
  readonly areUnits?: boolean
  readonly count: number
  /** The players that are removed, of one copy. */
  readonly removed: (at: number) => ArrayLike<number>
}

export type CopyContents = readonly (Float32Array | Float64Array)[]

/** Copies that are made elsewhere. */
export interface GivenCopies {
  readonly kind: 'given'
  readonly count: number
  /** Contents of each explained value, in their order, of one copy. */
  readonly row: (at: number) => CopyContents | Promise<CopyContents>
}

/** Perturbed copies of one sample. */
export type Perturbation = Ranked | Masked | GivenCopies

export const copiesOf = (perturbation: Perturbation): number =>
  perturbation.kind === 'ranked' ? perturbation.thresholds.length : perturbation.count

/** What the model says of each copy: numbers by name, copy after copy. */
export type CopyScores = Readonly<Record<string, Float64Array>>

export interface RunsOptions {
  chunk?: number | undefined
  signal?: AbortSignal | undefined
}

/** What one pass may hold unless the model says otherwise. */
const defaultBytes = 256 << 20
/** More rows than this fill no kernel better. */
const greatestRows = 32

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
  /** Rows that fit the memory bound, by what decides it. */
  readonly #fitting = new Map<string, number>()

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
    if (readsClass) this.#checkClasses(subjects)
    const tables = this.#tables(subjects, perturbations)
    const results = counts.map(count =>
      Object.fromEntries(scores.map(name => [name, new Float64Array(count)])),
    )
    const places = counts.flatMap((count, item) =>
      Array.from({ length: count }, (_, copy) => [item, copy] as const),
    )
    for (let start = 0; start < places.length; start += rows) {
      const part = places.slice(start, start + rows)
      const inputs = { ...tables, ...(await rowInputs(subjects, perturbations, part, rows)) }
      if (readsClass)
        inputs[classInput] = {
          dtype: 'i64',
          shape: [rows, 1],
          data: BigInt64Array.from({ length: rows }, (_, at) =>
            BigInt(subjects[(part[at] ?? part[0]!)[0]]!.class!),
          ),
        }
      const outputs = await this.#pass(plan, inputs)
      this.passes += part.length
      for (const [at, [item, copy]] of part.entries())
        for (const [place, name] of scores.entries())
          results[item]![name]![copy] = Number(outputs[place]!.data[at])
    }
    return results
  }

  async #pass(plan: NativePlan, inputs: Record<string, NativeTensor>): Promise<NativeTensor[]> {
    const limit = this.model.memoryLimitBytes
    const { outputs } = await settle(
      () => plan.run(inputs, { guard: true, ...(limit === undefined ? {} : { memoryLimitBytes: limit }) }),
      this.options.signal,
    )
    return outputs
  }

  /** Equal passes that fit the memory bound and the model's batch. */
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
    let fitting = this.#fitting.get(key)
    if (fitting === undefined) {
      const { plan } = await perturbedPlan(model, subject, kind, players, 1, items, batching, options.signal)
      const { arenaBytes, scratchBytes } = plan.describe()
      const limit = model.memoryLimitBytes ?? defaultBytes
      fitting = Math.max(1, Math.floor((limit - scratchBytes) / Math.max(arenaBytes, 1)))
      this.#fitting.set(key, fitting)
    }
    const most = Math.min(options.chunk ?? greatestRows, fitting)
    const passes = Math.max(1, Math.ceil(total / most))
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
      if (perturbation.kind === 'ranked')
        put(
          planInputs.ranks(name),
          perturbations.map(each => ({
            dtype: 'f32',
            shape: [...shape],
            data: (each as Ranked).ranks.subarray(offset, end),
          })),
        )
      else if (perturbation.playerOf !== undefined && !perturbation.areUnits)
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

/** What each row of one pass is made by. Rows that fill the pass up repeat the first. */
async function rowInputs(
  subjects: readonly Subject[],
  perturbations: readonly Perturbation[],
  part: readonly (readonly [item: number, copy: number])[],
  rows: number,
): Promise<Record<string, NativeTensor>> {
  const at = (row: number) => part[row] ?? part[0]!
  const inputs: Record<string, NativeTensor> = {
    [planInputs.row]: {
      dtype: 'i64',
      shape: [rows],
      data: BigInt64Array.from({ length: rows }, (_, row) => BigInt(at(row)[0])),
    },
  }
  const [first] = perturbations as [Perturbation]
  if (first.kind === 'ranked')
    inputs[planInputs.threshold] = {
      dtype: 'f32',
      shape: [rows],
      data: Float32Array.from({ length: rows }, (_, row) => {
        const [item, copy] = at(row)
        return (perturbations[item] as Ranked).thresholds[copy]!
      }),
    }
  if (first.kind === 'masked') {
    const data = new Uint8Array(rows * first.players)
    for (let row = 0; row < rows; row++) {
      const [item, copy] = at(row)
      const removed = (perturbations[item] as Masked).removed(copy)
      for (let each = 0; each < removed.length; each++) data[row * first.players + removed[each]!] = 1
    }
    inputs[planInputs.mask] = { dtype: 'bool', shape: [rows, first.players], data }
  }
  if (first.kind === 'given') {
    const { names, tensors } = subjects[0]!.explained
    const given = names.map(name => {
      const { dtype, shape, data } = tensors[name]!
      const size = elementCount(shape)
      const Data = data.constructor as Float32ArrayConstructor
      return { dtype, shape: [rows, ...shape.slice(1)], data: new Data(rows * size), size }
    })
    for (let row = 0; row < part.length; row++) {
      const [item, copy] = part[row]!
      const contents = await (perturbations[item] as GivenCopies).row(copy)
      for (const [value, content] of contents.entries())
        given[value]!.data.set(content, row * given[value]!.size)
    }
    for (const [value, name] of names.entries()) {
      const { size: _, ...tensor } = given[value]!
      inputs[planInputs.given(name)] = tensor as NativeTensor
    }
  }
  return inputs
}
