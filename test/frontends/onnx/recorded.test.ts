import test from 'ava'
import { loadModel, type Tensor } from '#lib/index.js'
import { elementsOf, tensorOf } from '../../oracles/onnxCases/case.js'
import { recordedCases } from '../../oracles/onnxCases/recorded.js'
import { writeModel } from '../../oracles/onnxWriter.js'

for (const { name, model, inputs, expected } of recordedCases)
  test(`${name} as the onnx package computes it`, async t => {
    const ours = await loadModel(writeModel(model))
    const given = Object.fromEntries(
      Object.entries(inputs).map(([key, input]) => [key, tensorOf(key, input)]),
    )
    const { outputs } = await ours.run(given)
    ours.dispose()
    for (const [key, wanted] of Object.entries(expected)) {
      const found = outputs[key] as Tensor
      t.is(found.dtype, wanted.dtype as never, key)
      t.deepEqual([...found.shape], wanted.shape, key)
      const elements = elementsOf(key, wanted)
      const scale = elements.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      elements.forEach((value, at) => {
        const difference = Math.abs(Number(found.data[at]) - value)
        t.true(difference <= 1e-6 * scale, `${key}: element ${at} is off by ${difference}`)
      })
    }
  })
