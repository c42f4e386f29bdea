import test from 'ava'
import { loadModel } from '#lib/index.js'
import {
  checkpointFolder,
  checkpointNames,
  recordedCheckpoint,
  relativeError,
} from '../../oracles/recordedCheckpoints.js'

for (const name of checkpointNames)
  test(`${name}: what PyTorch computes from the same files`, async t => {
    const { inputs, outputs } = recordedCheckpoint(name)
    const model = await loadModel(checkpointFolder(name))
    const names = Object.keys(outputs)
    const result = await model.run(inputs, { outputs: names })
    for (const output of names) {
      t.deepEqual(result.outputs[output]!.shape, outputs[output]!.shape)
      const error = relativeError(result.outputs[output]!.data, outputs[output]!.data)
      t.true(error < 1e-5, `${output}: ${error}`)
    }
  })
