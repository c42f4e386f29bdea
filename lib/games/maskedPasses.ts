import type { GraphDescription, NativePlan, NativeSession, NativeTensor } from '#typings/addon.js'
import { arrayConstructors, elementCount, type Tensor } from '../data/tensor.js'
import type { Batching } from '../model/batching.js'
import type { Model } from '../model/model.js'
import { cacheBytes } from '../model/passRows.js'
import { describePlan } from '../native.js'
import { expectInteger } from '../validate.js'
import { type Coalition, isMember } from './coalition.js'
import type { Request } from './coalitionGame.js'
import {
  type MaskedLayout,
  type MaskedOutputs,
  maskedGraph,
  maskedNames,
  openMaskedSession,
  stemReplacement,
  stemStates,
  wideDtype,
} from './maskedGraph.js'
import type { Readout } from './maskedModel.js'
import { type Stem, stemForms } from './stem.js'

/** What passes of a masked model are made of. */
export interface PassContext {
  readonly layout: MaskedLayout
  readonly batching: Batching
  readonly readout: Readout
  readonly render: ((coalition: Coalition) => ArrayLike<number>) | undefined
  /** Rows of a pass, where they are given. */
  readonly chunk: number | undefined
  readonly signal: AbortSignal | undefined
  /** A plan of one of the graphs for passes of so many rows. */
  compile(key: string, describe: () => GraphDescription, rows: number): Promise<NativePlan>
  run(
    plan: NativePlan,
    session: NativeSession,
    inputs: Record<string, NativeTensor>,
    signal: AbortSignal | undefined,
  ): Promise<readonly NativeTensor[]>
}

/** How early layers are spared, and up to which value. */
export interface Shortcut {
  readonly kind: 'patches' | 'stem'
  readonly value: string
}

/** Runs sets through a model, pass by pass. */
export interface Passes {
  /** Sets that are best handed over at once. */
  readonly batch: number
  /** Rows of the largest pass. */
  readonly chunk: number
  readonly device: string
  readonly shortcut: Shortcut | undefined
  evaluate(requests: readonly Request[], signal: AbortSignal | undefined): Promise<Float64Array[]>
  dispose(): void
}

/** What one pass may hold unless the model or the call says otherwise. */
const defaultChunkBytes = 256 << 20
/** More rows than this fill no kernel better. */
const greatestChunk = 32
/** Passes whose values fit the caches are faster, as long as there are some rows for kernels. */
const fewRows = 8
/** Plans of models with more packed weights than this are made for two sizes of a pass, not for all. */
const heavyWeights = 96 << 20

/** Rows of the passes that are used, greatest first: the chunk, and smaller ones for what is left over. */
export async function passSizes(
  model: Model,
  batching: Batching,
  requested: number | undefined,
  compile: (rows: number) => Promise<{
    describe(): { arenaBytes: number; scratchBytes: number; weightBytes: number; device: string }
  }>,
): Promise<number[]> {
  const given = requested === undefined ? undefined : expectInteger('chunk', requested, 1, 1 << 20)
  if (batching.size !== 'any') return [batching.size]
  const { arenaBytes, scratchBytes, weightBytes, device } = describePlan(await compile(1))
  const limit = model.memoryLimitBytes ?? defaultChunkBytes
  const cached =
    device === 'cpu' ? Math.max(fewRows, Math.floor(cacheBytes / Math.max(arenaBytes, 1))) : greatestChunk
  const wanted = given ?? Math.min(greatestChunk, cached)
  const chunk = Math.max(1, Math.min(wanted, Math.floor((limit - scratchBytes) / Math.max(arenaBytes, 1))))
  const sizes = [chunk]
  if (weightBytes <= heavyWeights) {
    let size = 2 ** Math.floor(Math.log2(Math.max(chunk - 1, 1)))
    for (; size > 1; size /= 2) if (size < chunk) sizes.push(size)
  }
  if (chunk > 1) sizes.push(1)
  return sizes
}

/** The inputs of a pass: which item and which players (or which mask) each row has. */
export function rowInputs(
  layout: MaskedLayout,
  requests: readonly Request[],
  rows: number,
  render: PassContext['render'],
): Record<string, NativeTensor> {
  const { items, players } = layout
  const item = new BigInt64Array(rows)
  for (const [row, request] of requests.entries()) item[row] = BigInt(request.item)
  const ofItems: NativeTensor = { dtype: 'i64', shape: [rows], data: item }
  if (render) {
    const places = elementCount(items[0]!.regions.shape)
    const dtype = wideDtype(layout, 'f32')
    const data = new arrayConstructors[dtype as 'f32'](rows * places)
    for (const [row, { coalition }] of requests.entries()) data.set(render(coalition), row * places)
    return { [maskedNames.items]: ofItems, [maskedNames.mask]: { dtype, shape: [rows, places], data } }
  }
  const members = new Uint8Array(rows * players)
  for (const [row, { item: of, coalition }] of requests.entries()) {
    const { count } = items[of]!.regions
    for (let player = 0; player < count; ++player)
      if (isMember(coalition, player)) members[row * players + player] = 1
  }
  return {
    [maskedNames.items]: ofItems,
    [maskedNames.members]: { dtype: 'bool', shape: [rows, players], data: members },
  }
}

/** Rows of the pass that comes next: the smallest that holds the rest, unless a quarter of it would be empty. */
export function rowsFor(rest: number, sizes: readonly number[]): number {
  const holding = sizes.findLast(size => size >= rest)
  return holding !== undefined && 4 * (holding - rest) <= holding
    ? holding
    : (sizes.find(size => size <= rest) ?? sizes.at(-1)!)
}

/** The values of each request from the outputs of a pass. */
export const readRows = (
  { readout }: PassContext,
  outputs: readonly NativeTensor[],
  requests: readonly Request[],
  rows: number,
): Float64Array[] =>
  requests.map((request, row) =>
    readout.read(
      outputs.map(({ data }) => {
        const each = data.length / rows
        return (data as Float32Array).subarray(row * each, (row + 1) * each)
      }),
      request,
    ),
  )

/** What a stem looks up: its value under every union of colours. */
async function computeForms(context: PassContext, stem: Stem, greatestRows: number): Promise<Tensor> {
  const { layout, signal, render } = context
  const { value, colors } = stem
  const forms: MaskedOutputs = (builder, _, values) => [
    builder.apply('transpose', [values.get(value.name)!], { permutation: [0, 2, 3, 1] }),
  ]
  const shallow = maskedGraph(layout, forms)
  const rows = Math.min(greatestRows, 2 ** colors)
  const plan = await context.compile(JSON.stringify(['forms', value.name]), () => shallow, rows)
  const session = openMaskedSession(layout, [shallow])
  try {
    const requests = layout.items.flatMap((_, item) =>
      stemForms(stem, item).map((coalition): Request => ({ item, coalition })),
    )
    const each = value.reach[0].size * value.reach[1].size * value.channels
    const dtype = wideDtype(layout, 'f32') as 'f32'
    const data = new arrayConstructors[dtype](requests.length * each)
    for (let at = 0; at < requests.length; at += rows) {
      const part = requests.slice(at, at + rows)
      const [found] = await context.run(plan, session, rowInputs(layout, part, rows, render), signal)
      data.set((found!.data as Float32Array).subarray(0, part.length * each), at * each)
    }
    return { dtype, shape: [data.length / value.channels, value.channels], data }
  } finally {
    session.dispose()
  }
}

/** Passes of the whole model, or of what is behind its stem. */
export async function wholePasses(context: PassContext, stem: Stem | undefined): Promise<Passes> {
  const { layout, batching, readout, render } = context
  const graph = maskedGraph(layout, readout.outputs, stem && stemReplacement(layout, stem))
  const key = JSON.stringify([readout.key, stem && [stem.value.name, stem.colors]])
  const compile = (rows: number) => context.compile(key, () => graph, rows)
  const sizes = await passSizes(layout.model, batching, context.chunk, compile)
  const plan = await compile(sizes[0]!)
  const states = stem && stemStates(layout, stem, await computeForms(context, stem, sizes[0]!))
  const session = openMaskedSession(layout, [graph], states)
  return {
    batch: sizes[0]!,
    chunk: sizes[0]!,
    device: describePlan(plan).device,
    shortcut: stem && { kind: 'stem', value: stem.value.name },
    async evaluate(requests, signal) {
      const values: Float64Array[] = []
      while (values.length < requests.length) {
        const rows = rowsFor(requests.length - values.length, sizes)
        const part = requests.slice(values.length, values.length + rows)
        const inputs = rowInputs(layout, part, rows, render)
        const outputs = await context.run(await compile(rows), session, inputs, signal)
        values.push(...readRows(context, outputs, part, rows))
      }
      return values
    },
    dispose: () => session.dispose(),
  }
}
