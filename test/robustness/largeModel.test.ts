import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { writeLargeModel } from '../oracles/largeModel.js'
import { runProgram } from '../oracles/runProgram.js'
import { temporaryFolder } from '../oracles/temporaryFolder.js'

test('weights of a model never enter the JavaScript heap', async t => {
  const file = join(await temporaryFolder(t), 'large.onnx')
  await writeLargeModel(file, 2)
  t.true((await stat(file)).size > 128 << 20)
  const small = join(import.meta.dirname, '../../../../models/scenes-sound.onnx')
  const { code, stdout, stderr } = await runProgram('loadLarge', [file, small])
  t.is(code, 0, stderr)
  const { heap, external, inputs } = JSON.parse(stdout)
  t.log({ heap, external })
  t.is(inputs, 1)
  t.true(heap < 10, `${heap} MB of heap for a file of 134 MB`)
  t.true(external < 10, `${external} MB of buffers for a file of 134 MB`)
})
