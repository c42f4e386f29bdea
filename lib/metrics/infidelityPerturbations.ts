import { AscribeError } from '../errors.js'
import { rangeError } from '../validate.js'
import { removedScores } from './correlation.js'
import type { GivenCopies, Masked } from './perturbedRuns.js'
import { randomStream } from './randomStream.js'
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
  const parts = explained.names.map((name, value) => {
    const absent = baselines[value]!.data as Float32Array
    return Float64Array.from(explained.tensors[name]!.data as Float32Array, (x, at) => x - absent[at]!)
  })
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    all.set(part, offset)
    offset += part.length
  }
  return all
}

/** Which pixels each square covers, by player: places along rows and columns of a picture. */
function squares(
  subject: Subject,
  players: number,
  { perturbation, size, samples, seed }: PerturbationOptions,
): { count: number; mask: (at: number) => Uint8Array } {
  const { explained } = subject
  const units = explained.names.length === 1 ? explained.units[explained.names[0]!] : undefined
  if (units?.kind !== 'grid')
    throw new AscribeError('INPUT_SHAPE', `${perturbation} needs one picture, and this input is none`)
  const { width, height } = units
  if (size > Math.min(width, height))
    throw rangeError('size', `at most the picture's ${Math.min(width, height)} pixels`, size)
  const cover = (removed: Uint8Array, left: number, top: number) => {
    for (let y = top; y < Math.min(top + size, height); y++)
      removed.fill(1, y * width + left, y * width + Math.min(left + size, width))
  }
  if (perturbation === 'square')
    return {
      count: samples,
      mask: at => {
        const stream = randomStream(seed, subject.id, at)
        const removed = new Uint8Array(players)
        cover(removed, stream.below(width - size + 1), stream.below(height - size + 1))
        return removed
      },
    }
  const across = Math.ceil(width / size)
  return {
    count: across * Math.ceil(height / size),
    mask: at => {
      const removed = new Uint8Array(players)
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
    const units = explained.units[name]!
    const { count: own, kind } = features[value]!
    const elements = explained.tensors[name]!.data.length
    const area = units.kind === 'grid' ? units.width * units.height : 0
    const channelsLast = units.kind === 'grid' && units.layout.endsWith('C')
    const ofElement = (element: number): number => {
      if (units.kind === 'grid')
        return channelsLast ? Math.floor(element / (elements / area)) : element % area
      return units.kind === 'tokens' ? Math.floor(element / (elements / units.tokens.length)) : element
    }
    for (let at = 0; at < own; at++) playerOf[offset + at] = players + (kind === 'unit' ? at : ofElement(at))
    players += units.kind === 'grid' ? area : units.kind === 'tokens' ? units.tokens.length : elements
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
  const { count, mask } =
    perturbation === 'mask'
      ? {
          count: samples,
          mask: (at: number) => {
            const stream = randomStream(seed, subject.id, at)
            return Uint8Array.from({ length: players }, () => (stream.uniform() < removed ? 1 : 0))
          },
        }
      : perturbation === 'everyMask'
        ? {
            count: 2 ** players,
            mask: (at: number) => Uint8Array.from({ length: players }, (_, bit) => (at >> bit) & 1),
          }
        : squares(subject, players, options)
  const none = new Uint8Array(players)
  const copies: Masked = {
    kind: 'masked',
    players,
    playerOf,
    count: count + 1,
    mask: at => (at === 0 ? none : mask(at - 1)),
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
