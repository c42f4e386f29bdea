import type { DTypeName, GraphDescription, NativeSession, NativeTensor } from '#typings/addon.js'
import { createTensor, type Tensor } from '../data/tensor.js'
import { GraphBuilder, type Value } from '../graph/builder.js'
import { onlyNeeded } from '../graph/onlyNeeded.js'
import type { Model } from '../model/model.js'
import { stack } from '../model/stack.js'
import { call, native } from '../native.js'
import type { MaskedItem } from './maskedItem.js'
import { lookUpStem, type Stem, stemTable } from './stem.js'

/** What the graphs and sessions of one masked model share. */
export interface MaskedLayout {
  readonly model: Model
  /** The model with as many examples as a pass has. */
  readonly graph: GraphDescription
  readonly items: readonly MaskedItem[]
  readonly input: string
  readonly axes: readonly number[]
  readonly baselines: Tensor
  /** Columns of the table of members; the last one has nobody. */
  readonly players: number
  /** Masks are numbers, one for each place, in place of members. */
  readonly isSoft: boolean
  readonly precision: 'f32' | 'f64'
}

export type MaskedOutputs = (
  builder: GraphBuilder,
  outputs: ReadonlyMap<string, Value>,
  values: ReadonlyMap<string, Value>,
) => Value[]

/** Inputs and states of a masked graph. */
export const maskedNames = {
  rows: 'ascribe.rows',
  input: (name: string) => `ascribe.item.${name}`,
  regions: 'ascribe.regions',
  baseline: 'ascribe.baseline',
  items: 'ascribe.items',
  members: 'ascribe.members',
  mask: 'ascribe.mask',
  forms: 'ascribe.stem.forms',
  seen: 'ascribe.stem.seen',
}

/** The dtype that something of the model has in this precision. */
export const wideDtype = ({ precision }: Pick<MaskedLayout, 'precision'>, dtype: DTypeName): DTypeName =>
  precision === 'f64' && dtype === 'f32' ? 'f64' : dtype

/** Places that regions lie on. */
export const placesOf = ({ items }: MaskedLayout): number => items[0]!.regions.labels.length

/** What the graphs of a masked model read of each row. */
export interface MaskedRows {
  /** Of each row, the number of its item. */
  readonly item: Value
  readonly members: Value | undefined
  /** Something that a state holds of every item, row by row. */
  of(name: string, dtype: DTypeName, own: readonly number[]): Value
}

/** A state, declared once. */
export const stateOf = (builder: GraphBuilder, name: string, dtype: DTypeName, shape: number[]): Value =>
  builder.find(name) ?? builder.state(name, dtype, shape)

export function maskedRows(builder: GraphBuilder, layout: MaskedLayout): MaskedRows {
  const { items, players, isSoft } = layout
  const item = builder.input(maskedNames.items, 'i64', [maskedNames.rows])
  return {
    item,
    members: isSoft ? undefined : builder.input(maskedNames.members, 'bool', [maskedNames.rows, players]),
    of: (name, dtype, own) =>
      builder.apply(
        'gather',
        [stateOf(builder, name, wideDtype(layout, dtype), [items.length, ...own]), item],
        { axis: 0 },
      ),
  }
}

/** A value in place of one of the model's: the model then begins behind it. */
export interface Replacement {
  readonly name: string
  make(builder: GraphBuilder, rows: MaskedRows): Value
}

/** The stem's value, looked up. */
export const stemReplacement = (layout: MaskedLayout, stem: Stem): Replacement => ({
  name: stem.value.name,
  make(builder, { item, members, of }) {
    const { colors, value } = stem
    const places = value.reach[0].size * value.reach[1].size
    const seen = of(maskedNames.seen, 'i32', [colors * places])
    const forms = builder.state(maskedNames.forms, wideDtype(layout, 'f32'), [
      layout.items.length * 2 ** colors * places,
      value.channels,
    ])
    const players = builder.apply('gatherElements', [members!, seen], { axis: 1 })
    return lookUpStem(builder, stem, forms, players, item)
  },
})

/** Whether the model reads nothing of its masked input where a value of it is replaced. */
export function isBehind(layout: MaskedLayout, outputsOf: MaskedOutputs, value: string): boolean {
  const name = 'ascribe.replaced'
  const make = (builder: GraphBuilder) => builder.input(name, wideDtype(layout, 'f32'), [maskedNames.rows])
  const graph = maskedGraph(layout, outputsOf, { name: value, make })
  const state = graph.values.findIndex(each => each.name === maskedNames.input(layout.input))
  return !graph.nodes.some(({ inputs }) => inputs.includes(state))
}

/** The model under masks that are applied in the graph; with a replacement, from behind it. */
export function maskedGraph(
  layout: MaskedLayout,
  outputsOf: MaskedOutputs,
  replacement?: Replacement,
  builder = new GraphBuilder(),
): GraphDescription {
  const { model, items, input, axes, baselines, isSoft } = layout
  const { tensors } = items[0]!
  const { shape } = tensors[input]!
  const rows = maskedRows(builder, layout)
  const bits = rows.members
    ? builder.apply(
        'gatherElements',
        [rows.members, rows.of(maskedNames.regions, 'i32', [placesOf(layout)])],
        { axis: 1 },
      )
    : builder.input(maskedNames.mask, wideDtype(layout, 'f32'), [maskedNames.rows, placesOf(layout)])
  const masked = builder.apply('reshape', [
    bits,
    builder.integers([-1, ...shape.slice(1).map((size, at) => (axes.includes(at + 1) ? size : 1))]),
  ])
  const inputs = Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => {
      const own = rows.of(maskedNames.input(name), tensor.dtype, tensor.shape.slice(1))
      if (name !== input) return [name, own]
      const absent = rows.of(maskedNames.baseline, tensor.dtype, baselines.shape.slice(1))
      if (!isSoft) return [name, builder.apply('where', [masked, own, absent])]
      const gap = builder.apply('sub', [own, absent])
      return [name, builder.apply('add', [absent, builder.apply('mul', [masked, gap])])]
    }),
  )
  const values = builder.include(layout.graph, {
    inputs,
    ...(replacement ? { replace: { [replacement.name]: () => replacement.make(builder, rows) } } : {}),
  })
  return onlyNeeded(builder.build(outputsOf(builder, modelOutputs(model, values), values)))
}

/** A model's outputs by name among the values of a graph that it was put into. */
export const modelOutputs = (model: Model, values: ReadonlyMap<string, Value>): Map<string, Value> =>
  new Map(
    model.outputs.flatMap(({ name }) => {
      const value = model.output(values, name)
      return value === undefined ? [] : [[name, value] as const]
    }),
  )

/** What a stem's graph looks up. */
export function stemStates(layout: MaskedLayout, stem: Stem, forms: Tensor): Record<string, Tensor> {
  const table = stemTable(stem, layout.players - 1)
  const { length } = layout.items
  return {
    [maskedNames.forms]: forms,
    [maskedNames.seen]: createTensor('i32', [length, table.length / length], table),
  }
}

/** The region of each place of all items, [items, places]. */
export function regionTable(layout: MaskedLayout): Tensor {
  const places = placesOf(layout)
  const labels = new Int32Array(layout.items.length * places)
  for (const [at, { regions }] of layout.items.entries()) labels.set(regions.labels, at * places)
  return createTensor('i32', [layout.items.length, places], labels)
}

/** A session of graphs with the same states: it holds items, baselines, region maps and what else they read. */
export function openMaskedSession(
  layout: MaskedLayout,
  graphs: readonly [GraphDescription, ...GraphDescription[]],
  more: Readonly<Record<string, Tensor>> = {},
): NativeSession {
  const { model, items, baselines, isSoft, precision } = layout
  const session = call(() => native().createGraph(graphs[0]).session({}, { device: model.device }))
  const used = new Set(
    graphs.flatMap(({ nodes, values }) =>
      nodes.flatMap(({ inputs }) => inputs.map(index => values[index]?.name)),
    ),
  )
  const write = (name: string, tensor: Tensor) => {
    if (!used.has(name)) return
    const isWidened = precision === 'f64' && tensor.dtype === 'f32'
    const data = isWidened ? Float64Array.from(tensor.data as Float32Array) : tensor.data
    const given = { dtype: isWidened ? 'f64' : tensor.dtype, shape: [...tensor.shape], data }
    call(() => session.write(name, given as NativeTensor))
  }
  for (const [name, tensor] of Object.entries(stack(items.map(item => item.tensors))))
    write(maskedNames.input(name), tensor)
  write(maskedNames.baseline, baselines)
  if (!isSoft) write(maskedNames.regions, regionTable(layout))
  for (const [name, tensor] of Object.entries(more)) write(name, tensor)
  return session
}
