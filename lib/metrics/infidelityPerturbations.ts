import { AscribeError } from '../errors.js'
import { rangeError } from '../validate.js'
import { removedScores } from './correlation.js'
import { featuresOf } from './features.js'
import type { GivenCopies, Masked } from './perturbedRuns.js'
import { drawEach, randomStream } from './randomStream.js'
import type { Subject } from './subject.js'

export const infidelityPerturbations = [
  'mask',
  'everyMask',
  'gaussian',
  'square',
  'patches',
  'cumulativePatches',
] as const

interface PerturbationOptions {
  perturbation: (typeof infidelityPerturbations)[number]
  samples: number
  removed: number
  sigma: number
  size: number
  multiplyByInputs: boolean
  seed: number
}

/** Copies of a sample, the first of them unchanged, and what a map says of each of the others. */
export interface LinearCopies {
  readonly perturbation: Masked | GivenCopies
  /** sum I * phi, one for each changed copy. */
  said(): Float64Array
}

/** More subsets than this are sampled, not listed. */
const mostListed = 16

/** x less its baseline, number after number through the explained values. */
function differences({ explained, baselines }: Subject): Float64Array {
  const contents = explained.names.map(name => explained.tensors[name]!.data as Float32Array)
  const all = new Float64Array(contents.reduce((sum, { length }) => sum + length, 0))
  let offset = 0
  for (const [value, present] of contents.entries()) {
    const absent = baselines[value]!.data as Float32Array
    for (let at = 0; at < present.length; at++) all[offset++] = present[at]! - absent[at]!
  }
  return all
}

/** Which pixels each square covers, by player: places along rows and columns of a picture. */
function squares(
  subject: Subject,
  { perturbation, size, samples, seed }: PerturbationOptions,
): Pick<Masked, 'count' | 'removed'> {
  const { explained } = subject
  const units = explained.names.length === 1 ? explained.units[explained.names[0]!] : undefined
  if (units?.kind !== 'grid')
    throw new AscribeError('INPUT_SHAPE', `${perturbation} needs one picture, and this input is none`)
  const { width, height } = units
  if (size > Math.min(width, height))
    throw rangeError('size', `at most the picture's ${Math.min(width, height)} pixels`, size)
  const cover = (removed: number[], left: number, top: number) => {
    for (let y = top; y < Math.min(top + size, height); y++)
      for (let x = left; x < Math.min(left + size, width); x++) removed.push(y * width + x)
    return removed
  }
  if (perturbation === 'square')
    return {
      count: samples,
      removed: at => {
        const stream = randomStream(seed, subject.id, at)
        return cover([], stream.below(width - size + 1), stream.below(height - size + 1))
      },
    }
  const across = Math.ceil(width / size)
  return {
    count: across * Math.ceil(height / size),
    removed: at => {
      const removed: number[] = []
      const first = perturbation === 'cumulativePatches' ? 0 : at
      for (let patch = first; patch <= at; patch++)
        cover(removed, (patch % across) * size, Math.floor(patch / across) * size)
      return removed
    },
  }
}

/** Units of the subject, whatever its features are: the player of each feature, and how many there are. */
function unitPlayers({ explained, features, count }: Subject): { players: number; playerOf: Int32Array } {
  const playerOf = new Int32Array(count)
  let [offset, players] = [0, 0]
  for (const [value, name] of explained.names.entries()) {
    const { count: own, kind } = features[value]!
    const units = featuresOf(explained.units[name]!, explained.tensors[name]!.shape, 'unit')
    for (let at = 0; at < own; at++) playerOf[offset + at] = players + (kind === 'unit' ? at : units.of(at))
    players += units.count
    offset += own
  }
  return { players, playerOf }
}

function removals(subject: Subject, options: PerturbationOptions): LinearCopies {
  const { players, playerOf } = unitPlayers(subject)
  const { perturbation, samples, removed, seed } = options
  if (perturbation === 'everyMask' && players > mostListed)
    throw new AscribeError(
      'OPTION_RANGE',
      `everyMask lists the subsets of ${mostListed} units at most; this input has ${players}`,
    )
  const { count, removed: changed }: Pick<Masked, 'count' | 'removed'> =
    perturbation === 'mask'
      ? {
          count: samples,
          removed: at => drawEach(randomStream(seed, subject.id, at), players, removed),
        }
      : perturbation === 'everyMask'
        ? {
            count: 2 ** players,
            removed: at =>
              Array.from({ length: players }, (_, bit) => bit).filter(bit => ((at >> bit) & 1) === 1),
          }
        : squares(subject, options)
  const copies: Masked = {
    kind: 'masked',
    players,
    playerOf,
    areUnits: true,
    count: count + 1,
    removed: at => (at === 0 ? [] : changed(at - 1)),
  }
  return {
    perturbation: copies,
    said: () => {
      const { multiplyByInputs } = options
      const change = multiplyByInputs ? undefined : differences(subject)
      const scores =
        change === undefined ? subject.scores : subject.scores.map((slope, at) => slope * change[at]!)
      return removedScores({ ...subject, scores }, copies).subarray(1)
    },
  }
}

/** x - I for Gaussian I. */
function noised(
  subject: Subject,
  { samples, sigma, seed, multiplyByInputs }: PerturbationOptions,
): LinearCopies {
  const { explained, scores } = subject
  const noise = (copy: number): Float64Array => {
    const stream = randomStream(seed, subject.id, copy)
    return Float64Array.from(scores, () => sigma * stream.normal())
  }
  const row = (copy: number) => {
    const drawn = copy === 0 ? undefined : noise(copy - 1)
    let offset = 0
    return explained.names.map(name => {
      const data = explained.tensors[name]!.data as Float32Array
      const start = offset
      offset += data.length
      return drawn === undefined ? data : data.map((value, at) => value - drawn[start + at]!)
    })
  }
  return {
    perturbation: { kind: 'given', count: samples + 1, row },
    said: () => {
      const change = multiplyByInputs ? differences(subject) : undefined
      return Float64Array.from({ length: samples }, (_, copy) =>
        noise(copy).reduce((sum, step, at) => {
          // Where the input is its baseline a contribution says nothing of a slope.
          const scale = change === undefined ? 1 : change[at] === 0 ? 0 : 1 / change[at]!
          return sum + step * scale * scores[at]!
        }, 0),
      )
    },
  }
}

/** The copies that infidelity looks at. */
export const linearCopies = (subject: Subject, options: PerturbationOptions): LinearCopies =>
  options.perturbation === 'gaussian' ? noised(subject, options) : removals(subject, options)
