import type { NativeTensor } from '#typings/addon.js'
import { describePlan } from '../native.js'
import { type Coalition, coalitionKey } from './coalition.js'
import type { Request } from './coalitionGame.js'
import { openMaskedSession } from './maskedGraph.js'
import { type PassContext, type Passes, passSizes, readRows, rowInputs, rowsFor } from './maskedPasses.js'
import { type KeptSet, type Neighbour, neighboursOf } from './neighbours.js'
import { type Overlay, overlaysOf, type Patch, type Patches } from './patches.js'
import { baseGraph, patchGraph, patchNames, patchStates } from './patchGraph.js'
import { stemBytes } from './stem.js'

/** Both sides of a search keep two sets each. */
const mostSlots = 4
/** Sets that are handed over at once: so many that those of one step come together. */
const handedOver = 256

const startOf = ({ starts }: Patch, item: number, region: number): [number, number] => [
  starts[item]![2 * region]!,
  starts[item]![2 * region + 1]!,
]

/** Sets whose values lie in the session, each in a slot; the one that was not used for longest gives way. */
class KeptSets {
  readonly #slots: (KeptSet & { key: string; used: number })[] = []
  #clock = 0

  constructor(readonly size: number) {}

  list(): readonly KeptSet[] {
    return this.#slots
  }

  /** The slot of a set, and whether its values must be written there first. */
  place(item: number, base: Coalition): { slot: number; isNew: boolean } {
    const key = `${item} ${coalitionKey(base)}`
    const entry = { item, base, key, used: ++this.#clock }
    const known = this.#slots.findIndex(each => each.key === key)
    if (known < 0 && this.#slots.length < this.size) return { slot: this.#slots.push(entry) - 1, isNew: true }
    const oldest = this.#slots.reduce(
      (best, each, at) => (each.used < this.#slots[best]!.used ? at : best),
      0,
    )
    const slot = known < 0 ? oldest : known
    this.#slots[slot] = entry
    return { slot, isNew: known < 0 }
  }

  /** Forgets a set whose values were not written. */
  forget(slot: number): void {
    this.#slots[slot] = { ...this.#slots[slot]!, key: '', item: -1 }
  }
}

/**
 * Passes in which a row computes only what one region changes beside a set that is kept.
 *
 * @returns undefined where not even one set fits, or where the device has no kernels for it.
 */
export async function patchedPasses(context: PassContext, patches: Patches): Promise<Passes | undefined> {
  const { layout, batching, readout } = context
  const { model, precision } = layout
  const limit = Math.min(stemBytes, (model.memoryLimitBytes ?? Number.POSITIVE_INFINITY) / 4)
  const bytes = patches.numbers * (precision === 'f64' ? 8 : 4)
  const slots = Math.min(mostSlots, Math.floor(limit / bytes))
  if (slots === 0) return undefined
  const overlays = overlaysOf(patches)
  const laidOut = overlays.map(({ name, window, patch }) => [name, window.size, patch.size])
  const layoutKey = [patches.end.name, patches.picture.size, slots, laidOut]
  const graph = patchGraph(layout, readout.outputs, patches, slots)
  const bases = baseGraph(layout, patches, slots)
  const compile = (rows: number) =>
    context.compile(JSON.stringify(['patched', readout.key, layoutKey]), () => graph, rows)
  const sizes = await passSizes(model, batching, context.chunk, compile)
  const plan = await compile(sizes[0]!)
  const { device } = describePlan(plan)
  if (device !== 'cpu') return undefined
  const basePlan = await context.compile(JSON.stringify(['bases', layoutKey]), () => bases, 1)
  const session = openMaskedSession(layout, [graph, bases], patchStates(layout))
  const kept = new KeptSets(slots)

  const write = async (item: number, base: Coalition, slot: number, signal: AbortSignal | undefined) => {
    const inputs = rowInputs(layout, [{ item, coalition: base }], 1, undefined)
    const place: NativeTensor = { dtype: 'i64', shape: [], data: BigInt64Array.of(BigInt(slot)) }
    try {
      await context.run(basePlan, session, { ...inputs, [patchNames.slot]: place }, signal)
    } catch (error) {
      kept.forget(slot)
      throw error
    }
  }
  /** Where the windows of each row lie: [rows, 5]. */
  const placesOf = (
    rows: number,
    part: readonly Row[],
    of: (row: Row) => readonly [number, number, number, number, number],
  ): NativeTensor => {
    const data = new BigInt64Array(5 * rows)
    for (const [at, row] of part.entries())
      for (const [k, value] of of(row).entries()) data[5 * at + k] = BigInt(value)
    return { dtype: 'i64', shape: [rows, 5], data }
  }
  const windowInputs = (rows: number, part: readonly Row[]): Record<string, NativeTensor> => ({
    [patchNames.picture]: placesOf(rows, part, ({ item, region }) => [
      item,
      ...startOf(patches.picture, item, region),
      0,
      0,
    ]),
    ...Object.fromEntries(
      overlays.map((overlay: Overlay, at) => [
        patchNames.places(at),
        placesOf(rows, part, ({ item, region, slot }) => [
          slot,
          ...startOf(overlay.window, item, region),
          ...startOf(overlay.patch, item, region),
        ]),
      ]),
    ),
  })

  interface Row {
    readonly item: number
    readonly region: number
    readonly slot: number
  }
  /** How many of the neighbours, from one on, the slots can serve together. */
  const together = (requests: readonly Request[], neighbours: readonly Neighbour[], from: number): number => {
    const seen = new Set<string>()
    let until = from
    for (; until < requests.length; ++until) {
      seen.add(`${requests[until]!.item} ${coalitionKey(neighbours[until]!.base)}`)
      if (seen.size > slots) break
    }
    return until
  }

  return {
    batch: Math.max(handedOver, sizes[0]!),
    chunk: sizes[0]!,
    device,
    shortcut: { kind: 'patches', value: patches.end.name },
    async evaluate(requests, signal) {
      const neighbours = neighboursOf(requests, kept.list())
      const values: Float64Array[] = []
      while (values.length < requests.length) {
        const until = together(requests, neighbours, values.length)
        const rows: Row[] = []
        for (let at = values.length; at < until; ++at) {
          const { base, region } = neighbours[at]!
          const { item } = requests[at]!
          const { slot, isNew } = kept.place(item, base)
          if (isNew) await write(item, base, slot, signal)
          rows.push({ item, region, slot })
        }
        while (rows.length > 0) {
          const size = rowsFor(rows.length, sizes)
          const part = rows.splice(0, size)
          const own = requests.slice(values.length, values.length + part.length)
          const inputs = { ...rowInputs(layout, own, size, undefined), ...windowInputs(size, part) }
          const outputs = await context.run(await compile(size), session, inputs, signal)
          values.push(...readRows(context, outputs, own, size))
        }
      }
      return values
    },
    dispose: () => session.dispose(),
  }
}
