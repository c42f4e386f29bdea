import type { AttributeValue, GraphDescription, NodeDescription } from '#typings/addon.js'
import {
  isPassage,
  kernelOf,
  type Local,
  localReaches,
  type Reach,
  slidingAlong,
} from '../graph/localValues.js'
import type { Regions } from '../regions/regions.js'

/** A window of a value that is computed anew where one region changes: as large for all regions, placed by each. */
export interface Patch {
  readonly size: readonly [number, number]
  /** Of each item, for each region the row and column that the window starts at. */
  readonly starts: readonly Int32Array[]
}

/** A patch of a value, put into (or cut out of) what the value was before. */
export interface Overlay {
  /** Index of the value, whose name it is found by in the unpatched graph. */
  readonly value: number
  readonly name: string
  readonly channels: number
  /** Places of the whole value. */
  readonly places: readonly [number, number]
  readonly patch: Patch
  /** What comes out. */
  readonly window: Patch
  /** What lies outside of the value. */
  readonly fill: number
}

/** A node on patches. */
export interface PatchStep {
  readonly node: NodeDescription
  readonly attributes: Record<string, AttributeValue>
  /** By position: the overlay that an operand is read through. */
  readonly overlays: readonly (Overlay | undefined)[]
}

/**
 * How a model runs where one region of a picture changes and everything else is known: of the early layers of a
 * convolution net only the places that see the region are computed, the rest is taken from the layers of the set without
 * the change.
 */
export interface Patches {
  /** The value that is put together again: everything behind it runs as a whole. */
  readonly end: Overlay
  readonly steps: readonly PatchStep[]
  /** Of the masked picture. */
  readonly picture: Patch
  /** Numbers of each set that is kept, over all values. */
  readonly numbers: number
  /** Multiplications that a row saves, what moving numbers costs taken off. */
  readonly saved: number
}

export interface PatchQuestion {
  graph: GraphDescription
  /** Name of the input [N, C, height, width] that is masked. */
  input: string
  shape: readonly [number, number, number]
  regions: readonly Regions[]
}

/** To bring a number from one value into another takes as long as so many multiplications. */
const moveCost = 100
const pointwiseJoins = (node: NodeDescription): boolean =>
  node.op !== 'conv' && node.op !== 'maxPool' && node.op !== 'averagePool'

/** Bounds of each region: first and last row, first and last column. */
function boxesOf({ count, labels, shape }: Regions): Int32Array {
  const [height, width] = shape as [number, number]
  const boxes = new Int32Array(4 * count)
  for (let region = 0; region < count; ++region) boxes.set([height, -1, width, -1], 4 * region)
  for (let at = 0, y = 0; y < height; ++y)
    for (let x = 0; x < width; ++x, ++at) {
      const box = 4 * labels[at]!
      if (y < boxes[box]!) boxes[box] = y
      if (y > boxes[box + 1]!) boxes[box + 1] = y
      if (x < boxes[box + 2]!) boxes[box + 2] = x
      if (x > boxes[box + 3]!) boxes[box + 3] = x
    }
  return boxes
}

/** Places of a value that see something of the picture between two places of it. */
const seeing = ({ step, first, last, size }: Reach, low: number, high: number): [number, number] => [
  Math.max(0, Math.ceil((low - last) / step)),
  Math.min(size - 1, Math.floor((high - first) / step)),
]

/** The window of a value that changes with a region. */
function patchOf(reach: readonly [Reach, Reach], boxes: readonly Int32Array[]): Patch {
  const size: [number, number] = [1, 1]
  const starts = boxes.map(own => new Int32Array(own.length / 2))
  const each = (body: (axis: 0 | 1, from: number, to: number, item: number, region: number) => void) => {
    for (const [item, own] of boxes.entries())
      for (let region = 0; region < own.length / 4; ++region)
        for (const axis of [0, 1] as const) {
          const at = 4 * region + 2 * axis
          body(axis, ...seeing(reach[axis], own[at]!, own[at + 1]!), item, region)
        }
  }
  each((axis, from, to) => {
    size[axis] = Math.max(size[axis], to - from + 1)
  })
  each((axis, from, _, item, region) => {
    starts[item]![2 * region + axis] = Math.min(from, reach[axis].size - size[axis])
  })
  return { size, starts }
}

const isAlike = (a: readonly [Reach, Reach], b: readonly [Reach, Reach]): boolean =>
  a.every((one, axis) => one.first === b[axis]!.first && one.last === b[axis]!.last)

/** What of a local value's nodes runs on patches, and what that saves; undefined where it cannot be done. */
function plan(
  { graph }: PatchQuestion,
  input: number,
  end: number,
  locals: ReadonlyMap<number, Local>,
  patchFor: (reach: readonly [Reach, Reach]) => Patch,
): Patches | undefined {
  const { nodes: own, work } = locals.get(end)!
  const readers = new Map<number, number>()
  for (const at of own)
    for (const index of graph.nodes[at]!.inputs) readers.set(index, (readers.get(index) ?? 0) + 1)
  const madeBy = new Map(own.map(at => [graph.nodes[at]!.outputs[0]!, graph.nodes[at]!]))
  /** Where a value is computed: as far as it changes, or as far as the one thing that reads it does. */
  const reaches = new Map<number, readonly [Reach, Reach]>()
  const reachOf = (index: number) => reaches.get(index) ?? locals.get(index)!.reach
  const widen = (index: number, reach: readonly [Reach, Reach]): void => {
    const node = madeBy.get(index)
    if (node === undefined || readers.get(index) !== 1 || isAlike(reachOf(index), reach)) return
    if (pointwiseJoins(node)) {
      const varying = node.inputs.filter(operand => locals.has(operand))
      if (varying.length !== 1) return
      widen(varying[0]!, reach)
      if (!isAlike(reachOf(varying[0]!), reach)) return
    }
    reaches.set(index, reach)
  }
  for (const at of own.toReversed()) {
    const { inputs, outputs } = graph.nodes[at]!
    if (!pointwiseJoins(graph.nodes[at]!)) continue
    for (const index of inputs) if (locals.has(index)) widen(index, reachOf(outputs[0]!))
  }
  const made = new Map<string, Overlay>()
  const kept = new Map<number, number>()
  let [moved, computed] = [0, 0]
  const overlayOf = (value: number, window: Patch, fill: number): Overlay | undefined => {
    const description = graph.values[value]
    const name = value === input || description?.kind === 'result' ? description?.name : undefined
    if (name === undefined) return undefined
    const key = JSON.stringify([value, window.size, fill === 0, [...(window.starts[0] ?? [])]])
    const known = made.get(key)
    if (known) return known
    const { channels, reach } = locals.get(value)!
    const places = [reach[0].size, reach[1].size] as const
    const overlay = { value, name, channels, places, patch: patchFor(reachOf(value)), window, fill }
    made.set(key, overlay)
    moved += channels * window.size[0] * window.size[1]
    kept.set(value, channels * places[0] * places[1])
    return overlay
  }
  const steps: PatchStep[] = []
  for (const at of own) {
    const node = graph.nodes[at]!
    const [output] = node.outputs as [number]
    const target = patchFor(reachOf(output))
    const { own: cost, reach } = locals.get(output)!
    computed += (cost * target.size[0] * target.size[1]) / (reach[0].size * reach[1].size)
    if (pointwiseJoins(node)) {
      const overlays: (Overlay | undefined)[] = []
      for (const index of node.inputs) {
        const isDirect = !locals.has(index) || isAlike(reachOf(index), reachOf(output))
        const overlay = isDirect ? undefined : overlayOf(index, target, 0)
        if (!isDirect && overlay === undefined) return undefined
        overlays.push(overlay)
      }
      steps.push({ node, attributes: node.attributes, overlays })
      continue
    }
    const [operand] = node.inputs as [number]
    const kernel = kernelOf(graph, node)
    const sliding = [0, 1].map(
      axis => slidingAlong(node, locals.get(operand)!.reach[axis]!.size, axis, kernel[axis]!)!,
    )
    // What an average is divided by changes at the edges.
    const pads = node.attributes.pads as number[] | undefined
    const isUneven = pads?.some(pad => pad !== 0) || node.attributes.ceilMode === 1
    const autoPad = node.attributes.autoPad ?? 'explicit'
    if (node.op === 'averagePool' && (isUneven || (autoPad !== 'explicit' && autoPad !== 'valid')))
      return undefined
    const isPointwise = sliding.every(
      ({ stride, begin, extent }) => stride === 1 && begin === 0 && extent === 1,
    )
    const attributes = { ...node.attributes, pads: [0, 0, 0, 0], autoPad: 'explicit' }
    if (node.op !== 'conv') Object.assign(attributes, { ceilMode: 0 })
    if (isPointwise && isAlike(reachOf(operand), reachOf(output))) {
      steps.push({ node, attributes, overlays: [] })
      continue
    }
    const window: Patch = {
      size: sliding.map(({ stride, extent }, axis) => (target.size[axis]! - 1) * stride + extent) as [
        number,
        number,
      ],
      starts: target.starts.map(starts =>
        starts.map((start, place) => start * sliding[place % 2]!.stride - sliding[place % 2]!.begin),
      ),
    }
    const overlay = overlayOf(operand, window, node.op === 'maxPool' ? -Infinity : 0)
    if (overlay === undefined) return undefined
    steps.push({ node, attributes, overlays: [overlay] })
  }
  const { reach } = locals.get(end)!
  const patch = patchFor(reachOf(end))
  const whole: Patch = {
    size: [reach[0].size, reach[1].size],
    starts: patch.starts.map(starts => new Int32Array(starts.length)),
  }
  const last = overlayOf(end, whole, 0)
  if (last === undefined) return undefined
  return {
    end: last,
    steps,
    picture: patchFor(locals.get(input)!.reach),
    numbers: [...kept.values()].reduce((sum, count) => sum + count, 0),
    saved: work - computed - moveCost * moved,
  }
}

/** The value up to which patches save most; undefined where they save nothing. */
export function choosePatches(question: PatchQuestion): Patches | undefined {
  const { graph, input, shape, regions } = question
  const at = graph.inputs.find(index => graph.values[index]?.name === input)
  if (at === undefined) return undefined
  const boxes = regions.map(boxesOf)
  const patches = new Map<string, Patch>()
  const patchFor = (reach: readonly [Reach, Reach]) => {
    const key = JSON.stringify(reach)
    const patch = patches.get(key) ?? patchOf(reach, boxes)
    patches.set(key, patch)
    return patch
  }
  const locals = localReaches(graph, at, shape)
  let best: Patches | undefined
  for (const [index, { work }] of [...locals].sort(([, a], [, b]) => b.work - a.work)) {
    if (work <= (best?.saved ?? 0)) break
    const value = graph.values[index]
    if (value?.kind !== 'result' || value.name === undefined || !isPassage(graph, at, index)) continue
    const found = plan(question, at, index, locals, patchFor)
    if (found && found.saved > (best?.saved ?? 0)) best = found
  }
  return best
}

/** All overlays, each once, in the order in which they are needed. */
export const overlaysOf = ({ steps, end }: Patches): Overlay[] => [
  ...new Set([...steps.flatMap(({ overlays }) => overlays.filter(each => each !== undefined)), end]),
]
