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

test('methods go by their names in the registry, with options and around others', async t => {
  const { sound } = await pair
  const randomisation = new ParameterRandomisation(sound)
  const own = await randomisation.evaluate(samples, { method: model => new InputXGradient(model) })
  const named = await randomisation.evaluate(samples, { method: 'input-x-gradient' })
  t.deepEqual(named.samples, own.samples)
  const absolute = await randomisation.evaluate(samples.slice(0, 1), {
    method: { name: 'Saliency', options: { absolute: false } },
  })
  const signed = await randomisation.evaluate(samples.slice(0, 1), {
    method: model => new Saliency(model, { absolute: false }),
  })
  t.deepEqual(absolute.samples, signed.samples)
  const around = await randomisation.evaluate(samples.slice(0, 1), {
    method: { name: 'SmoothGrad', options: { samples: 2 }, base: { name: 'InputXGradient' } },
  })
  t.true(Number.isFinite(around.summary.mean!.mean))
  await t.throwsAsync(randomisation.evaluate(samples, { method: 'Sailency' }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(randomisation.evaluate(samples, {}), { code: 'OPTION_TYPE' })
})

test('samples stream in groups, and have the values that they have alone, of classes of their own', async t => {
  const { sound } = await pair
  const randomisation = new ParameterRandomisation(sound, { order: 'independent' })
  const method = (model: typeof sound) => new InputXGradient(model)
  const together = await randomisation.evaluate(samples, { method })
  async function* oneByOne() {
    // The class that the model gives by itself, where none is named.
    for (const { target: _, ...sample } of samples) yield sample
  }
  const streamed = []
  for await (const result of randomisation.stream(oneByOne(), { method })) streamed.push(result)
  t.is(streamed.length, 3)
  for (const [at, sample] of samples.entries()) {
    const { target: _, ...top } = sample
    for (const [given, found] of [
      [sample, together.samples[at]!],
      [top, streamed[at]!],
    ] as const) {
      const alone = (await randomisation.evaluate([given], { method })).samples[0]!
      t.is(found.index, at)
      for (const [layer, value] of alone.curves!.spearman!.entries())
        t.true(Math.abs(found.curves!.spearman![layer]! - value) <= 1e-5, `sample ${at}, layer ${layer}`)
    }
  }
})

test('recorded maps are judged as those of the method that made them', async t => {
  const { sound } = await pair
  const randomisation = new ParameterRandomisation(sound)
  const layers = randomisation.layers
  t.is(layers.length, 8)
  // Worked by hand: the map of the untouched model, the same, its reverse, and one that is uncorrelated.
  const recorded: Record<string, number[]> = {
    [layers[0]!]: [1, 2, 3, 4],
    [layers[1]!]: [4, 3, 2, 1],
    [layers[2]!]: [2, 1, 4, 3],
  }
  const asked: (string | undefined)[] = []
  const result = await randomisation.evaluate([{ input: samples[0]!.input, id: 'a' }], {
    maps: (_, index, layer) => {
      t.is(index, 0)
      asked.push(layer)
      return layer === undefined ? [10, 20, 30, 40] : (recorded[layer] ?? [1, 1, 1, 2])
    },
  })
  t.deepEqual(asked, [undefined, ...layers])
  const [same, reverse, swapped, tied] = result.samples[0]!.curves!.spearman!
  t.is(same, 1)
  t.is(reverse, -1)
  // Ranks 2 1 4 3 against 1 2 3 4: 1 - 6 * 4 / (4 * 15).
  t.true(Math.abs(swapped! - 0.6) < 1e-12)
  // Ranks 2 2 2 4: covariance 3, variances 5 and 3.
  t.true(Math.abs(tied! - 3 / Math.sqrt(15)) < 1e-12)
  t.is(result.cost.forwardPasses, 0)
  const both = { method: 'Saliency', maps: () => [1] }
  await t.throwsAsync(randomisation.evaluate(samples, both), { code: 'OPTION_RANGE' })
  const wrong = randomisation.evaluate(samples, { maps: () => 'map' as never })
  await t.throwsAsync(wrong, { code: 'OPTION_TYPE' })
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
