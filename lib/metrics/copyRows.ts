import type { NativeTensor, RowsRequest } from '#typings/addon.js'
import { elementCount } from '../data/tensor.js'
import { classInput } from '../graph/compileTarget.js'
import {
  type CopyContents,
  copiesOf,
  type GivenCopies,
  type Masked,
  type Perturbation,
  type Ranked,
} from './perturbation.js'
import { planInputs } from './perturbedPlan.js'
import type { Subject } from './subject.js'

/** Copies of some samples that go to the native loop in one call. */
export interface CopyRows extends Pick<RowsRequest, 'rows' | 'marks' | 'count'> {
  /** Where they come from, sample by sample: copies `first` … `first + count - 1`. */
  readonly parts: readonly CopyPart[]
}

export interface CopyPart {
  readonly item: number
  readonly first: number
  readonly count: number
}

/** What one call may hold of contents that are made elsewhere, and of places that masks remove. */
const heldBytes = 64 << 20
const heldPlaces = 4 << 20

const indices = (numbers: ArrayLike<number>): NativeTensor => ({
  dtype: 'i32',
  shape: [numbers.length],
  data: Int32Array.from(numbers),
})

const wholes = (count: number, shape: number[], at: (row: number) => number): NativeTensor => ({
  dtype: 'i64',
  shape,
  data: BigInt64Array.from({ length: count }, (_, row) => BigInt(at(row))),
})

/** Cuts all copies of all samples into what calls hold: whole passes, as many as the bounds allow. */
function* partsOf(counts: readonly number[], atOnce: number): Generator<CopyPart[]> {
  let parts: CopyPart[] = []
  let held = 0
  for (const [item, count] of counts.entries())
    for (let first = 0; first < count; ) {
      const taken = Math.min(count - first, atOnce - held)
      parts.push({ item, first, count: taken })
      first += taken
      held += taken
      if (held < atOnce) continue
      yield parts
      parts = []
      held = 0
    }
  if (parts.length > 0) yield parts
}

/** The places that every copy removes, and what the map says of them. */
function marksOf(perturbations: readonly Masked[], parts: readonly CopyPart[]) {
  let places = new Int32Array(1024)
  let used = 0
  const ends: number[] = []
  for (const { item, first, count } of parts) {
    const { removed, weights, said } = perturbations[item]!
    for (let copy = first; copy < first + count; copy++) {
      const gone = removed(copy)
      if (used + gone.length > places.length) {
        const more = new Int32Array(2 * (used + gone.length))
        more.set(places.subarray(0, used))
        places = more
      }
      let sum = 0
      for (let at = 0; at < gone.length; at++) {
        places[used++] = gone[at]!
        sum += weights[gone[at]!]!
      }
      said[copy] = sum
      ends.push(used)
    }
  }
  const given: NativeTensor = { dtype: 'i32', shape: [used], data: places.subarray(0, used) }
  return { [planInputs.mask]: { ends: indices(ends), places: given } }
}

async function contentsOf(
  subjects: readonly Subject[],
  perturbations: readonly GivenCopies[],
  parts: readonly CopyPart[],
  count: number,
): Promise<Record<string, NativeTensor>> {
  const made: CopyContents[] = []
  for (const { item, first, count } of parts) made.push(await perturbations[item]!.rows(first, count))
  const { names, tensors } = subjects[0]!.explained
  return Object.fromEntries(
    names.map((name, value) => {
      const { dtype, shape, data: like } = tensors[name]!
      const Data = like.constructor as Float32ArrayConstructor
      let data = made[0]![value]! as Float32Array
      if (made.length > 1) {
        data = new Data(count * elementCount(shape))
        let offset = 0
        for (const contents of made) {
          data.set(contents[value]!, offset)
          offset += contents[value]!.length
        }
      }
      return [planInputs.given(name), { dtype, shape: [count, ...shape.slice(1)], data } as NativeTensor]
    }),
  )
}

/**
 * What the rows of the plan are made by, call by call: which sample each copies, and what is removed of it.
 *
 * @param rows Of one pass.
 */
export async function* copyRows(
  subjects: readonly Subject[],
  perturbations: readonly Perturbation[],
  rows: number,
  readsClass: boolean,
): AsyncGenerator<CopyRows> {
  const [first] = perturbations as [Perturbation]
  const { explained } = subjects[0]!
  const bytes = explained.names.reduce((sum, name) => sum + explained.tensors[name]!.data.byteLength, 0)
  const bound =
    first.kind === 'ranked'
      ? Number.POSITIVE_INFINITY
      : first.kind === 'given'
        ? heldBytes / bytes
        : heldPlaces / (first.mostRemoved ?? first.players)
  const atOnce = rows * Math.max(1, Math.floor(bound / rows))
  for (const parts of partsOf(perturbations.map(copiesOf), atOnce)) {
    const count = parts.reduce((sum, part) => sum + part.count, 0)
    const itemOf = parts.flatMap(({ item, count }) => new Array<number>(count).fill(item))
    const made: Record<string, NativeTensor> = {
      [planInputs.row]: wholes(count, [count], row => itemOf[row]!),
    }
    if (readsClass) made[classInput] = wholes(count, [count, 1], row => subjects[itemOf[row]!]!.class!)
    if (first.kind === 'ranked')
      made[planInputs.threshold] = {
        dtype: 'f32',
        shape: [count],
        data: Float32Array.from(
          parts.flatMap(({ item, first, count }) =>
            (perturbations[item] as Ranked).thresholds.slice(first, first + count),
          ),
        ),
      }
    if (first.kind === 'given')
      Object.assign(made, await contentsOf(subjects, perturbations as GivenCopies[], parts, count))
    yield {
      parts,
      count,
      rows: made,
      ...(first.kind === 'masked' ? { marks: marksOf(perturbations as Masked[], parts) } : {}),
    }
  }
}
