import test from 'ava'
import * as ort from 'onnxruntime-node'
import { loadModel, type Tensor } from '#lib/index.js'
import { tensorOf } from '../../oracles/onnxCases/case.js'
import { onnxCases } from '../../oracles/onnxCases/index.js'
import { writeModel } from '../../oracles/onnxWriter.js'

const runtimeTypes = {
  f32: 'float32',
  f64: 'float64',
  i64: 'int64',
  i32: 'int32',
  i8: 'int8',
  u8: 'uint8',
  bool: 'bool',
} as const

/** max |a - b| / max |b|; NaN equals NaN. */
function relativeDifference(
  actual: ArrayLike<number | bigint>,
  expected: ArrayLike<number | bigint>,
): number {
  let largest = 0
  let scale = 0
  for (let i = 0; i < expected.length; i++) {
    const a = Number(actual[i])
    const b = Number(expected[i])
    if (Number.isFinite(b)) scale = Math.max(scale, Math.abs(b))
    if (Object.is(a, b) || a === b) continue
    const difference = Math.abs(a - b)
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference
  }
  return largest === 0 ? 0 : largest / scale
}

/** Forms that ONNX allows and the runtime lacks: its oldest operator set is 7, and its LRN takes odd sizes. */
const unknownToRuntime = new Set(['PRelu-6 per channel', 'Add-6 axis', 'Mul-6 trailing', 'LRN-13 even'])

for (const { name, model, inputs, outputs } of onnxCases.filter(({ name }) => !unknownToRuntime.has(name)))
  test(`${name} as onnxruntime computes it`, async t => {
    const bytes = writeModel(model)
    const given = Object.fromEntries(
      Object.entries(inputs).map(([key, input]) => [key, tensorOf(key, input)]),
    )
    const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 })
    const expected = await session.run(
      Object.fromEntries(
        Object.entries(given).map(([key, { dtype, shape, data }]) => [
          key,
          new ort.Tensor(runtimeTypes[dtype as keyof typeof runtimeTypes], data as never, [...shape]),
        ]),
      ),
    )
    const ours = await loadModel(bytes)
    const actual = await ours.run(given, { guard: false })
    ours.dispose()
    await session.release()
    for (const output of outputs) {
      const found = actual.outputs[output] as Tensor
      const wanted = expected[output] as ort.Tensor
      t.is(runtimeTypes[found.dtype as keyof typeof runtimeTypes], wanted.type as never, output)
      t.deepEqual([...found.shape], [...wanted.dims], output)
      const isWhole = found.dtype !== 'f32' && found.dtype !== 'f64'
      const difference = relativeDifference(found.data, wanted.data as never)
      t.true(difference <= (isWhole ? 0 : 1e-5), `${output} is off by ${difference}`)
    }
  })
