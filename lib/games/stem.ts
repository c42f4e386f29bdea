import type { GraphDescription } from '#typings/addon.js'
import type { GraphBuilder, Value } from '../graph/builder.js'
import { isPassage, type LocalValue, localValues } from '../graph/localValues.js'
import type { Regions } from '../regions/regions.js'
import { type Coalition, coalitionOf } from './coalition.js'
import { colorRegions, type RegionColors } from './regionColors.js'

/**
 * The first layers of a convolution net, computed once for each form that a place can take: a place of an early value
 * reads a small window, in which only a few regions lie, so that its forms under all masks are few. They are computed
 * for every union of colours (see {@link colorRegions}) and looked up in each pass, which then begins behind them. The
 * numbers are those that the layers would give.
 */
export interface Stem {
  readonly value: LocalValue
  readonly colors: number
  /** Of each item. */
  readonly items: readonly RegionColors[]
}

/** More colours would mean more forms than a search has sets. */
const greatestColors = 6
/** Forms of all items together may take this much. */
export const stemBytes = 128 << 20
/** Regions whose neighbours are looked at pair by pair. */
const greatestRegions = 512
/** To look a number up, and to lay it out as the next layer wants it, takes as long as so many multiplications. */
const lookUpCost = 200

export interface StemQuestion {
  graph: GraphDescription
  /** Name of the input [N, C, height, width] that is masked. */
  input: string
  shape: readonly [number, number, number]
  regions: readonly Regions[]
  /** Sets that are going to be evaluated of each item, about. */
  evaluations: number
  memoryLimitBytes: number | undefined
}

const placesOf = ({ reach: [down, across] }: LocalValue): number => down.size * across.size

/** The value whose look-up saves most; undefined where none saves. */
export function chooseStem(question: StemQuestion): Stem | undefined {
  const { graph, input, shape, regions, evaluations, memoryLimitBytes = Number.POSITIVE_INFINITY } = question
  if (regions.some(({ count }) => count > greatestRegions)) return undefined
  const at = graph.inputs.find(index => graph.values[index]?.name === input)
  if (at === undefined) return undefined
  const gain = (value: LocalValue) => value.work - lookUpCost * value.channels * placesOf(value)
  const candidates = localValues(graph, at, shape)
    .filter(value => gain(value) > 0)
    .sort((a, b) => gain(b) - gain(a) || b.index - a.index)
  const limit = Math.min(stemBytes, memoryLimitBytes / 4)
  for (const value of candidates) {
    const bytes = (forms: number) => 4 * forms * value.channels * placesOf(value) * regions.length
    if (bytes(2) > limit || !isPassage(graph, at, value.index)) continue
    const items: RegionColors[] = []
    for (const each of regions) {
      const colored = colorRegions(each, value.reach, greatestColors)
      if (colored === undefined) break
      items.push(colored)
    }
    if (items.length < regions.length) continue
    const colors = Math.max(...items.map(item => item.colors))
    if (bytes(2 ** colors) > limit || 4 * 2 ** colors > evaluations) continue
    return { value, colors, items }
  }
  return undefined
}

/** The sets whose values hold every form of every place of an item. */
export function stemForms({ colors, items }: Stem, item: number): Coalition[] {
  const { colorOf } = items[item]!
  return Array.from({ length: 2 ** colors }, (_, form) =>
    coalitionOf(
      colorOf.length,
      Array.from(colorOf.keys()).filter(region => ((form >>> colorOf[region]!) & 1) === 1),
    ),
  )
}

/** Of each item, colour and place, the player who is looked at; `nobody` where there is none. */
export function stemTable({ value, colors, items }: Stem, nobody: number): Int32Array {
  const each = colors * placesOf(value)
  const table = new Int32Array(items.length * each).fill(nobody)
  for (const [at, { seen }] of items.entries())
    for (const [place, region] of seen.entries()) if (region >= 0) table[at * each + place] = region
  return table
}

/**
 * The value, put together in a graph from its forms.
 *
 * @param forms [items * forms * places, channels].
 * @param players Of each row and each colour and place [rows, colors * places]: whether the player is in.
 * @param item Of each row.
 */
export function lookUpStem(
  builder: GraphBuilder,
  { value, colors }: Pick<Stem, 'value' | 'colors'>,
  forms: Value,
  players: Value,
  item: Value,
): Value {
  const places = placesOf(value)
  const bits = builder.apply('reshape', [
    builder.apply('cast', [players], { to: 'i64' }),
    builder.integers([-1, colors, places]),
  ])
  const weights = builder.apply('reshape', [
    builder.integers(Array.from({ length: colors }, (_, color) => places * 2 ** color)),
    builder.integers([1, colors, 1]),
  ])
  const form = builder.apply('sum', [builder.apply('mul', [bits, weights])], { axes: [1], keepDims: 0 })
  const start = builder.apply('mul', [
    builder.apply('reshape', [item, builder.integers([-1, 1])]),
    builder.integers([places * 2 ** colors]),
  ])
  const own = builder.integers(Array.from({ length: places }, (_, place) => place))
  const index = builder.apply('add', [builder.apply('add', [form, start]), own])
  const [down, across] = value.reach
  const rows = builder.apply('gather', [forms, index], { axis: 0 })
  return builder.apply('reshape', [
    builder.apply('transpose', [rows], { permutation: [0, 2, 1] }),
    builder.integers([-1, value.channels, down.size, across.size]),
  ])
}
