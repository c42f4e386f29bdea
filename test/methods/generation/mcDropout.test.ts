import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { explainGeneration, loadModel, Target } from '#lib/index.js'
import { type NoisyProbability, noisyProbability } from '#lib/methods/generation/mcDropout.js'
import { checkpointFolder } from '../../oracles/recordedCheckpoints.js'
import { repositoryRoot } from '../../oracles/repository.js'

interface Recorded {
  ids: number[]
  token: number
  source: number[]
  written: number[]
  passes: number
  probabilities: Record<string, NoisyProbability>
  raised: { rate: number; probabilities: Record<string, NoisyProbability> }
}
const recorded = JSON.parse(
  readFileSync(join(repositoryRoot, 'test', 'oracles', 'dropout.json'), 'utf8'),
) as Recorded
const { ids, token, source, written } = recorded
const pair = { ids: [...source, ...written], sourceTokens: source.length }

for (const [name, peer] of Object.entries(recorded.probabilities))
  test(`${name}: mean and deviation over passes with dropout are PyTorch's, within six standard errors`, async t => {
    const model = await loadModel(checkpointFolder(name))
    const samples = 2000
    const read = name.startsWith('t5') ? pair : { ids }
    const found = await noisyProbability(model, read, token, { samples, rate: undefined, seed: 1 })
    const error = peer.deviation * Math.sqrt(1 / samples + 1 / recorded.passes)
    t.true(Math.abs(found.mean - peer.mean) < 6 * error, `${found.mean} ${peer.mean}`)
    // Heavier tails than the normal distribution's make the deviation's own error larger than 1 / sqrt(2 n) of it.
    t.true(Math.abs(found.deviation / peer.deviation - 1) < 0.15, `${found.deviation} ${peer.deviation}`)
  })

// Each place in which elements are dropped adds to the deviation, and more at a high rate.
for (const [name, peer] of Object.entries(recorded.raised.probabilities))
  test(`${name}: the deviation at a high rate is PyTorch's within 3 percent`, async t => {
    const model = await loadModel(checkpointFolder(name))
    const { rate } = recorded.raised
    const found = await noisyProbability(model, pair, token, { samples: 8000, rate, seed: 1 })
    t.true(Math.abs(found.mean / peer.mean - 1) < 0.02, `${found.mean} ${peer.mean}`)
    t.true(Math.abs(found.deviation / peer.deviation - 1) < 0.03, `${found.deviation} ${peer.deviation}`)
  })

test('passes are keyed by seed and number: a few of them are the first of many', async t => {
  const model = await loadModel(checkpointFolder('gpt2'))
  const run = (samples: number, seed: number) =>
    noisyProbability(model, { ids }, token, { samples, rate: 0.2, seed })
  t.deepEqual(await run(3, 4), await run(3, 4))
  t.notDeepEqual(await run(3, 4), await run(3, 5))
  const [few, whole] = [await run(8, 4), await run(9, 4)]
  t.true(whole.deviation > 0)
  // The ninth pass is what the means say; sums of squares then follow, if the other eight are the same.
  const last = 9 * whole.mean - 8 * few.mean
  const squares = 7 * few.deviation ** 2 + (8 / 9) * (last - few.mean) ** 2
  t.true(Math.abs(squares / (8 * whole.deviation ** 2) - 1) < 1e-4, `${squares}`)
})

for (const name of ['gpt2', 't5'])
  test(`${name}: the function explains the probability, in units of the noise`, async t => {
    const model = await loadModel(checkpointFolder(name))
    const options = { answer: [token], method: 'InputXGradient' } as const
    const dropout = { samples: 12, seed: 1 }
    const [prompt, read] = name === 't5' ? [source, { ...pair, ids: [...source, 0] }] : [ids, { ids }]
    const noisy = await noisyProbability(model, read, token, { rate: undefined, ...dropout })
    const plain = await explainGeneration(model, prompt, { ...options, function: 'probability' })
    const map = await explainGeneration(model, prompt, {
      ...options,
      function: 'mcDropoutProbability',
      dropout,
      stepScores: ['mcDropoutProbability'],
    })
    const value = (plain.steps[0]!.value! - noisy.mean) / noisy.deviation
    t.true(Math.abs(map.steps[0]!.value! - value) < 1e-3 * Math.abs(value))
    t.true(Math.abs(map.stepScores.mcDropoutProbability![0]! - value) < 1e-3 * Math.abs(value))
    const expected = plain.scores(0).map(score => score / noisy.deviation)
    const size = Math.max(...expected.map(Math.abs))
    for (const [at, score] of map.scores(0).entries()) t.true(Math.abs(score - expected[at]!) < 1e-5 * size)
  })

test('models without dropout, and functions without its numbers, are refused', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const asked = { answer: [token], method: 'Saliency', function: 'mcDropoutProbability' } as const
  await t.throwsAsync(explainGeneration(model, ids, asked), {
    code: 'MODEL_CAPABILITY',
    message: /without dropout/,
  })
  const map = await explainGeneration(model, ids, { ...asked, dropout: { rate: 0.1 } })
  t.is(map.attribution.targets[0]!.kind, 'mcDropoutProbability')
  await t.throwsAsync(explainGeneration(model, ids, { ...asked, dropout: { samples: 1 } }), {
    code: 'OPTION_RANGE',
  })
  // So seldom that none of these passes drops anything.
  const never = noisyProbability(model, { ids }, token, { samples: 4, rate: 1e-12, seed: 1 })
  await t.throwsAsync(never, { code: 'MODEL_CAPABILITY', message: /changes nothing/ })
  t.throws(() => Target.prediction('mcDropoutProbability', { token: 1 }), { code: 'TARGET_INVALID' })
})
