import test from 'ava'
import { loadModel } from '#lib/index.js'
import { relativeError } from '../../oracles/recordedCheckpoints.js'
import { ggufNames, ggufPath, recordedGguf } from '../../oracles/recordedGguf.js'

for (const name of ggufNames)
  test(`${name}.gguf: what PyTorch computes with the same weights`, async t => {
    const { ids, logits } = recordedGguf(name)
    const model = await loadModel(ggufPath(name))
    const { outputs } = await model.run({ input_ids: ids })
    t.deepEqual(outputs.logits!.shape, logits.shape)
    const error = relativeError(outputs.logits!.data, logits.data)
    t.true(error < 1e-5, String(error))
  })
