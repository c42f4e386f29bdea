import type { Units } from '../../attribution/units.js'
import { AscribeError } from '../../errors.js'
import { coalitionOf } from '../../games/coalition.js'
import { LeaveOneOutPlayer } from '../../games/samplers/leaveOneOut.js'
import type { Explainable } from '../../model/explainable.js'
import type { RegionsOption } from '../../regions/makeRegions.js'
import { type Regions, regionsFromLabels } from '../../regions/regions.js'
import { expectInteger } from '../../validate.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { type Absence, absenceOption } from './absence.js'
import { type Perturbation, PerturbationMethod } from './perturbationMethod.js'
import { type CutInput, type RegionInput, spreadScores } from './regionInput.js'
import { limitOptions } from './regionMethod.js'

export const occlusionOptions = {
  ...absenceOption,
  window: {
    kind: 'integer',
    default: undefined as number | undefined,
    minimum: 1,
    description:
      'Side of the square (length, for one axis) that is covered; default a fourteenth of the shorter side.',
  },
  stride: {
    kind: 'integer',
    default: undefined as number | undefined,
    minimum: 1,
    description: 'Steps of the window, at most its side; default half of it.',
  },
  overlap: {
    kind: 'choice',
    choices: ['average', 'sum'],
    default: 'average',
    description:
      'What a place has of the windows that cover it: their mean as in Captum, or their sum as in Xplique.',
  },
  cover: {
    kind: 'choice',
    choices: ['full', 'whole'],
    default: 'full',
    description:
      'full: the last window is cut off at the edge, as in Captum; whole: only whole windows, as in Xplique.',
  },
  budget: limitOptions.budget,
} as const
export type OcclusionOptions = Given<typeof occlusionOptions>

/** A window along one axis: from `start` up to and without `end`. */
interface Stretch {
  readonly start: number
  readonly end: number
}

/** Windows along one axis, and the cells that their edges cut it into. */
interface Axis {
  readonly windows: readonly Stretch[]
  /** Where cells begin. */
  readonly cells: readonly number[]
}

/**
 * Occlusion: what the target loses when a window of the input is covered, window by window. A place has the mean over
 * the windows that cover it.
 *
 * Source: Zeiler and Fergus, "Visualizing and understanding convolutional networks" (2014), section 4.2; overlaps and
 * edges as Captum, those of Xplique as options.
 */
export class Occlusion extends PerturbationMethod {
  readonly options: Resolved<typeof occlusionOptions>

  constructor(model: Explainable, options: OcclusionOptions = {}) {
    super(model)
    this.options = resolveOptions(occlusionOptions, options)
    const { window, stride } = this.options
    if (window !== undefined && stride !== undefined) expectInteger('stride', stride, 1, window)
  }
  override identity(): MethodIdentity {
    const said = Object.entries(this.options).filter(([, value]) => value !== undefined)
    return { name: 'Occlusion', options: Object.fromEntries(said) }
  }
  protected override absenceOf(): Absence {
    return this.options.absence
  }
  protected override get limits() {
    return { budget: this.options.budget }
  }

  /** Cells of which every window is made. */
  protected override regionsFor({ extents }: CutInput): RegionsOption {
    return cellRegions(
      extents,
      this.#axes(extents).map(axis => axis.cells),
    )
  }

  protected override perturb(example: RegionInput): Perturbation {
    const { regions } = example
    const axes = this.#axes(regions.shape)
    const windows = axes.reduce<readonly (readonly Stretch[])[]>(
      (all, axis) => all.flatMap(window => axis.windows.map(stretch => [...window, stretch])),
      [[]],
    )
    const cellsAt = (index: number) => cellsOf(windows[index]!, axes)
    return {
      player: new LeaveOneOutPlayer(regions.count, windows.length, index =>
        coalitionOf(regions.count, cellsAt(index)),
      ),
      // No window comes twice.
      memoEntries: 0,
      present: ({ scores, samples }) => this.#present(example, samples, cellsAt, scores),
    }
  }

  #axes(extents: readonly number[]): Axis[] {
    const shortest = Math.min(...extents)
    const window = this.options.window ?? Math.max(1, Math.ceil(shortest / 14))
    const stride = this.options.stride ?? Math.max(1, Math.ceil(window / 2))
    if (stride > window)
      throw new AscribeError(
        'OPTION_RANGE',
        `A stride of ${stride} leaves out places between windows of ${window}, which would have the score 0`,
        { hint: 'Give a window that is at least as long.' },
      )
    return extents.map(size => {
      if (window > size)
        throw new AscribeError('OPTION_RANGE', `A window of ${window} is longer than an axis of ${size}`)
      const whole = Math.floor((size - window) / stride) + 1
      const count = this.options.cover === 'whole' ? whole : Math.ceil((size - window) / stride) + 1
      const windows = Array.from({ length: count }, (_, at) => ({
        start: at * stride,
        end: Math.min(size, at * stride + window),
      }))
      const edges = new Set([0, ...windows.flatMap(({ start, end }) => [start, end])])
      edges.delete(size)
      return { windows, cells: [...edges].sort((a, b) => a - b) }
    })
  }

  /** Each window's loss at all of its cells. */
  #present(
    example: RegionInput,
    windows: number,
    cellsAt: (index: number) => number[],
    losses: Float64Array,
  ): { units: Units; data: Float32Array } {
    const { count } = example.regions
    const sums = new Float64Array(count)
    const covering = new Float64Array(count)
    for (let at = 0; at < windows; at++)
      for (const cell of cellsAt(at)) {
        sums[cell]! += losses[at]!
        covering[cell]!++
      }
    const isMean = this.options.overlap === 'average'
    return spreadScores(
      example,
      sums.map((sum, cell) => (isMean && covering[cell]! > 0 ? sum / covering[cell]! : sum)),
    )
  }
}

function cellRegions(extents: readonly number[], cells: readonly (readonly number[])[]): Regions {
  const cellAlong = extents.map((size, axis) => {
    const along = new Int32Array(size)
    for (const [cell, start] of cells[axis]!.entries()) along.fill(cell, start)
    return along
  })
  const count = extents.reduce((product, size) => product * size, 1)
  const labels = new Int32Array(count)
  for (let place = 0; place < count; place++) {
    let [rest, step] = [place, 1]
    for (let axis = extents.length - 1; axis >= 0; axis--) {
      labels[place]! += step * cellAlong[axis]![rest % extents[axis]!]!
      rest = Math.floor(rest / extents[axis]!)
      step *= cells[axis]!.length
    }
  }
  return regionsFromLabels(labels, extents, 'windows')
}

/** Numbers of the cells that a window covers. */
function cellsOf(window: readonly Stretch[], axes: readonly Axis[]): number[] {
  return window.reduce<number[]>(
    (numbers, { start, end }, axis) => {
      const { cells } = axes[axis]!
      const within = cells.flatMap((from, cell) => (from >= start && from < end ? [cell] : []))
      return numbers.flatMap(number => within.map(cell => number * cells.length + cell))
    },
    [0],
  )
}
