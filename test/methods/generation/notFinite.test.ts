import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import {
  AttnTrace,
  ContextLeaveOneOut,
  ContextPrompt,
  explainGeneration,
  Generator,
  loadModel,
  Scorer,
} from '#lib/index.js'
import { noisyProbability } from '#lib/methods/generation/mcDropout.js'
import { checkpointFolder } from '../../oracles/recordedCheckpoints.js'
import { temporaryFolder } from '../../oracles/temporaryFolder.js'

const ids = [1, 5, 6, 7, 8, 9, 10, 11]

test('a weight that is no number is NOT_FINITE, whatever is asked of the model', async t => {
  const folder = await temporaryFolder(t)
  await cp(checkpointFolder('llama'), folder, { recursive: true })
  const file = join(folder, 'model.safetensors')
  const bytes = await readFile(file)
  const length = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<
    string,
    { data_offsets: number[] }
  >
  bytes.writeFloatLE(
    Number.NaN,
    8 + length + header['model.layers.0.input_layernorm.weight']!.data_offsets[0]!,
  )
  await writeFile(file, bytes)
  const model = await loadModel(folder)
  const refused = { code: 'NOT_FINITE' }
  await t.throwsAsync(new Generator(model).generate(ids, { maximumTokens: 2 }), refused)
  await t.throwsAsync(new Scorer(model).score({ given: ids, text: [3] }), refused)
  const spans = [1, 2, 3, 4, 5].map(start => ({ start, end: start + 1 }))
  const prompt = await ContextPrompt.fromTokens(model, { ids, spans, response: [3, 4] })
  await t.throwsAsync(new AttnTrace(model).attribute(prompt), refused)
  await t.throwsAsync(new ContextLeaveOneOut(model).attribute(prompt), refused)
  for (const method of ['Saliency', 'LeGrad', 'AttentionRollout', 'GradientXAttention', 'ValueZeroing'])
    await t.throwsAsync(explainGeneration(model, ids, { answer: [3], method }), refused, method)
  const methodOptions = { replacement: 'uniform', maxSteps: 2 }
  await t.throwsAsync(
    explainGeneration(model, ids, { answer: [3], method: 'ReAGent', methodOptions }),
    refused,
  )
  const noisy = { function: 'mcDropoutProbability', dropout: { rate: 0.1 } } as const
  await t.throwsAsync(explainGeneration(model, ids, { answer: [3], method: 'Saliency', ...noisy }), refused)
  await t.throwsAsync(noisyProbability(model, { ids }, 3, { samples: 4, rate: 0.1, seed: 1 }), refused)
})
