import test from 'ava'
import {
  Attribution,
  createTensor,
  explainGeneration,
  GenerationAttribution,
  loadModel,
  softFaithfulness,
} from '#lib/index.js'
import { importances, softDistance, softScores } from '#lib/metrics/softFaithfulness.js'
import { checkpointFolder } from '../oracles/recordedCheckpoints.js'

const close = (a: number, b: number, tolerance = 5e-10) => Math.abs(a - b) < tolerance

test('the worked example: distances, sufficiency and comprehensiveness, squared and as roots', t => {
  const q = [0.7, 0.2, 0.1]
  const sum = (p: number[]) =>
    p.reduce((total, each, at) => total + (Math.sqrt(each) - Math.sqrt(q[at]!)) ** 2, 0)
  const sums = [sum([0.5, 0.3, 0.2]), sum([0.2, 0.3, 0.5]), sum([0.3, 0.3, 0.4])] as const
  const squared = sums.map(each => softDistance(each, 'squared')) as [number, number, number]
  t.true([0.0311433743, 0.2224253726, 0.1368866185].every((value, at) => close(squared[at]!, value)))
  const [ns, nc] = softScores(...squared)
  t.true(close(ns, 0.7724878103) && close(nc, 1.6248876259))
  const [rootNs, rootNc] = softScores(
    ...(sums.map(each => softDistance(each, 'hellinger')) as [number, number, number]),
  )
  t.true(close(rootNs, 0.5230176212) && close(rootNc, 1.2747108009))
})

test('importances: by range, by rank, or as they are', t => {
  t.deepEqual([...importances([-4, 0, 1, 2], 'minmax')], [1, 0, 0.25, 0.5])
  t.deepEqual([...importances([-4, 0, 1, 1], 'rank')], [1, 0, 1 / 3, 1 / 3])
  t.deepEqual([...importances([0.5, 1], 'asIs')], [0.5, 1])
  t.throws(() => importances([0.5, 1.5], 'asIs'), { code: 'INPUT_VALUE' })
  t.deepEqual([...importances([3], 'rank')], [1])
  t.deepEqual([...importances([3, 3], 'minmax')], [1, 1])
})

const prompt = [1, 7, 12, 5, 9, 22, 31]
const answer = [14, 8]

/** A map whose scores are all one number. */
async function constantMap(name: string, value: number) {
  const model = await loadModel(checkpointFolder(name))
  const map = await explainGeneration(model, prompt, { answer, method: 'Saliency' })
  const { model: described, method, cost, environment, targets, inputs } = map.attribution
  const scores = inputs[0]!.scores
  const filled = createTensor('f32', [...scores.shape], new Float32Array(scores.data.length).fill(value))
  const constant = new Attribution({
    model: described,
    method,
    cost,
    environment,
    target: targets,
    inputs: [{ ...inputs[0]!, scores: filled }],
  })
  return { model, map: new GenerationAttribution(constant) }
}

for (const name of ['llama', 'gpt2', 'opt'])
  test(`${name}: everything kept is sufficient and, removed, changes as much as empty embeddings; nothing is neither`, async t => {
    const all = await constantMap(name, 1)
    const whole = await softFaithfulness(all.model, all.map, { scale: 'asIs', samples: 3 })
    t.is(whole.sufficiency.mean, 1)
    t.true(close(whole.comprehensiveness.mean, 1, 1e-6))
    t.is(whole.sufficiency.standardError, 0)
    const none = await constantMap(name, 0)
    const empty = await softFaithfulness(none.model, none.map, { scale: 'asIs', samples: 3 })
    t.true(close(empty.sufficiency.mean, 0, 1e-6))
    t.is(empty.comprehensiveness.mean, 0)
    t.is(empty.steps, 2)
    t.is(empty.logRatio.comprehensiveness, undefined)
  })

test('numbers are those of the seed, with errors that shrink with masks', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const map = await explainGeneration(model, prompt, { answer, method: 'InputXGradient' })
  const first = await softFaithfulness(model, map, { seed: 4 })
  t.deepEqual(await softFaithfulness(model, map, { seed: 4 }), first)
  t.notDeepEqual((await softFaithfulness(model, map, { seed: 5 })).random, first.random)
  const more = await softFaithfulness(model, map, { seed: 4, samples: 320 })
  t.true(more.comprehensiveness.standardError < first.comprehensiveness.standardError / 2)
  t.true(
    Math.abs(more.comprehensiveness.mean - first.comprehensiveness.mean) <
      6 * (first.comprehensiveness.standardError + more.comprehensiveness.standardError),
  )
  await t.throwsAsync(softFaithfulness(model, map, { samples: 0 }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(softFaithfulness(model, map, { scale: 'asIs' }), { code: 'INPUT_VALUE' })
})
