import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { play } from '#lib/games/play.js'
import { LimePlayer } from '#lib/games/samplers/lime.js'
import {
  type Attribution,
  createTensor,
  fromFunction,
  type Hierarchy,
  KernelShap,
  Occlusion,
  OwenValues,
  ShapleyValues,
  Target,
  type Tensor,
} from '#lib/index.js'
import { repositoryRoot } from '../oracles/repository.js'
import { gameOf } from '../oracles/sigmoidGame.js'

/** Recorded by test/oracles/perturbation_peers.py. */
const peers = JSON.parse(
  readFileSync(join(repositoryRoot, 'test/oracles/perturbation_peers.json'), 'utf8'),
) as {
  function: { a: number[][]; b: number[]; o: number[]; x: number[]; baseline: number[] }
  occlusion: number[]
  occlusionPicture: { scores: number[] }
  shapley: number[]
  kernelShap: number[]
  lime: { scores: number[] }
  owen: { hierarchy: Hierarchy; scores: number[] }
}
const { a, b, o, x, baseline } = peers.function

const value = (row: readonly number[]): number =>
  a.reduce(
    (sum, weights, k) => {
      const inner = weights.reduce((total, weight, i) => total + weight * row[i]!, b[k]!)
      return sum + o[k]! * Math.tanh(inner)
    },
    0.5 * row[0]! * row[3]!,
  )

const box = fromFunction(
  ({ input }) => {
    const { shape, data } = input as Tensor<'f64'>
    const rows = Array.from({ length: shape[0]! }, (_, at) => [...data.subarray(6 * at, 6 * at + 6)])
    return createTensor('f64', [rows.length, 1], rows.map(value))
  },
  { inputs: [{ name: 'input', dtype: 'f64' }] },
)
const tensorOf = (values: readonly number[]) => createTensor('f64', [1, 6], Float64Array.from(values))
const options = { target: Target.regression(), baseline: tensorOf(baseline) }

function close(t: ExecutionContext, attribution: Attribution, expected: readonly number[]): void {
  // Both go through single precision on their way out.
  for (const [at, score] of attribution.scores().data.entries())
    t.true(Math.abs(score - expected[at]!) < 2e-5, `${at}: ${score}, recorded ${expected[at]}`)
}

test('Captum: occlusion of a vector and of a picture, windows that overlap and are cut off at edges', async t => {
  close(
    t,
    await new Occlusion(box, { window: 3, stride: 2 }).attribute(tensorOf(x), options),
    peers.occlusion,
  )
  const weights = Array.from({ length: 70 }, (_, at) => Math.sin(at))
  const picture = fromFunction(
    ({ input }) => {
      const { shape, data } = input as Tensor<'f64'>
      const sums = Array.from({ length: shape[0]! }, (_, row) =>
        Math.tanh(weights.reduce((sum, weight, at) => sum + weight * data[70 * row + at]!, 0) / 4),
      )
      return createTensor('f64', [sums.length, 1], sums)
    },
    { inputs: [{ name: 'input', dtype: 'f64' }] },
  )
  // Two channels are no picture to us, so the channels are two lists of windows that are covered together: the mean of
  // both planes' windows needs them as one, which a third, empty channel makes of it.
  const pixels = createTensor(
    'f64',
    [1, 3, 5, 7],
    [...Array.from({ length: 70 }, (_, at) => Math.cos(0.7 * at)), ...new Float64Array(35)],
  )
  const three = fromFunction(
    async ({ input }) => {
      const { shape, data } = input as Tensor<'f64'>
      const rows = shape[0]!
      const two = new Float64Array(rows * 70)
      for (let row = 0; row < rows; row++) two.set(data.subarray(105 * row, 105 * row + 70), 70 * row)
      return (await picture.run(createTensor('f64', [rows, 2, 5, 7], two))).outputs.output!
    },
    { inputs: [{ name: 'input', dtype: 'f64' }] },
  )
  const map = await new Occlusion(three, { window: 3, stride: 2 }).attribute(pixels, {
    target: Target.regression(),
  })
  t.deepEqual(map.scores().shape, [5, 7])
  close(t, map, peers.occlusionPicture.scores)
})

test('Captum and shap: Shapley values, and KernelSHAP over all coalitions', async t => {
  close(t, await new ShapleyValues(box).attribute(tensorOf(x), options), peers.shapley)
  close(t, await new KernelShap(box).attribute(tensorOf(x), options), peers.kernelShap)
})

test('shap: Owen values of nested groups', async t => {
  const { hierarchy, scores } = peers.owen
  close(t, await new OwenValues(box, { hierarchy }).attribute(tensorOf(x), options), scores)
})

test("Captum: LIME's lasso over all masks, weighted by the cosine of masked inputs", async t => {
  const player = new LimePlayer(
    {
      players: 6,
      samples: 64,
      surrogate: 'lasso',
      penalty: 0.01,
      distance: 'cosine',
      kernel: 'captum',
      kernelWidth: 1,
      seed: 0,
      moments: {
        own: Float64Array.from(x, number => number * number),
        mixed: Float64Array.from(x, (number, at) => number * baseline[at]!),
        baseline: Float64Array.from(baseline, number => number * number),
      },
    },
    sample => Uint32Array.of(sample),
  )
  const masked = (z: readonly number[]) => value(z.map((bit, at) => (bit ? x[at]! : baseline[at]!)))
  const { result } = await play(gameOf(6, masked), player)
  for (const [at, score] of result.scores.entries())
    t.true(
      Math.abs(score - peers.lime.scores[at]!) < 2e-5,
      `${at}: ${score}, recorded ${peers.lime.scores[at]}`,
    )
})
