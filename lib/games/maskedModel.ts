import type { GraphDescription, NativePlan, NativeSession, NativeTensor } from '#typings/addon.js'
import { arrayConstructors, elementCount, type Tensor } from '../data/tensor.js'
import type { GraphBuilder, Value } from '../graph/builder.js'
import { type Batching, batchingOf } from '../model/batching.js'
import { bindSizes } from '../model/bindSizes.js'
import type { Model } from '../model/model.js'
import { settle } from '../native.js'
import { expectInteger } from '../validate.js'
import { type Coalition, isMember } from './coalition.js'
import type { CoalitionEvaluator, Request } from './coalitionGame.js'
import {
  type MaskedLayout,
  type MaskedOutputs,
  maskedGraph,
  maskedNames,
  openMaskedSession,
  readsMaskedInput,
  wideDtype,
} from './maskedGraph.js'
import { checkItems, commonBaselines, type MaskedItem } from './maskedItem.js'
import { chooseStem, type Stem, stemForms } from './stem.js'

/** What of the outputs makes a value. */
export interface Readout {
  /** Tells the plans of readouts apart. */
  readonly key: string
  /** Numbers of one value. */
  readonly width: number
  /**
   * Values [N, …] of the graph that are read.
   *
   * @param outputs The model's outputs by name.
   * @param values All named values of the model.
   */
  outputs(
    builder: GraphBuilder,
    outputs: ReadonlyMap<string, Value>,
    values: ReadonlyMap<string, Value>,
  ): Value[]
  /** The value from one row of each of them. */
  read(rows: readonly ArrayLike<number>[], request: Request): Float64Array
}

export interface MaskedModelOptions {
  model: Model
  /** Items of equal shapes. Their number should be small: all are held on the device. */
  items: readonly MaskedItem[]
  /** The input that is masked. */
  input: string
  /** Axes of that input that the regions lie on, in the order of their shape: [2, 3] for NCHW pictures. */
  axes: readonly number[]
  readout: Readout
  /**
   * What a coalition means where masks are real numbers: how much of each place is kept, 0 to 1. Without it, members are
   * regions that are kept whole.
   */
  render?: ((coalition: Coalition) => ArrayLike<number>) | undefined
  /**
   * Sets that are going to be evaluated of each item, about: where there are many, early layers of a convolution net are
   * computed once for all of them (see {@link Stem}). Default 0: they are not.
   */
  evaluations?: number | undefined
  /** Coalitions of one pass; default as many as fit the memory bound and the caches, at most 32. */
  chunk?: number | undefined
  /** 'f64' runs the reference kernels in double. */
  precision?: 'f32' | 'f64' | undefined
  signal?: AbortSignal | undefined
}

/** Values from a model under masks. */
export interface MaskedModel extends CoalitionEvaluator {
  /** Where it runs. */
  readonly device: string
  readonly batching: Batching
  /** Greatest memory of a pass so far, in bytes. */
  readonly peakBytes: number
  /** The value that passes begin behind, where early layers were computed once for all sets. */
  readonly stem: string | undefined
  /** Time spent in passes so far. */
  readonly milliseconds: number
  /** Lets go of the items on the device. */
  dispose(): void
}

/** What one pass may hold unless the model or the call says otherwise. */
const defaultChunkBytes = 256 << 20
/** More rows than this fill no kernel better. */
const greatestChunk = 32
/** Passes whose values fit the caches of a processor are faster, as long as there are some rows for its kernels. */
const cacheBytes = 32 << 20
const fewRows = 8
/** Plans of models with more packed weights than this are made for two sizes of a pass, not for all. */
const heavyWeights = 96 << 20

/**
 * Values of coalitions from a model: members keep what they hold, the rest is set to the baseline. Masks are applied
 * inside the compiled plan: examples and region maps lie on the device, and a pass is given only which item and which
 * players each row has. Rows of different items may stand in one pass.
 *
 * @throws AscribeError `INPUT_SHAPE` where regions, baseline and input do not fit; `MODEL_CAPABILITY` where examples of
 *   a batch change each other and its size is fixed; `OUT_OF_MEMORY_BUDGET`, `ABORTED`.
 */
export async function maskedModel(options: MaskedModelOptions): Promise<MaskedModel> {
  const { model, items, input, axes, readout, render, signal, precision = 'f32' } = options
  checkItems(items, input, axes)
  const first = items[0]!
  const batching = await batchingOf(model, first.tensors, signal)
  const greatest = Math.max(...items.map(item => item.regions.count))
  const layout: MaskedLayout = {
    model,
    graph: batching.graph,
    items,
    input,
    axes,
    baselines: commonBaselines(items, input),
    // Plans serve games of about as many players.
    players: 16 * Math.ceil((greatest + 1) / 16),
    isSoft: render !== undefined,
    precision,
  }
  const plain = maskedGraph(layout, readout.outputs)
  const stem = batching.size === 'any' ? usableStem(layout, options) : undefined
  const graph = stem === undefined ? plain : maskedGraph(layout, readout.outputs, stem)
  const kind = JSON.stringify([
    input,
    axes,
    render ? 'soft' : layout.players,
    layout.baselines.shape.slice(1),
    items.length,
    Object.entries(first.tensors).map(([name, { dtype, shape }]) => [name, dtype, shape]),
    first.regions.shape,
    precision,
    batching.graph === model.graph,
  ])
  /** A plan of one of the graphs for passes of so many rows. */
  const compile = (key: string, describe: () => GraphDescription, rows: number) => {
    const stacked = Object.entries(first.tensors).map(([name, tensor]): [string, Tensor] => [
      name,
      { ...tensor, shape: [rows, ...tensor.shape.slice(1)] },
    ])
    const sizes = { ...bindSizes(batching.inputs, Object.fromEntries(stacked)), [maskedNames.rows]: rows }
    return model.plan(`masked ${rows} ${key} ${kind}`, describe, { sizes, precision }, signal)
  }
  const compileRows = (rows: number) =>
    compile(JSON.stringify([readout.key, stem && [stem.value.name, stem.colors]]), () => graph, rows)

  const sizes = await passSizes(model, batching, options.chunk, compileRows)
  let peakBytes = 0
  let milliseconds = 0

  const runRows = async (
    plan: NativePlan,
    session: NativeSession,
    requests: readonly Request[],
    rows: number,
    abort: AbortSignal | undefined,
  ) => {
    const result = await settle(
      () =>
        plan.run(rowInputs(layout, requests, rows, render), {
          session,
          ...(model.memoryLimitBytes === undefined ? {} : { memoryLimitBytes: model.memoryLimitBytes }),
        }),
      abort,
    )
    peakBytes = Math.max(peakBytes, result.peakBytes)
    milliseconds += result.milliseconds
    return result.outputs
  }

  /** What a stem looks up: its value under every union of colours. */
  const computeForms = async (of: Stem): Promise<Tensor> => {
    const [down, across] = of.value.reach
    const forms: MaskedOutputs = (builder, _, values) => [
      builder.apply('transpose', [values.get(of.value.name)!], { permutation: [0, 2, 3, 1] }),
    ]
    const shallow = maskedGraph(layout, forms)
    const rows = Math.min(sizes[0]!, 2 ** of.colors)
    const plan = await compile(JSON.stringify(['forms', of.value.name]), () => shallow, rows)
    const session = openMaskedSession(layout, shallow)
    try {
      const requests = items.flatMap((_, item) =>
        stemForms(of, item).map((coalition): Request => ({ item, coalition })),
      )
      const each = down.size * across.size * of.value.channels
      const data = new arrayConstructors[wideDtype(layout, 'f32') as 'f32'](requests.length * each)
      for (let at = 0; at < requests.length; at += rows) {
        const part = requests.slice(at, at + rows)
        const [found] = await runRows(plan, session, part, rows, signal)
        data.set((found!.data as Float32Array).subarray(0, part.length * each), at * each)
      }
      return {
        dtype: wideDtype(layout, 'f32') as 'f32',
        shape: [data.length / of.value.channels, of.value.channels],
        data,
      }
    } finally {
      session.dispose()
    }
  }

  const plan = await compileRows(sizes[0]!)
  const session = openMaskedSession(
    layout,
    graph,
    stem === undefined ? undefined : { stem, forms: await computeForms(stem) },
  )

  const pass = async (requests: readonly Request[], rows: number, abort: AbortSignal | undefined) => {
    const outputs = await runRows(await compileRows(rows), session, requests, rows, abort)
    return requests.map((request, row) =>
      readout.read(
        outputs.map(({ data }) => {
          const each = data.length / rows
          return (data as Float32Array).subarray(row * each, (row + 1) * each)
        }),
        request,
      ),
    )
  }

  return {
    batch: sizes[0]!,
    width: readout.width,
    device: plan.describe().device,
    stem: stem?.value.name,
    batching,
    get peakBytes() {
      return peakBytes
    },
    get milliseconds() {
      return milliseconds
    },
    async evaluate(requests, abort = signal) {
      const values: Float64Array[] = []
      for (let at = 0; at < requests.length; ) {
        const rest = requests.length - at
        // The smallest pass that holds the rest, unless a quarter of it would be empty.
        const holding = sizes.findLast(size => size >= rest)
        const rows =
          holding !== undefined && 4 * (holding - rest) <= holding
            ? holding
            : (sizes.find(size => size <= rest) ?? sizes.at(-1)!)
        values.push(...(await pass(requests.slice(at, at + rows), rows, abort)))
        at += rows
      }
      return values
    },
    dispose: () => session.dispose(),
  }
}

/** Rows of the passes that are used, greatest first: the chunk, and smaller ones for what is left over. */
async function passSizes(
  model: Model,
  batching: Batching,
  requested: number | undefined,
  compile: (rows: number) => Promise<{
    describe(): { arenaBytes: number; scratchBytes: number; weightBytes: number; device: string }
  }>,
): Promise<number[]> {
  const given = requested === undefined ? undefined : expectInteger('chunk', requested, 1, 1 << 20)
  if (batching.size !== 'any') return [batching.size]
  const { arenaBytes, scratchBytes, weightBytes, device } = (await compile(1)).describe()
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

/** The stem that saves most of the work that is ahead, where there is one. */
function usableStem(layout: MaskedLayout, options: MaskedModelOptions): Stem | undefined {
  const { model, items, input, axes, graph, isSoft } = layout
  const { shape } = items[0]!.tensors[input]!
  const { evaluations = 0 } = options
  if (isSoft || evaluations === 0 || shape.length !== 4 || axes.join() !== '2,3') return undefined
  const stem = chooseStem({
    graph,
    input,
    shape: [shape[1]!, shape[2]!, shape[3]!],
    regions: items.map(({ regions }) => regions),
    evaluations,
    memoryLimitBytes: model.memoryLimitBytes,
  })
  // What is read may lie before its end.
  if (stem === undefined || readsMaskedInput(maskedGraph(layout, options.readout.outputs, stem), input))
    return undefined
  return stem
}

/** The inputs of a pass: which item and which players (or which mask) each row has. */
function rowInputs(
  layout: MaskedLayout,
  requests: readonly Request[],
  rows: number,
  render: MaskedModelOptions['render'],
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
