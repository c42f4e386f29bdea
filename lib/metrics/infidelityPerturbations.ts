import type { NativeTensor } from '#typings/addon.js'
import { elementCount } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import type { PlaceChanges } from '../graph/placeLists.js'
import { native, settle } from '../native.js'
import { rangeError } from '../validate.js'
import { featuresOf } from './features.js'
import {
  type GivenCopies,
  type Masked,
  type Perturbation,
  playerScores,
  type Ranked,
} from './perturbation.js'
import { drawEach, drawKeys, randomStream } from './randomStream.js'
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

/** The picture that squares lie on. */
function pictureOf({ explained }: Subject, { perturbation, size }: PerturbationOptions) {
  const units = explained.names.length === 1 ? explained.units[explained.names[0]!] : undefined
  if (units?.kind !== 'grid')
    throw new AscribeError('INPUT_SHAPE', `${perturbation} needs one picture, and this input is none`)
  const { width, height } = units
  if (size > Math.min(width, height))
    throw rangeError('size', `at most the picture's ${Math.min(width, height)} pixels`, size)
  return {
    width,
    height,
    across: Math.ceil(width / size),
    patches: Math.ceil(width / size) * Math.ceil(height / size),
  }
}

/** Which pixels each square covers, by player: places along rows and columns of a picture. */
function squares(subject: Subject, options: PerturbationOptions): Pick<Masked, 'count' | 'removed'> {
  const { perturbation, size, samples, seed } = options
  const { width, height, across, patches } = pictureOf(subject, options)
  const cover = (left: number, top: number) => {
    const removed: number[] = []
    for (let y = top; y < Math.min(top + size, height); y++)
      for (let x = left; x < Math.min(left + size, width); x++) removed.push(y * width + x)
    return removed
  }
  if (perturbation === 'patches')
    return { count: patches, removed: at => cover((at % across) * size, Math.floor(at / across) * size) }
  return {
    count: samples,
    removed: at => {
      const stream = randomStream(seed, subject.id, at)
      return cover(stream.below(width - size + 1), stream.below(height - size + 1))
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

/** What the map says that each feature's removal changes. */
function contributions(subject: Subject, { multiplyByInputs }: PerturbationOptions): Float64Array {
  if (multiplyByInputs) return subject.scores
  const change = differences(subject)
  for (let at = 0; at < change.length; at++) change[at]! *= subject.scores[at]!
  return change
}

/** What the map says of each step, of the features that it removes. */
function sumsOfSteps(
  scores: Float64Array,
  pixelOf: Int32Array,
  { stepOf, steps }: PlaceChanges,
): Float64Array {
  const sums = new Float64Array(steps)
  for (let feature = 0; feature < scores.length; feature++)
    sums[stepOf[pixelOf[feature]!]!]! += scores[feature]!
  return sums
}

function stepsOfFeatures(pixelOf: Int32Array, { stepOf }: PlaceChanges): Float32Array {
  const steps = new Float32Array(pixelOf.length)
  for (let feature = 0; feature < steps.length; feature++) steps[feature] = stepOf[pixelOf[feature]!]!
  return steps
}

/** Of each pixel the patch that it lies in. */
function patchesOf(subject: Subject, options: PerturbationOptions): PlaceChanges {
  const { size, perturbation } = options
  const { width, height, across, patches } = pictureOf(subject, options)
  const stepOf = new Int32Array(width * height)
  for (let pixel = 0; pixel < stepOf.length; pixel++)
    stepOf[pixel] = Math.floor(Math.floor(pixel / width) / size) * across + Math.floor((pixel % width) / size)
  return { key: `patches of ${size}`, stepOf, steps: patches, stay: perturbation === 'cumulativePatches' }
}

/** Patches that go one after the other and stay away. */
function cumulativePatches(subject: Subject, options: PerturbationOptions): Ranked {
  const patches = patchesOf(subject, options)
  const { playerOf } = unitPlayers(subject)
  const sums = sumsOfSteps(contributions(subject, options), playerOf, patches)
  const said = new Float64Array(patches.steps + 1)
  for (let patch = 0; patch < patches.steps; patch++) said[patch + 1] = said[patch]! + sums[patch]!
  const places = stepsOfFeatures(playerOf, patches)
  return { kind: 'ranked', order: { places }, thresholds: Array.from(said.keys()), said, patches }
}

function removals(subject: Subject, options: PerturbationOptions): Masked {
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
  return {
    kind: 'masked',
    players,
    playerOf,
    areUnits: true,
    ...(perturbation === 'patches' ? { patches: patchesOf(subject, options) } : {}),
    count: count + 1,
    removed: at => (at === 0 ? [] : changed(at - 1)),
    weights: playerScores(contributions(subject, options), players, playerOf),
    said: new Float64Array(count + 1),
  }
}

/** x - I for Gaussian I. */
function noised(subject: Subject, options: PerturbationOptions): GivenCopies {
  const { samples, sigma, seed, multiplyByInputs } = options
  const { explained, scores, id } = subject
  const tensors = explained.names.map(name => explained.tensors[name]! as NativeTensor)
  const change = multiplyByInputs ? differences(subject) : undefined
  // Where the input is its baseline a contribution says nothing of a slope.
  const weights =
    change === undefined ? scores : scores.map((score, at) => (change[at] === 0 ? 0 : score / change[at]!))
  const said = new Float64Array(samples + 1)
  const rows = async (first: number, count: number) => {
    const whole = first === 0 ? 1 : 0
    const drawn = count - whole
    const { copies, sums = [] } =
      drawn === 0
        ? { copies: [] }
        : await settle(() =>
            native().addNoise({
              tensors,
              keys: drawKeys(seed, id, first + whole - 1, drawn),
              distribution: 'normal',
              scale: -sigma,
              weights,
            }),
          )
    for (let at = 0; at < drawn; at++) said[first + whole + at] = -sums[at]!
    return tensors.map(({ shape, data }, value) => {
      const noisy = copies[value]?.data as Float32Array | undefined
      if (whole === 0) return noisy!
      const size = elementCount(shape)
      const all = new (data.constructor as Float32ArrayConstructor)(count * size)
      all.set(data as Float32Array)
      if (noisy !== undefined) all.set(noisy, size)
      return all
    })
  }
  return { kind: 'given', count: samples + 1, rows, said }
}

/** The copies that infidelity looks at, the first of them unchanged, and what the map says of each. */
export function linearCopies(subject: Subject, options: PerturbationOptions): Perturbation {
  if (options.perturbation === 'gaussian') return noised(subject, options)
  return options.perturbation === 'cumulativePatches'
    ? cumulativePatches(subject, options)
    : removals(subject, options)
}
