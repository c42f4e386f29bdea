import test from 'ava'
import { GraphBuilder } from '#lib/graph/builder.js'
import { AttentionRollout, createTensor, loadModel, Target, type Tensor } from '#lib/index.js'
import { namedAttention } from '#lib/model/attention.js'
import { bindSizes } from '#lib/model/bindSizes.js'
import {
  checkpointFolder,
  checkpointNames,
  recordedCheckpoint,
  relativeError,
} from '../../oracles/recordedCheckpoints.js'

/** The first text of the recorded ones. */
const firstText = (inputs: Record<string, Tensor>) =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, data }]): [string, Tensor] => [
      name,
      createTensor('i64', [1, shape[1]!], (data as BigInt64Array).slice(0, shape[1])),
    ]),
  )

for (const name of checkpointNames) {
  const { attention, inputs } = recordedCheckpoint(name)
  if (attention === undefined) continue
  test(`${name}: the probabilities of attention that PyTorch gives, causal, windowed, capped, with shared heads`, async t => {
    const model = await loadModel(checkpointFolder(name))
    const input = firstText(inputs)
    const { graph, names } = namedAttention(model.graph)
    t.is(names.length, 2)
    const builder = new GraphBuilder()
    const values = builder.include(graph)
    const wanted = names.map(each => values.get(each)!)
    const found = await model.runPlan('attention', () => builder.build(wanted), input, {
      sizes: bindSizes(model.inputs, input),
    })
    t.deepEqual(found[1]!.shape, [1, ...attention.shape])
    t.true(relativeError(found[1]!.data as Float32Array, attention.data) < 1e-5)
    for (const each of found) {
      const length = each.shape[3]!
      const data = each.data as Float32Array
      for (let row = 0; row < data.length; row += length)
        t.true(Math.abs(data.subarray(row, row + length).reduce((a, b) => a + b, 0) - 1) < 1e-5)
    }
    t.deepEqual(
      names.at(-1),
      name.startsWith('bert') ? 'bert.encoder.layer.1.attention.weights' : 'model.layers.1.self_attn.weights',
    )
  })
}

test('attention methods read checkpoints of every kind', async t => {
  for (const name of ['llama', 'gpt2', 'gemma2', 'mpnet-classification']) {
    const { inputs } = recordedCheckpoint(name)
    const model = await loadModel(checkpointFolder(name))
    const target = name.startsWith('mpnet') ? 1 : Target.token(15, 7)
    const attribution = await new AttentionRollout(model).attribute(firstText(inputs), { target })
    const scores = attribution.scores()
    t.deepEqual(scores.shape, [16])
    t.true(Math.abs((scores.data as Float32Array).reduce((a, b) => a + b, 0) - 1) < 1e-5)
  }
})
