import test from 'ava'
import { native } from '#lib/native.js'
import { loadScenes, sceneInput } from '../robustness/programs/model.js'

test('every pass that the engine names can be left out of a model, recordings of launches too', async t => {
  const { passes } = native().engine()
  t.true(passes.includes('record-launches'))
  const outputs: Float32Array[] = []
  for (const withoutPasses of [[], passes]) {
    const model = await loadScenes({ withoutPasses })
    const { outputs: found } = await model.run({ [model.inputs[0]!.name]: sceneInput() })
    outputs.push(Object.values(found)[0]!.data as Float32Array)
    await model.dispose()
  }
  const largest = Math.max(...outputs[0]!.map(Math.abs))
  for (const [i, value] of outputs[1]!.entries()) t.true(Math.abs(value - outputs[0]![i]!) <= 1e-5 * largest)
  await t.throwsAsync(loadScenes({ withoutPasses: ['record-launch'] }), { code: 'OPTION_RANGE' })
})
