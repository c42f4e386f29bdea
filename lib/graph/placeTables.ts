import type { GraphDescription, NodeDescription } from '#typings/addon.js'
import type { GraphBuilder, Value } from './builder.js'
import { elementwise, numbers, shapeOf, slide } from './localValues.js'
import {
  joinedLists,
  type PlaceChanges,
  type PlaceLists,
  type PlaceWindow,
  pixelLists,
  rowsOfCopies,
  rowsRead,
  versionsIn,
} from './placeLists.js'

/** A value [copies, C, height, width] whose places are computed once for each content that their window can have. */
interface PlaceTable {
  readonly lists: PlaceLists
  readonly channels: number
  /** [versions, channels]. */
  readonly rows: Value
}

/** Shares of what all copies would take, above which places are not worth telling apart. */
const greatestShare = 0.5
/** To put a number of a copy together takes as long as so many multiplications. */
const gatherCost = 40

/** What a graph is put together from: see {@link placeTables}. */
export interface PlaceTables {
  /** By name, the values behind which copies are whole again: [copies, C, height, width]. */
  readonly values: Record<string, () => Value>
}

/** Every place reads itself. */
const same = (height: number, width: number): PlaceWindow => ({ height, width, taps: 1, at: place => place })

function windowOf(
  node: NodeDescription,
  { lists }: PlaceTable,
  kernel: readonly number[],
): PlaceWindow | undefined {
  const [down, across] = [lists.height, lists.width].map((size, axis) =>
    slide(node, { step: 1, first: 0, last: 0, size }, axis, kernel[axis]!),
  )
  if (down === undefined || across === undefined) return undefined
  const [dilationDown, dilationAcross] = numbers(node, 'dilations', [1, 1]) as [number, number]
  const [, wide] = kernel as [number, number]
  return {
    height: down.size,
    width: across.size,
    taps: kernel[0]! * wide,
    at: (place, tap) => {
      const y =
        Math.floor(place / across.size) * down.step + down.first + Math.floor(tap / wide) * dilationDown
      const x = (place % across.size) * across.step + across.first + (tap % wide) * dilationAcross
      return y < 0 || x < 0 || y >= lists.height || x >= lists.width ? -1 : y * lists.width + x
    },
  }
}

/**
 * The first layers of a convolution net over copies of one picture that differ at few places at a time (patches that are
 * removed, a window that slides). A place of an early value reads a small window, so most copies have there what others
 * have: it is computed once for every content of its window (a version), all versions in one product, and the copies are
 * put together behind the last value where that saves work.
 *
 * @param graph The model; its batch is the copies.
 * @param input Index of the picture [N, C, height, width] among the graph's values.
 * @param kept,removed Rows of pixels [height * width, C]: unchanged, and changed.
 * @param limitBytes What one value may take; larger tables are not laid out.
 * @returns Undefined where nothing is saved.
 */
export function placeTables(
  builder: GraphBuilder,
  graph: GraphDescription,
  input: number,
  shape: readonly [channels: number, height: number, width: number],
  changes: PlaceChanges,
  kept: Value,
  removed: Value,
  limitBytes: number,
): PlaceTables | undefined {
  const [channels, height, width] = shape
  const copies = changes.steps + 1
  const pixels = pixelLists(changes, height, width)
  const indices = (rows: Int32Array, shape: number[]) => builder.constant('i32', shape, rows)
  const pick = (rows: Value, at: Int32Array, shape: number[]) =>
    builder.apply('gather', [rows, indices(at, shape)], { axis: 0 })
  const area = height * width
  const pixelRows = Int32Array.from({ length: versionsIn(pixels) })
  for (let pixel = 0; pixel < area; pixel++) {
    const row = pixels.starts[pixel]! + pixel
    pixelRows[row] = pixel
    if (pixels.starts[pixel + 1]! > pixels.starts[pixel]!) pixelRows[row + 1] = area + pixel
  }
  const tables = new Map<number, PlaceTable>([
    [
      input,
      {
        lists: pixels,
        channels,
        rows: pick(builder.apply('concat', [kept, removed], { axis: 0 }), pixelRows, [pixelRows.length]),
      },
    ],
  ])
  const varies = new Set<number>(graph.inputs)
  for (const [index, { kind }] of graph.values.entries()) if (kind === 'state') varies.add(index)
  let saved = 0

  /** No operand, or one that can be had once more; what is computed of constants is not. */
  const isGiven = (index: number): boolean =>
    index < 0 || (!varies.has(index) && ['parameter', 'constant'].includes(graph.values[index]!.kind))
  /** A weight or constant, once more without its name: the graph that is included brings its own. */
  const copied = (index: number): Value => {
    const value = graph.values[index]!
    if (value.kind === 'parameter')
      return builder.find(value.name) ?? builder.parameter(value.name, value.dtype, value.shape)
    if (value.kind !== 'constant') throw new Error('a constant operand')
    return 'source' in value
      ? builder.constantFrom(value.source)
      : builder.constant(value.dtype, value.shape, value.data)
  }
  /** A constant that is the same at every place, as it meets rows [versions, channels]. */
  const perChannel = (index: number, channels: number): Value | undefined => {
    const own = shapeOf(graph, index)
    const sizes = own?.map(Number) ?? []
    if (own?.length === 0) return copied(index)
    if (own === undefined || sizes.length > 4 || sizes.slice(-2).some(size => size !== 1)) return undefined
    if (sizes.length === 4 && sizes[0] !== 1) return undefined
    const count = sizes.length < 3 ? 1 : sizes.at(-3)!
    // More of them than there are channels would stretch the value.
    if (count !== 1 && count !== channels) return undefined
    return builder.apply('reshape', [copied(index), builder.integers([count])])
  }
  /** A table's rows as others' versions see them. */
  const aligned = (table: PlaceTable, lists: PlaceLists): Value => {
    if (table.lists === lists) return table.rows
    const window = same(lists.height, lists.width)
    const read = rowsRead(lists, table.lists, window, changes.stay, 0)
    return pick(table.rows, read, [read.length])
  }
  const alike = (operands: readonly PlaceTable[]): PlaceLists => {
    const [first] = operands as [PlaceTable]
    if (operands.every(({ lists }) => lists === first.lists)) return first.lists
    const window = same(first.lists.height, first.lists.width)
    const joined = joinedLists(
      operands.map(({ lists }) => ({ lists, window })),
      changes,
    )!
    // The widest of them has every step of the others, mostly.
    const widest = operands.find(({ lists }) => lists.steps.length === joined.steps.length)
    return widest?.lists ?? joined
  }

  /** Batch normalisation as a factor and a summand of each channel, which are folded when the plan is compiled. */
  const normalised = (node: NodeDescription, rows: Value): Value => {
    const [scale, shift, mean, variance] = node.inputs.slice(1).map(copied) as [Value, Value, Value, Value]
    const epsilon = builder.scalar((node.attributes.epsilon as number | undefined) ?? 1e-5)
    const deviation = builder.apply('sqrt', [builder.apply('add', [variance, epsilon])])
    const factor = builder.apply('div', [scale, deviation])
    const summand = builder.apply('sub', [shift, builder.apply('mul', [mean, factor])])
    return builder.apply('add', [builder.apply('mul', [rows, factor]), summand])
  }

  const pointwise = (node: NodeDescription, operands: (PlaceTable | undefined)[]): PlaceTable | undefined => {
    const found = operands.filter(operand => operand !== undefined)
    const [{ channels, lists: first }] = found as [PlaceTable]
    const isAlike = found.every(
      ({ lists, ...each }) =>
        lists.height === first.height && lists.width === first.width && each.channels === channels,
    )
    const isJoin = node.op === 'concat'
    if (isJoin ? node.attributes.axis !== 1 || found.length < operands.length : !isAlike) return undefined
    const lists = alike(found)
    if (node.op === 'batchNorm') return { lists, channels, rows: normalised(node, found[0]!.rows) }
    const given: (Value | undefined)[] = []
    for (const [at, operand] of operands.entries()) {
      const index = node.inputs[at]!
      if (operand !== undefined) given.push(aligned(operand, lists))
      else if (index < 0) given.push(undefined)
      else {
        const constant = perChannel(index, channels)
        if (constant === undefined) return undefined
        given.push(constant)
      }
    }
    const rows = builder.apply(node.op as 'add', given, node.attributes)
    const total = isJoin ? found.reduce((sum, operand) => sum + operand.channels, 0) : channels
    return { lists, channels: total, rows }
  }

  const windowed = (node: NodeDescription, operand: PlaceTable): PlaceTable | undefined => {
    const isConvolution = node.op === 'conv'
    const weight = isConvolution ? shapeOf(graph, node.inputs[1]!)?.map(Number) : undefined
    const kernel = isConvolution ? (weight?.slice(2) ?? []) : numbers(node, 'kernel', [])
    const { channels } = operand
    const group = isConvolution ? (node.attributes.group ?? 1) : 1
    const isDepthwise = group !== 1 && group === channels && weight?.[0] === channels
    if (kernel.length !== 2 || (group !== 1 && !isDepthwise)) return undefined
    const window = windowOf(node, operand, kernel)
    if (window === undefined) return undefined
    const all = copies * window.height * window.width
    // All that the windows read lies side by side.
    const most = Math.min(greatestShare * all, limitBytes / (4 * window.taps * channels))
    const lists = joinedLists([{ lists: operand.lists, window }], changes, most)
    if (lists === undefined) return undefined
    const versions = versionsIn(lists)
    const read = rowsRead(lists, operand.lists, window, changes.stay, versionsIn(operand.lists))
    if (!isConvolution) {
      // Padding is never the greatest: a tap in it reads again what another of its window reads.
      for (let version = 0; version < versions; version++) {
        const taps = read.subarray(version * window.taps, (version + 1) * window.taps)
        const inside = taps.find(row => row < versionsIn(operand.lists))
        if (inside === undefined) return undefined
        for (const [tap, row] of taps.entries()) if (row === versionsIn(operand.lists)) taps[tap] = inside
      }
      const taps = pick(operand.rows, read, [versions, window.taps])
      return { lists, channels, rows: builder.apply('reduceMax', [taps], { axes: [1], keepDims: 0 }) }
    }
    const [outputs] = weight as [number]
    const zero = builder.constant('f32', [1, channels], new Float32Array(channels))
    const isPadded = read.includes(versionsIn(operand.lists))
    const source = isPadded ? builder.apply('concat', [operand.rows, zero], { axis: 0 }) : operand.rows
    const isPlain =
      !isDepthwise && read.length === versionsIn(operand.lists) && read.every((row, at) => row === at)
    const taps = isPlain ? source : pick(source, read, [versions, window.taps])
    const width = isDepthwise ? window.taps : window.taps * channels
    const moved = builder.apply('transpose', [copied(node.inputs[1]!)], { permutation: [2, 3, 1, 0] })
    const weightsAs = (...shape: number[]) => builder.apply('reshape', [moved, builder.integers(shape)])
    const product = isDepthwise
      ? builder.apply('sum', [builder.apply('mul', [taps, weightsAs(1, window.taps, channels)])], {
          axes: [1],
          keepDims: 0,
        })
      : builder.apply('matMul', [
          builder.apply('reshape', [taps, builder.integers([versions, width])]),
          weightsAs(width, outputs),
        ])
    const bias = node.inputs[2] ?? -1
    saved += (all - versions) * width * outputs
    return {
      lists,
      channels: outputs,
      rows: bias < 0 ? product : builder.apply('add', [product, copied(bias)]),
    }
  }

  const follow = (node: NodeDescription): PlaceTable | undefined => {
    const operands = node.inputs.map(index => tables.get(index))
    const [first] = operands
    const isKnown = node.inputs.every((index, at) => operands[at] !== undefined || isGiven(index))
    if (node.outputs.length !== 1 || first === undefined || !isKnown) return undefined
    // Normalisation across channels looks at four axes.
    if (node.op === 'lrn') return undefined
    if (node.op === 'concat' || elementwise.has(node.op)) return pointwise(node, operands)
    return node.op === 'conv' || node.op === 'maxPool' ? windowed(node, first) : undefined
  }

  const frontier = new Set<number>()
  /** Means over all places, by the index of what is averaged: nothing has to be laid out as a picture for them. */
  const averaged = new Map<number, PlaceTable>()
  for (const node of graph.nodes) {
    if (!node.inputs.some(index => varies.has(index))) continue
    for (const output of node.outputs) varies.add(output)
    const table = follow(node)
    const first = tables.get(node.inputs[0]!)
    if (table !== undefined) tables.set(node.outputs[0]!, table)
    else if (node.op === 'globalAveragePool' && first !== undefined) averaged.set(node.outputs[0]!, first)
    else for (const index of node.inputs) if (tables.has(index)) frontier.add(index)
  }
  for (const index of graph.outputs) if (tables.has(index)) frontier.add(index)
  if (frontier.has(input)) return undefined
  const ends = new Map([...averaged, ...[...frontier].map(index => [index, tables.get(index)!] as const)])
  const names = [...ends.keys()].map(index => graph.values[index]!.name)
  const put = [...ends.values()].map(({ lists, channels }) => copies * lists.height * lists.width * channels)
  const work = gatherCost * put.reduce((sum, each) => sum + each, 0)
  if (names.includes(undefined) || saved <= work || put.some(each => 4 * each > limitBytes)) return undefined
  const whole = ({ lists, channels, rows }: PlaceTable, isAveraged: boolean) => {
    const places = lists.height * lists.width
    const picked = pick(rows, rowsOfCopies(lists, changes), [copies, places])
    if (isAveraged) {
      const mean = builder.apply('mean', [picked], { axes: [1], keepDims: 0 })
      return builder.apply('reshape', [mean, builder.integers([copies, channels, 1, 1])])
    }
    return builder.apply('reshape', [
      builder.apply('transpose', [picked], { permutation: [0, 2, 1] }),
      builder.integers([copies, channels, lists.height, lists.width]),
    ])
  }
  return {
    values: Object.fromEntries(
      [...ends].map(([index, table], at) => [names[at]!, () => whole(table, averaged.has(index))]),
    ),
  }
}
