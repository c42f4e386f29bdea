import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { explainGeneration, loadModel, ValueZeroing } from '#lib/index.js'
import { checkpointFolder, idsTensor } from '../../oracles/recordedCheckpoints.js'
import { repositoryRoot } from '../../oracles/repository.js'

interface Recorded {
  ids: number[]
  scores: Record<string, number[][]>
}
const recorded = JSON.parse(
  readFileSync(join(repositoryRoot, 'test', 'oracles', 'value_zeroing.json'), 'utf8'),
) as Recorded

for (const [name, layers] of Object.entries(recorded.scores))
  test(`${name}: the scores that PyTorch gives, of every layer and their mean, in one batch or several`, async t => {
    const model = await loadModel(checkpointFolder(name))
    const input = { input_ids: idsTensor([recorded.ids]) }
    for (const [at, row] of layers.entries()) {
      const { data } = (await new ValueZeroing(model, { layer: at + 1 }).attribute(input)).scores()
      for (const [token, share] of row.entries())
        t.true(Math.abs(data[token]! - share) < 5e-5, `${at} ${token}`)
    }
    for (const batch of [2, 3, 16]) {
      const attribution = await new ValueZeroing(model, { batch }).attribute(input)
      for (const [token, score] of attribution.scores().data.entries()) {
        const mean = layers.reduce((sum, row) => sum + row[token]!, 0) / layers.length
        t.true(Math.abs(score - mean) < 5e-5)
      }
      t.is(attribution.cost.forwardPasses, recorded.ids.length + Math.ceil(recorded.ids.length / (batch - 1)))
    }
  })

for (const name of ['gpt2', 'opt', 'gpt_neox', 'phi3', 'mistral-window', 'llama-tied-biased'])
  test(`${name}: each step of an answer has shares of the tokens before it, whatever token it is`, async t => {
    const model = await loadModel(checkpointFolder(name))
    const prompt = recorded.ids.slice(0, 4)
    const map = await explainGeneration(model, prompt, { answer: [9, 14], method: 'ValueZeroing' })
    for (const step of [0, 1]) {
      const scores = map.scores(step)
      t.true(Math.abs(scores.reduce((a, b) => a + b) - 1) < 1e-5)
      t.true(scores.slice(4 + step).every(score => score === 0))
      t.true(scores.every(score => score >= 0))
    }
    const other = await explainGeneration(model, prompt, { answer: [20], method: 'ValueZeroing' })
    t.deepEqual([...other.scores(0)].slice(0, 4), [...map.scores(0)].slice(0, 4))
    t.is(map.steps[0]!.value, undefined)
  })

test('a layer that the model does not have, and models of another kind, are refused', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  t.throws(() => new ValueZeroing(model, { layer: 3 }), { code: 'OPTION_RANGE' })
  t.throws(() => new ValueZeroing(model, { batch: 1 }), { code: 'OPTION_RANGE' })
  const encoder = await loadModel(checkpointFolder('bert-masked'))
  t.throws(() => new ValueZeroing(encoder), { code: 'MODEL_CAPABILITY' })
})
