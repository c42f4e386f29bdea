import test from 'ava'
import { AscribeError, loadModel } from '#lib/index.js'
import { Float, floats, valueInfo, writeModel } from '../../oracles/onnxWriter.js'

const layer = (activations: string[], alpha: number[], beta: number[]) =>
  loadModel(
    writeModel({
      nodes: [
        {
          op: 'LSTM',
          inputs: ['x', 'w', 'r'],
          attributes: {
            hidden_size: 3,
            activations,
            activation_alpha: new Float(alpha),
            activation_beta: new Float(beta),
          },
        },
      ],
      tensors: [floats('w', [1, 12, 2]), floats('r', [1, 12, 3])],
      inputs: [valueInfo('x', [4, 1, 2])],
      outputs: [valueInfo('y', [4, 1, 1, 3])],
    }),
  )

// Counted by activations, the one number here would be the sigmoid's, which has none.
const mixed = ['Sigmoid', 'HardSigmoid', 'Tanh']

test('parameters of activations belong in turn to those that have any', async t => {
  for (const [alpha, beta] of [
    [[0.3], [0.5]],
    [[0.2], [0.4]],
  ] as const) {
    const error = await t.throwsAsync(layer(mixed, [...alpha], [...beta]), { instanceOf: AscribeError })
    t.is((error as AscribeError).code, 'MODEL_UNSUPPORTED_OP')
    t.regex(error!.message, /LSTM \(activation HardSigmoid with other parameters\)/)
  }
  const second = ['HardSigmoid', 'Tanh', 'HardSigmoid']
  await t.throwsAsync(layer(second, [0.2, 0.3], [0.5, 0.5]), { message: /with other parameters/ })
})

test('parameters that an activation has anyway may be written down', async t => {
  for (const activations of [mixed, ['HardSigmoid', 'Tanh', 'Tanh'], ['Tanh', 'Tanh', 'HardSigmoid']]) {
    const model = await layer(activations, [0.2], [0.5])
    t.deepEqual(model.outputs[0]!.shape, [4, 1, 1, 3])
    model.dispose()
  }
})
