import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { AscribeError, loadModel, type Tensor } from '#lib/index.js'
import { conformance } from '../../oracles/conformance.js'
import { readTensor } from '../../oracles/readTensor.js'
import { sharedData } from '../../oracles/sharedData.js'

/** The suite's own tolerances. */
const relative = 1e-3
const absolute = 1e-7

/** What a model may be refused for, by name: operators, and shapes that only the data tell. */
const isRefusal = ({ code, message }: AscribeError) =>
  code === 'MODEL_UNSUPPORTED_OP' ||
  (code === 'MODEL_INVALID' && message.includes('must be known when the plan is compiled'))

type Outcome = 'passed' | `refused: ${string}` | `failed: ${string}`

function difference(actual: Tensor, expected: Tensor): string | undefined {
  if (actual.dtype !== expected.dtype) return `element type ${actual.dtype}, expected ${expected.dtype}`
  if (actual.shape.join() !== expected.shape.join())
    return `shape [${actual.shape}], expected [${expected.shape}]`
  for (let i = 0; i < expected.data.length; i++) {
    const a = Number(actual.data[i])
    const b = Number(expected.data[i])
    if (!(Object.is(a, b) || Math.abs(a - b) <= absolute + relative * Math.abs(b)))
      return `element ${i} is ${a}, expected ${b}`
  }
  return undefined
}

async function tensors(folder: string, kind: 'input' | 'output'): Promise<Tensor[]> {
  const found: Tensor[] = []
  for (let i = 0; existsSync(join(folder, `${kind}_${i}.pb`)); i++)
    found.push((await readTensor(readFileSync(join(folder, `${kind}_${i}.pb`)))).tensor)
  return found
}

async function outcomeOf(
  path: string,
  given: () => Promise<{ inputs: Tensor[]; outputs: Tensor[] }>,
): Promise<Outcome> {
  try {
    const model = await loadModel(path)
    const { inputs, outputs } = await given()
    const named = Object.fromEntries(model.inputs.map(({ name }, index) => [name, inputs[index] as Tensor]))
    const result = await model.run(named, { guard: false })
    const names = model.outputs.map(({ name }) => name)
    model.dispose()
    for (const [index, expected] of outputs.entries()) {
      const problem = difference(result.outputs[names[index] as string] as Tensor, expected)
      if (problem) return `failed: ${names[index]}: ${problem}`
    }
    return 'passed'
  } catch (error) {
    if (!(error instanceof AscribeError)) return `failed: ${error}`
    return isRefusal(error)
      ? `refused: ${error.message.split('\n').slice(0, 2).join(' ')}`
      : `failed: ${error.code} ${error.message}`
  }
}

for (const suite of ['simple', 'pytorch-converted'] as const)
  test(`conformance: ${suite}`, async t => {
    const folder = sharedData(t, 'onnx-conformance', suite)
    if (folder === undefined) return
    let passed = 0
    let refused = 0
    const failed: string[] = []
    for (const name of readdirSync(folder).sort()) {
      const data = join(folder, name, 'test_data_set_0')
      const outcome = await outcomeOf(join(folder, name, 'model.onnx'), async () => ({
        inputs: await tensors(data, 'input'),
        outputs: await tensors(data, 'output'),
      }))
      if (outcome === 'passed') passed += 1
      else t.log(`${name}: ${outcome}`)
      if (outcome.startsWith('refused')) refused += 1
      if (outcome.startsWith('failed')) failed.push(`${name}: ${outcome}`)
    }
    t.deepEqual(failed, [])
    t.deepEqual({ passed, refused }, conformance[suite])
  })

/** The suite's image models with generated weights, which give every class the same share whatever they see. */
test('conformance: light', async t => {
  const folder = sharedData(t, 'onnx-conformance', 'light')
  if (folder === undefined) return
  const names = ['inception_v1', 'resnet50', 'squeezenet', 'vgg19', 'zfnet512']
  t.deepEqual({ passed: names.length, refused: 0 }, conformance.light)
  for (const name of names) {
    const model = await loadModel(join(folder, `light_${name}.onnx`))
    const shape = model.inputs[0]!.shape as number[]
    const count = shape.reduce((product, size) => product * size, 1)
    // What the suite's runner feeds: a ramp from 0 to 1.
    const data = Float32Array.from({ length: count }, (_, index) => index / count)
    model.dispose()
    const { tensor } = await readTensor(readFileSync(join(folder, `light_${name}_output_0.pb`)))
    const outcome = await outcomeOf(join(folder, `light_${name}.onnx`), async () => ({
      inputs: [{ dtype: 'f32', shape, data }],
      outputs: [tensor],
    }))
    t.is(outcome, 'passed', name)
  }
})
