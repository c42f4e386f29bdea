import type { DTypeName, NativeSession, NativeTensor } from '#typings/addon.js'
import { arrayConstructors, createTensor, elementCount, type Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { GraphBuilder, type Value } from '../graph/builder.js'
import { onlyNeeded } from '../graph/onlyNeeded.js'
import { type Batching, batchingOf } from '../model/batching.js'
import { bindSizes } from '../model/bindSizes.js'
import type { Model } from '../model/model.js'
import { concatenate, stack } from '../model/stack.js'
import { call, native, settle } from '../native.js'
import type { Regions } from '../regions/regions.js'
import { expectInteger } from '../validate.js'
import { type Coalition, isMember } from './coalition.js'
import type { CoalitionEvaluator, Request } from './coalitionGame.js'

/** One thing whose regions play: an example as the model takes it, and how it is cut. */
export interface MaskedItem {
  /** All inputs by name, leading axis 1. */
  readonly tensors: Readonly<Record<string, Tensor>>
  readonly regions: Regions
  /** What absence looks like, in the model's space: a number, or a tensor [1, …] that broadcasts to the input. */
  readonly baseline: number | Tensor
}

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
  /** Coalitions of one pass; default as many as fit the memory bound, at most 32. */
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
  /** Time spent in passes so far. */
  readonly milliseconds: number
  /** Lets go of the items on the device. */
  dispose(): void
}

const names = {
  input: (name: string) => `ascribe.item.${name}`,
  regions: 'ascribe.regions',
  baseline: 'ascribe.baseline',
  items: 'ascribe.items',
  members: 'ascribe.members',
  mask: 'ascribe.mask',
}

/** What one pass may hold unless the model or the call says otherwise. */
const defaultChunkBytes = 256 << 20
/** More rows than this fill no kernel better. */
const greatestChunk = 32
/** Plans of models with more packed weights than this are made for two sizes of a pass, not for all. */
const heavyWeights = 96 << 20

function checkItems({ items, input, axes }: MaskedModelOptions): void {
  const [first] = items
  if (first === undefined) throw new AscribeError('INPUT_MISSING', 'There is nothing to mask')
  const shape = first.tensors[input]?.shape
  if (shape === undefined) throw new AscribeError('INPUT_MISSING', `The model has no input called "${input}"`)
  for (const { tensors, regions, baseline } of items) {
    for (const [name, tensor] of Object.entries(first.tensors))
      if (tensors[name]?.shape.join() !== tensor.shape.join())
        throw new AscribeError('INPUT_SHAPE', `The items have input "${name}" in different shapes`)
    const cut = axes.map(axis => shape[axis])
    if (regions.shape.join() !== cut.join())
      throw new AscribeError(
        'INPUT_SHAPE',
        `The regions lie on [${regions.shape.join(', ')}], and axes ${axes.join(', ')} of "${input}" are [${cut.join(', ')}]`,
      )
    if (typeof baseline === 'number') {
      if (!Number.isFinite(baseline))
        throw new AscribeError('INPUT_VALUE', `The baseline is ${baseline}, not a finite number`)
      continue
    }
    const fits =
      baseline.shape.length === shape.length &&
      baseline.shape.every((size, axis) => size === 1 || size === shape[axis])
    if (!fits)
      throw new AscribeError(
        'INPUT_SHAPE',
        `The baseline has shape [${baseline.shape.join(', ')}], which does not broadcast to [${shape.join(', ')}]`,
      )
    if (!(baseline.data instanceof BigInt64Array) && !baseline.data.every(Number.isFinite))
      throw new AscribeError('INPUT_VALUE', 'The baseline holds NaN or infinity')
  }
}

/** A baseline as a tensor of the input's dtype, [1, …]. */
function baselineTensor({ tensors, baseline }: MaskedItem, input: string): Tensor {
  const { dtype, shape } = tensors[input]!
  const isWhole = dtype === 'i64'
  const convert = (numbers: ArrayLike<number | bigint>) =>
    isWhole
      ? BigInt64Array.from(Array.from(numbers, BigInt))
      : arrayConstructors[dtype as 'f32'].from(Array.from(numbers, Number))
  if (typeof baseline === 'number')
    return createTensor(dtype, new Array<number>(shape.length).fill(1), convert([baseline]) as never)
  return createTensor(dtype, baseline.shape, convert(baseline.data as ArrayLike<number | bigint>) as never)
}

/** A baseline repeated so that all items' have one shape. */
function commonBaselines(items: readonly MaskedItem[], input: string): Tensor {
  const tensors = items.map(item => baselineTensor(item, input))
  const shape = tensors[0]!.shape
  if (tensors.every(tensor => tensor.shape.join() === shape.join())) return concatenate(tensors)
  throw new AscribeError('INPUT_SHAPE', 'The items have baselines of different shapes')
}

/**
 * Values of coalitions from a model: members keep what they hold, the rest is set to the baseline. Masks are applied
 * inside the compiled plan: examples and region maps lie on the device, and a pass is given only which item and which
 * players each row has. Rows of different items may stand in one pass.
 *
 * @throws AscribeError `INPUT_SHAPE` where regions, baseline and input do not fit; `MODEL_CAPABILITY` where examples of
 *   a batch change each other and its size is fixed; `OUT_OF_MEMORY_BUDGET`, `ABORTED`.
 */
export async function maskedModel(options: MaskedModelOptions): Promise<MaskedModel> {
  checkItems(options)
  const { model, items, input, axes, readout, render, signal, precision = 'f32' } = options
  const first = items[0]!
  const batching = await batchingOf(model, first.tensors, signal)
  const greatest = Math.max(...items.map(item => item.regions.count))
  // Plans serve games of about as many players.
  const players = 16 * Math.ceil(greatest / 16)
  const places = elementCount(first.regions.shape)
  const baselines = commonBaselines(items, input)
  const wide = (dtype: DTypeName): DTypeName => (precision === 'f64' && dtype === 'f32' ? 'f64' : dtype)

  const describe = () => {
    const builder = new GraphBuilder()
    const item = builder.input(names.items, 'i64', ['ascribe.rows'])
    const perRow = (name: string, dtype: DTypeName, shape: readonly number[]) =>
      builder.apply('gather', [builder.state(name, wide(dtype), [items.length, ...shape]), item], { axis: 0 })
    const shape = first.tensors[input]!.shape
    const bits = render
      ? builder.input(names.mask, wide('f32'), ['ascribe.rows', places])
      : builder.apply(
          'gatherElements',
          [
            builder.input(names.members, 'bool', ['ascribe.rows', players]),
            perRow(names.regions, 'i32', [places]),
          ],
          { axis: 1 },
        )
    const masked = builder.apply('reshape', [
      bits,
      builder.integers([-1, ...shape.slice(1).map((size, at) => (axes.includes(at + 1) ? size : 1))]),
    ])
    const inputs = Object.fromEntries(
      Object.entries(first.tensors).map(([name, tensor]) => {
        const own = perRow(names.input(name), tensor.dtype, tensor.shape.slice(1))
        if (name !== input) return [name, own]
        const absent = perRow(names.baseline, tensor.dtype, baselines.shape.slice(1))
        if (!render) return [name, builder.apply('where', [masked, own, absent])]
        const gap = builder.apply('sub', [own, absent])
        return [name, builder.apply('add', [absent, builder.apply('mul', [masked, gap])])]
      }),
    )
    const values = builder.include(batching.graph, { inputs })
    const outputs = new Map(
      model.outputs.flatMap(({ name }) => {
        const value = model.output(values, name)
        return value === undefined ? [] : [[name, value] as const]
      }),
    )
    return onlyNeeded(builder.build(readout.outputs(builder, outputs, values)))
  }
  const kind = JSON.stringify([
    readout.key,
    input,
    axes,
    render ? 'soft' : players,
    baselines.shape.slice(1),
    items.length,
    Object.entries(first.tensors).map(([name, { dtype, shape }]) => [name, dtype, shape]),
    first.regions.shape,
    precision,
    batching.graph === model.graph,
  ])
  const compile = (rows: number) => {
    const stacked = Object.entries(first.tensors).map(([name, tensor]): [string, Tensor] => [
      name,
      { ...tensor, shape: [rows, ...tensor.shape.slice(1)] },
    ])
    const sizes = { ...bindSizes(batching.inputs, Object.fromEntries(stacked)), 'ascribe.rows': rows }
    return model.plan(`masked ${rows} ${kind}`, describe, { sizes, precision }, signal)
  }

  const sizes = await passSizes(model, batching, options.chunk, compile)
  const session = openSession(model, describe(), items, baselines, precision, render !== undefined)
  const plan = await compile(sizes[0]!)
  let peakBytes = 0
  let milliseconds = 0

  const pass = async (requests: readonly Request[], rows: number, abort: AbortSignal | undefined) => {
    const members = new Uint8Array(render ? 0 : rows * players)
    const mask = render ? new arrayConstructors[wide('f32') as 'f32'](rows * places) : undefined
    const item = new BigInt64Array(rows)
    for (const [row, { item: of, coalition }] of requests.entries()) {
      item[row] = BigInt(of)
      if (mask) {
        mask.set(render!(coalition), row * places)
        continue
      }
      const { count } = items[of]!.regions
      for (let player = 0; player < count; ++player)
        if (isMember(coalition, player)) members[row * players + player] = 1
    }
    const used = await compile(rows)
    const result = await settle(
      () =>
        used.run(
          {
            [names.items]: { dtype: 'i64', shape: [rows], data: item },
            ...(mask
              ? { [names.mask]: { dtype: wide('f32'), shape: [rows, places], data: mask } as NativeTensor }
              : { [names.members]: { dtype: 'bool', shape: [rows, players], data: members } }),
          },
          {
            session,
            ...(model.memoryLimitBytes === undefined ? {} : { memoryLimitBytes: model.memoryLimitBytes }),
          },
        ),
      abort,
    )
    peakBytes = Math.max(peakBytes, result.peakBytes)
    milliseconds += result.milliseconds
    return requests.map((request, row) =>
      readout.read(
        result.outputs.map(({ data }) => {
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
  compile: (
    rows: number,
  ) => Promise<{ describe(): { arenaBytes: number; scratchBytes: number; weightBytes: number } }>,
): Promise<number[]> {
  const wanted = requested === undefined ? greatestChunk : expectInteger('chunk', requested, 1, 1 << 20)
  if (batching.size !== 'any') return [batching.size]
  const { arenaBytes, scratchBytes, weightBytes } = (await compile(1)).describe()
  const limit = model.memoryLimitBytes ?? defaultChunkBytes
  const chunk = Math.max(1, Math.min(wanted, Math.floor((limit - scratchBytes) / Math.max(arenaBytes, 1))))
  const sizes = [chunk]
  if (weightBytes <= heavyWeights) {
    let size = 2 ** Math.floor(Math.log2(Math.max(chunk - 1, 1)))
    for (; size > 1; size /= 2) if (size < chunk) sizes.push(size)
  }
  if (chunk > 1) sizes.push(1)
  return sizes
}

/** Puts items, region maps and baselines where the plans read them. */
function openSession(
  model: Model,
  graph: Parameters<ReturnType<typeof native>['createGraph']>[0],
  items: readonly MaskedItem[],
  baselines: Tensor,
  precision: 'f32' | 'f64',
  isSoft: boolean,
): NativeSession {
  const session = call(() => native().createGraph(graph).session({}, { device: model.device }))
  const write = (name: string, tensor: Tensor) => {
    const isWidened = precision === 'f64' && tensor.dtype === 'f32'
    const data = isWidened ? Float64Array.from(tensor.data as Float32Array) : tensor.data
    const given = { dtype: isWidened ? 'f64' : tensor.dtype, shape: [...tensor.shape], data }
    call(() => session.write(name, given as NativeTensor))
  }
  for (const [name, tensor] of Object.entries(stack(items.map(item => item.tensors))))
    write(names.input(name), tensor)
  write(names.baseline, baselines)
  if (isSoft) return session
  const places = items[0]!.regions.labels.length
  const labels = new Int32Array(items.length * places)
  for (const [at, { regions }] of items.entries()) labels.set(regions.labels, at * places)
  write(names.regions, createTensor('i32', [items.length, places], labels))
  return session
}
