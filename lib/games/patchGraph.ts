import type { GraphDescription, NodeDescription, ValueDescription } from '#typings/addon.js'
import type { Tensor } from '../data/tensor.js'
import { GraphBuilder, type Value } from '../graph/builder.js'
import { onlyNeeded } from '../graph/onlyNeeded.js'
import {
  type MaskedLayout,
  type MaskedOutputs,
  maskedGraph,
  maskedNames,
  maskedRows,
  modelOutputs,
  placesOf,
  stateOf,
  wideDtype,
} from './maskedGraph.js'
import { type Overlay, overlaysOf, type Patches } from './patches.js'

/** Inputs and states of the graphs of a masked model that runs on patches. */
export const patchNames = {
  /** Pictures and baselines with their channels last: [items, height, width, channels]. */
  pictures: 'ascribe.patch.pictures',
  absent: 'ascribe.patch.absent',
  /** Values of the sets that are kept, one of `slots` after the other. */
  base: (name: string) => `ascribe.patch.base.${name}`,
  slot: 'ascribe.patch.slot',
  /** Where the windows of each row lie. */
  picture: 'ascribe.patch.picture',
  places: (overlay: number) => `ascribe.patch.places.${overlay}`,
}

/** Of the patched model itself. */
const givenNames = {
  picture: 'ascribe.given.picture',
  base: (overlay: number) => `ascribe.given.base.${overlay}`,
  places: (overlay: number) => `ascribe.given.places.${overlay}`,
}

/** Values of which the kept sets' are read, each once. */
const baseValues = (patches: Patches): Overlay[] => {
  const byValue = new Map(overlaysOf(patches).map(overlay => [overlay.value, overlay]))
  return [...byValue.values()]
}

/** Both graphs use one session: they declare the same states in the same order. */
function declareStates(builder: GraphBuilder, layout: MaskedLayout, patches: Patches, slots: number): void {
  const { items, input, baselines, axes } = layout
  for (const [name, { dtype, shape }] of Object.entries(items[0]!.tensors))
    stateOf(builder, maskedNames.input(name), wideDtype(layout, dtype), [items.length, ...shape.slice(1)])
  const { dtype, shape } = items[0]!.tensors[input]!
  const wide = wideDtype(layout, dtype)
  stateOf(builder, maskedNames.baseline, wide, [items.length, ...baselines.shape.slice(1)])
  stateOf(builder, maskedNames.regions, 'i32', [items.length, placesOf(layout)])
  const [height, width] = axes.map(axis => shape[axis]!) as [number, number]
  stateOf(builder, patchNames.pictures, wide, [items.length, height, width, shape[1]!])
  if (isSpread(layout))
    stateOf(builder, patchNames.absent, wide, [items.length, height, width, baselines.shape[1]!])
  for (const { name, channels, places } of baseValues(patches))
    stateOf(builder, patchNames.base(name), wide, [slots, ...places, channels])
}

/** The baseline differs from place to place. */
const isSpread = ({ baselines }: MaskedLayout): boolean => baselines.shape.slice(2).some(size => size > 1)

/** What the session holds beside what every masked model's does. */
export function patchStates(layout: MaskedLayout): Record<string, Tensor> {
  const { items, input, baselines } = layout
  const [, , height, width] = items[0]!.tensors[input]!.shape as [number, number, number, number]
  /** Planes, repeated where they broadcast, with channels last. */
  const channelsLast = (sources: readonly Tensor[]): Tensor => {
    const own = sources[0]!.shape[1]!
    const data = new Float32Array(sources.length * height * width * own)
    let to = 0
    for (const { data: from, shape } of sources) {
      const [, , rows, columns] = shape as [number, number, number, number]
      for (let y = 0; y < height; ++y)
        for (let x = 0; x < width; ++x)
          for (let channel = 0; channel < own; ++channel) {
            const row = rows === 1 ? 0 : y
            const at = (channel * rows + row) * columns + (columns === 1 ? 0 : x)
            data[to++] = Number(from[at])
          }
    }
    return { dtype: 'f32', shape: [sources.length, height, width, own], data }
  }
  const each = baselines.data.length / items.length
  const absent = items.map(
    (_, at): Tensor => ({
      dtype: 'f32',
      shape: [1, ...baselines.shape.slice(1)],
      data: (baselines.data as Float32Array).subarray(at * each, (at + 1) * each),
    }),
  )
  return {
    [patchNames.pictures]: channelsLast(items.map(({ tensors }) => tensors[input]!)),
    ...(isSpread(layout) ? { [patchNames.absent]: channelsLast(absent) } : {}),
  }
}

/** Writes what a set's values are into a slot: one row a run. */
export function baseGraph(layout: MaskedLayout, patches: Patches, slots: number): GraphDescription {
  const builder = new GraphBuilder()
  declareStates(builder, layout, patches, slots)
  const slot = builder.input(patchNames.slot, 'i64', [])
  const outputs: MaskedOutputs = (_, __, values) => {
    for (const { name, channels, places } of baseValues(patches)) {
      const value = builder.apply('transpose', [values.get(name)!], { permutation: [0, 2, 3, 1] })
      const row = builder.apply('reshape', [value, builder.integers([1, ...places, channels])])
      builder.apply('appendState', [builder.find(patchNames.base(name))!, row, slot], { axis: 0 })
    }
    // The states are what it is run for; a graph has an output all the same.
    return [builder.apply('identity', [builder.find(maskedNames.items)!])]
  }
  return maskedGraph(layout, outputs, undefined, builder)
}

/** The model's graph with patches in place of what they stand for: the picture's patch and kept values are its inputs. */
function patchedModel(layout: MaskedLayout, patches: Patches): GraphDescription {
  const { graph } = layout
  const values: ValueDescription[] = [...graph.values]
  const nodes: NodeDescription[] = []
  const add = (value: ValueDescription) => values.push(value) - 1
  let dimensions = 0
  const input = (name: string, dtype: 'f32' | 'f64' | 'i64', rank: number) => {
    const shape = Array.from({ length: rank }, () => `ascribe.patch.size.${dimensions++}`)
    return add({ kind: 'input', name, dtype, shape })
  }
  const wide = wideDtype(layout, 'f32') as 'f32'
  const overlays = overlaysOf(patches)
  const bases = overlays.map((_, at) => input(givenNames.base(at), wide, 4))
  const places = overlays.map((_, at) => input(givenNames.places(at), 'i64', 2))
  const picture = input(givenNames.picture, wide, 4)
  const masked = graph.inputs.find(index => graph.values[index]?.name === layout.input)!
  const { value: end } = patches.end
  /** The end's own index is that of the whole. */
  const endPatch = add({ kind: 'result' })
  const patchOf = (index: number) => (index === masked ? picture : index === end ? endPatch : index)
  const laid = new Map<Overlay, number>()
  const through = (overlay: Overlay, output = add({ kind: 'result' })) => {
    const known = laid.get(overlay)
    if (known !== undefined) return known
    const at = overlays.indexOf(overlay)
    const { fill, window } = overlay
    const [height, width] = window.size
    nodes.push({
      op: 'window',
      inputs: [bases[at]!, places[at]!, patchOf(overlay.value)],
      outputs: [output],
      attributes: { height, width, fill },
    })
    laid.set(overlay, output)
    return output
  }
  const steps = new Map(patches.steps.map(step => [step.node, step]))
  for (const node of graph.nodes) {
    const step = steps.get(node)
    if (step === undefined) {
      nodes.push(node)
      continue
    }
    const inputs = node.inputs.map((index, operand) => {
      const overlay = step.overlays[operand]
      return overlay ? through(overlay) : patchOf(index)
    })
    nodes.push({ ...node, attributes: step.attributes, inputs, outputs: node.outputs.map(patchOf) })
    // A patch is not the value that a name stands for.
    for (const output of node.outputs) if (output !== end) values[output] = { kind: 'result' }
    if (node.outputs[0] === end) through(patches.end, end)
  }
  return { ...graph, values, nodes, inputs: [...graph.inputs, ...bases, ...places, picture] }
}

/** Runs rows of which each differs from a kept set by one region. */
export function patchGraph(
  layout: MaskedLayout,
  outputsOf: MaskedOutputs,
  patches: Patches,
  slots: number,
): GraphDescription {
  const builder = new GraphBuilder()
  declareStates(builder, layout, patches, slots)
  const { model, items, input, baselines } = layout
  const { tensors } = items[0]!
  const rows = maskedRows(builder, layout)
  const [height, width] = patches.picture.size
  const [, , down, across] = tensors[input]!.shape as [number, number, number, number]
  const places = builder.input(patchNames.picture, 'i64', [maskedNames.rows, 5])
  const cut = (pictures: Value) => builder.apply('window', [pictures, places], { height, width })
  const regions = builder.apply('reshape', [
    builder.find(maskedNames.regions)!,
    builder.integers([items.length, down, across, 1]),
  ])
  const own = builder.apply('reshape', [cut(regions), builder.integers([-1, height * width])])
  const shown = builder.apply('reshape', [
    builder.apply('gatherElements', [rows.members!, own], { axis: 1 }),
    builder.integers([-1, 1, height, width]),
  ])
  const spread = builder.find(patchNames.absent)
  const absent = spread ? cut(spread) : rows.of(maskedNames.baseline, 'f32', baselines.shape.slice(1))
  const picture = builder.apply('where', [shown, cut(builder.find(patchNames.pictures)!), absent])
  const given: Record<string, Value> = { [input]: picture, [givenNames.picture]: picture }
  for (const [name, { dtype, shape }] of Object.entries(tensors))
    if (name !== input) given[name] = rows.of(maskedNames.input(name), dtype, shape.slice(1))
  for (const [at, { name }] of overlaysOf(patches).entries()) {
    given[givenNames.base(at)] = builder.find(patchNames.base(name))!
    given[givenNames.places(at)] = builder.input(patchNames.places(at), 'i64', [maskedNames.rows, 5])
  }
  const values = builder.include(patchedModel(layout, patches), { inputs: given })
  return onlyNeeded(builder.build(outputsOf(builder, modelOutputs(model, values), values)))
}
