/** How copies of a picture differ: copy t + 1 has changed where step t says, and (`stay`) where earlier steps say too. */
export interface PlaceChanges {
  /** Tells apart the geometries of pictures of one size. */
  readonly key: string
  /** Of each pixel the step that changes it, from 0; -1 for pixels that never do. */
  readonly stepOf: Int32Array
  /** Steps in all: there is one copy more, the first of which is unchanged. */
  readonly steps: number
  readonly stay: boolean
}

/** The steps after which each place of a value differs: what it holds before the first of them, and after each, is a version. */
export interface PlaceLists {
  readonly height: number
  readonly width: number
  /** Of place p: steps[starts[p]] … steps[starts[p + 1] - 1], ascending. */
  readonly starts: Int32Array
  readonly steps: Int32Array
}

/** A window over a value: which places one of its results reads. */
export interface PlaceWindow {
  readonly height: number
  readonly width: number
  readonly taps: number
  /** Place that a tap of a result's place reads; -1 in the padding. */
  at(place: number, tap: number): number
}

export const versionsIn = ({ starts, steps }: PlaceLists): number => starts.length - 1 + steps.length

/** The pixels themselves: each has the one step that changes it. */
export function pixelLists({ stepOf }: PlaceChanges, height: number, width: number): PlaceLists {
  const starts = new Int32Array(stepOf.length + 1)
  const steps: number[] = []
  for (const [pixel, step] of stepOf.entries()) {
    if (step >= 0) steps.push(step)
    starts[pixel + 1] = steps.length
  }
  return { height, width, starts, steps: Int32Array.from(steps) }
}

/** Lists of what reads some values through windows: the union of theirs; undefined for more than `most` versions. */
export function joinedLists(
  reads: readonly { lists: PlaceLists; window: PlaceWindow }[],
  changes: PlaceChanges,
  most = Number.POSITIVE_INFINITY,
): PlaceLists | undefined {
  const { height, width } = reads[0]!.window
  const starts = new Int32Array(height * width + 1)
  const found: number[] = []
  const seenAt = new Int32Array(changes.steps).fill(-1)
  for (let place = 0; place < height * width; place++) {
    const first = found.length
    for (const { lists, window } of reads)
      for (let tap = 0; tap < window.taps; tap++) {
        const from = window.at(place, tap)
        if (from < 0) continue
        for (let at = lists.starts[from]!; at < lists.starts[from + 1]!; at++) {
          const step = lists.steps[at]!
          if (seenAt[step] === place) continue
          seenAt[step] = place
          found.push(step)
        }
      }
    const own = found.splice(first).sort((a, b) => a - b)
    for (const step of own) found.push(step)
    starts[place + 1] = found.length
    if (height * width + found.length > most) return undefined
  }
  return { height, width, starts, steps: Int32Array.from(found) }
}

/** Which version a place holds in the copy of a step; -1 is the unchanged copy. */
export function versionAt({ starts, steps }: PlaceLists, place: number, step: number, stay: boolean): number {
  const first = starts[place]!
  let [low, high] = [first, starts[place + 1]!]
  while (low < high) {
    const middle = (low + high) >> 1
    if (steps[middle]! <= step) low = middle + 1
    else high = middle
  }
  // Where changes do not stay, only the step's own counts.
  if (!stay && (low === first || steps[low - 1] !== step)) return 0
  return low - first
}

/** Row of a table that holds all versions, place by place. */
export const rowAt = (lists: PlaceLists, place: number, step: number, stay: boolean): number =>
  lists.starts[place]! + place + versionAt(lists, place, step, stay)

/** For every version of `lists`, the rows of a table over `from` that its window reads; `padding` in the padding. */
export function rowsRead(
  lists: PlaceLists,
  from: PlaceLists,
  window: PlaceWindow,
  stay: boolean,
  padding: number,
): Int32Array {
  const rows = new Int32Array(versionsIn(lists) * window.taps)
  let at = 0
  for (let place = 0; place + 1 < lists.starts.length; place++)
    for (let version = lists.starts[place]! - 1; version < lists.starts[place + 1]!; version++) {
      const step = version < lists.starts[place]! ? -1 : lists.steps[version]!
      for (let tap = 0; tap < window.taps; tap++) {
        const read = window.at(place, tap)
        rows[at++] = read < 0 ? padding : rowAt(from, read, step, stay)
      }
    }
  return rows
}

/** For every copy and place, its row. */
export function rowsOfCopies(lists: PlaceLists, { steps, stay }: PlaceChanges): Int32Array {
  const places = lists.starts.length - 1
  const rows = new Int32Array((steps + 1) * places)
  for (let copy = 0; copy <= steps; copy++)
    for (let place = 0; place < places; place++)
      rows[copy * places + place] = rowAt(lists, place, copy - 1, stay)
  return rows
}
