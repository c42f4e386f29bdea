import { AscribeError } from '../errors.js'
import { expectInteger, expectList, expectObject, typeError } from '../validate.js'

/**
 * How something is cut into parts that are kept or taken away whole: superpixels, a grid, spans of text, columns of a
 * table, patches of a spectrogram. Parts are disjoint and cover everything.
 */
export interface Regions {
  /** How many there are; they are numbered from 0. */
  readonly count: number
  /** Extent of what is cut, for example [height, width], or [tokens]. */
  readonly shape: readonly number[]
  /** The region of each place, row by row. */
  readonly labels: Int32Array
  /** How they were made, for results: `grid`, `slico`, `masks`, … */
  readonly kind: string
}

/**
 * Regions from the region of each place (a label map). Labels may be any integers from 0 on; those that no place has
 * are an error, as searches would rank what is not there.
 *
 * @throws AscribeError `INPUT_SHAPE` where there are no places or their number does not fit; `INPUT_VALUE`.
 */
export function regionsFromLabels(
  labels: ArrayLike<number>,
  shape: readonly number[],
  kind = 'labels',
): Regions {
  expectNumbers('labels', labels)
  const places = expectList('shape', shape, 'a list of sizes').reduce(
    (product, size) => product * expectInteger('shape', size, 1),
    1,
  )
  if (labels.length !== places)
    throw new AscribeError(
      'INPUT_SHAPE',
      `The label map has ${labels.length} places, expected ${places} for [${shape.join(', ')}]`,
    )
  let greatest = 0
  for (let at = 0; at < places; ++at) {
    const label = labels[at]!
    if (!Number.isInteger(label) || label < 0 || label >= places)
      throw new AscribeError(
        'INPUT_VALUE',
        `The label map holds ${label}, expected integers from 0 to ${places - 1}`,
      )
    if (label > greatest) greatest = label
  }
  const copy = Int32Array.from(labels)
  const areas = regionAreas({ count: greatest + 1, labels: copy })
  const missing = areas.indexOf(0)
  if (missing >= 0)
    throw new AscribeError('INPUT_VALUE', `No place has label ${missing}, and some have ${greatest}`, {
      hint: 'Number the regions from 0 without gaps.',
    })
  return { count: greatest + 1, shape: [...shape], labels: copy, kind }
}

/** Refuses what has no entries to read. */
export function expectNumbers(name: string, value: ArrayLike<unknown>): void {
  const isList = Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))
  if (!isList) throw typeError(name, 'a list of numbers', value)
}

/** Checks the height and width of something. */
export function expectExtent(shape: readonly [number, number]): readonly [number, number] {
  expectList('shape', shape, '[height, width]')
  return [expectInteger('shape[0]', shape[0], 1), expectInteger('shape[1]', shape[1], 1)]
}

/** Places of each region. */
export function regionAreas(regions: Pick<Regions, 'count' | 'labels'>): Float64Array {
  const { labels } = expectObject('regions', regions) as unknown as Regions
  const count = expectInteger('regions.count', regions.count, 0)
  expectNumbers('regions.labels', labels)
  const areas = new Float64Array(count)
  for (const label of labels) areas[label]! += 1
  return areas
}

/**
 * A grid of rows x columns cells over a picture, numbered row by row; cell edges at floor(i * size / cells).
 *
 * @throws AscribeError `OPTION_RANGE` where there are more cells than places.
 */
export function gridRegions(height: number, width: number, rows: number, columns: number = rows): Regions {
  expectInteger('height', height, 1)
  expectInteger('width', width, 1)
  expectInteger('rows', rows, 1, height)
  expectInteger('columns', columns, 1, width)
  const cellOf = (size: number, cells: number) => {
    const cell = new Int32Array(size)
    for (let i = 0; i < cells; ++i)
      cell.fill(i, Math.floor((i * size) / cells), Math.floor(((i + 1) * size) / cells))
    return cell
  }
  const [down, across] = [cellOf(height, rows), cellOf(width, columns)]
  const labels = new Int32Array(height * width)
  for (let y = 0; y < height; ++y)
    for (let x = 0; x < width; ++x) labels[y * width + x] = down[y]! * columns + across[x]!
  return { count: rows * columns, shape: [height, width], labels, kind: 'grid' }
}

/** One region for each place along an axis: columns of a table, tokens of a text. */
export const eachPlace = (length: number): Regions => ({
  count: expectInteger('length', length, 1),
  shape: [length],
  labels: Int32Array.from({ length }, (_, at) => at),
  kind: 'places',
})

/**
 * Consecutive spans of a sequence from their ends.
 *
 * @param ends Ascending; the last one is the length.
 */
export function spanRegions(ends: readonly number[]): Regions {
  const length = ends.at(-1)
  if (length === undefined) throw new AscribeError('OPTION_RANGE', 'There are no spans')
  const labels = new Int32Array(expectInteger('end', length, 1))
  let start = 0
  for (const [at, end] of ends.entries()) {
    expectInteger(`ends[${at}]`, end, start + 1, length)
    labels.fill(at, start, end)
    start = end
  }
  return { count: ends.length, shape: [length], labels, kind: 'spans' }
}
