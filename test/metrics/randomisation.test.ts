import { join } from 'node:path'
import test from 'ava'
import { GuidedBackprop, InputXGradient, ParameterRandomisation, RandomLogit, Saliency } from '#lib/index.js'
import { weightLayers } from '#lib/metrics/weightLayers.js'
import { heldOutScenes, loadPair } from '../../examples/quickstart/scenes.js'
import { repositoryRoot } from '../oracles/repository.js'

const pair = loadPair(join(repositoryRoot, 'models'))
const samples = [...heldOutScenes(3)].map(({ name, label, badge }) => ({
  id: name,
  target: label,
  input: badge,
}))

test('layers are the weights in the order in which the graph reads them, norms and biases with them', async t => {
  const { sound } = await pair
  const layers = weightLayers(sound)
  t.is(layers.length, 8)
  t.is(layers[0]!.name, 'features.0.0.weight')
  t.deepEqual(layers.at(-1), { name: 'classify.weight', parameters: ['classify.weight', 'classify.bias'] })
  t.deepEqual(
    layers.flatMap(({ parameters }) => parameters).sort(),
    sound.parameters
      .list()
      .map(({ name }) => name)
      .sort(),
  )
})

test('a method that looks at no weights keeps its map, one of gradients loses it', async t => {
  const { sound } = await pair
  const randomisation = new ParameterRandomisation(sound)
  const still = await randomisation.evaluate(samples, { method: () => new Saliency(sound) })
  t.is(still.summary.last!.mean, 1)
  const seen: number[] = []
  const moved = await randomisation.evaluate(samples, {
    method: model => new Saliency(model),
    onProgress: done => seen.push(done),
  })
  t.is(moved.layers.length, 8)
  t.is(moved.layers[0], 'classify.weight')
  t.is(moved.samples[0]!.curves!.spearman!.length, 8)
  t.true(moved.summary.last!.mean < 0.5)
  t.is(seen.at(-1), 27)
  t.is(moved.cost.forwardPasses, 27)
  const guided = await randomisation.evaluate(samples, { method: model => new GuidedBackprop(model) })
  t.true(guided.curves.spearman![3]! > moved.curves.spearman![3]! + 0.2)
})

test('the end of the cascade is the same from both sides; alone, each layer is randomised by itself', async t => {
  const { sound } = await pair
  const method = (model: typeof sound) => new InputXGradient(model)
  const [down, up, alone] = await Promise.all(
    (
      [
        ['cascading', 'topDown'],
        ['cascading', 'bottomUp'],
        ['independent', 'topDown'],
      ] as const
    ).map(([order, direction]) =>
      new ParameterRandomisation(sound, { order, direction }).evaluate(samples.slice(0, 1), { method }),
    ),
  )
  t.is(down!.summary.last!.mean, up!.summary.last!.mean)
  t.deepEqual(up!.layers, [...down!.layers].reverse())
  t.is(alone!.curves.spearman![0], down!.curves.spearman![0])
  t.is(alone!.summary.last!.mean, up!.curves.spearman![0]!)
  t.not(alone!.summary.last!.mean, down!.summary.last!.mean)
})

test('the map of another class is another map, or not', async t => {
  const { sound } = await pair
  const logit = new RandomLogit()
  const gradient = await logit.evaluate(samples, { maps: new Saliency(sound, { absolute: false }) })
  const blind = {
    model: sound,
    attribute: async (input: Parameters<Saliency['attribute']>[0]) =>
      new Saliency(sound).attribute(input, { target: 0 }),
  }
  t.true(gradient.summary.spearman!.mean < 0.9)
  await t.throwsAsync(logit.evaluate(samples), { code: 'OPTION_TYPE' })
  const never = await logit.evaluate(
    samples.map(({ target: _, ...sample }) => sample),
    { maps: blind },
  )
  t.is(never.summary.spearman!.mean, 1)
  t.true(Math.abs(never.summary.cosine!.mean - 1) < 1e-12)
})

test('an abort stops a randomisation; a method is a function of the model', async t => {
  const { sound } = await pair
  const randomisation = new ParameterRandomisation(sound)
  const method = (model: typeof sound) => new Saliency(model)
  await t.throwsAsync(randomisation.evaluate(samples, { method, signal: AbortSignal.abort() }), {
    code: 'ABORTED',
  })
  await t.throwsAsync(randomisation.evaluate(samples, { method: new Saliency(sound) as never }), {
    code: 'OPTION_TYPE',
  })
  await t.throwsAsync(randomisation.evaluate([], { method }), { code: 'INPUT_MISSING' })
})
