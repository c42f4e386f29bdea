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

const placesOf = ({ items }: MaskedLayout): number => items[0]!.regions.labels.length

/** The model under masks that are applied in the graph; with a stem, from behind it. */
export function maskedGraph(layout: MaskedLayout, outputsOf: MaskedOutputs, stem?: Stem): GraphDescription {
  const { model, items, input, axes, baselines, players, isSoft } = layout
  const { tensors } = items[0]!
  const { shape } = tensors[input]!
  const builder = new GraphBuilder()
  const item = builder.input(maskedNames.items, 'i64', [maskedNames.rows])
  const perRow = (name: string, dtype: DTypeName, own: readonly number[]) =>
    builder.apply('gather', [builder.state(name, wideDtype(layout, dtype), [items.length, ...own]), item], {
      axis: 0,
    })
  const members = isSoft ? undefined : builder.input(maskedNames.members, 'bool', [maskedNames.rows, players])
  const bits = members
    ? builder.apply('gatherElements', [members, perRow(maskedNames.regions, 'i32', [placesOf(layout)])], {
        axis: 1,
      })
    : builder.input(maskedNames.mask, wideDtype(layout, 'f32'), [maskedNames.rows, placesOf(layout)])
  const masked = builder.apply('reshape', [
    bits,
    builder.integers([-1, ...shape.slice(1).map((size, at) => (axes.includes(at + 1) ? size : 1))]),
  ])
  const inputs = Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => {
      const own = perRow(maskedNames.input(name), tensor.dtype, tensor.shape.slice(1))
      if (name !== input) return [name, own]
      const absent = perRow(maskedNames.baseline, tensor.dtype, baselines.shape.slice(1))
      if (!isSoft) return [name, builder.apply('where', [masked, own, absent])]
      const gap = builder.apply('sub', [own, absent])
      return [name, builder.apply('add', [absent, builder.apply('mul', [masked, gap])])]
    }),
  )
  const looked = stem && {
    [stem.value.name]: () => {
      const { colors, value } = stem
      const places = value.reach[0].size * value.reach[1].size
      const seen = perRow(maskedNames.seen, 'i32', [colors * places])
      const forms = builder.state(maskedNames.forms, wideDtype(layout, 'f32'), [
        items.length * 2 ** colors * places,
        value.channels,
      ])
      const players = builder.apply('gatherElements', [members!, seen], { axis: 1 })
      return lookUpStem(builder, stem, forms, players, item)
    },
  }
  const values = builder.include(layout.graph, { inputs, ...(looked ? { replace: looked } : {}) })
  const outputs = new Map(
    model.outputs.flatMap(({ name }) => {
      const value = model.output(values, name)
      return value === undefined ? [] : [[name, value] as const]
    }),
  )
  return onlyNeeded(builder.build(outputsOf(builder, outputs, values)))
}

/** Whether the masked input itself is still read: a stem stands for it only where it is not. */
export function readsMaskedInput(graph: GraphDescription, input: string): boolean {
  const state = graph.values.findIndex(value => value.name === maskedNames.input(input))
  return graph.nodes.some(({ inputs }) => inputs.includes(state))
}

/** A session that holds items, baselines, region maps and what a stem looks up, where the graph's plans read them. */
export function openMaskedSession(
  layout: MaskedLayout,
  graph: GraphDescription,
  stem?: { stem: Stem; forms: Tensor },
): NativeSession {
  const { model, items, baselines, isSoft, precision } = layout
  const session = call(() => native().createGraph(graph).session({}, { device: model.device }))
  const used = new Set(graph.nodes.flatMap(({ inputs }) => inputs.map(index => graph.values[index]?.name)))
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
  if (stem) {
    const table = stemTable(stem.stem, layout.players - 1)
    write(maskedNames.forms, stem.forms)
    write(maskedNames.seen, createTensor('i32', [items.length, table.length / items.length], table))
  }
  if (isSoft) return session
  const places = placesOf(layout)
  const labels = new Int32Array(items.length * places)
  for (const [at, { regions }] of items.entries()) labels.set(regions.labels, at * places)
  write(maskedNames.regions, createTensor('i32', [items.length, places], labels))
  return session
}
