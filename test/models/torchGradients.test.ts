import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { loadModel } from '#lib/index.js'
import { gradientOf, relativeDistance } from '../oracles/gradientOf.js'
import { repositoryRoot } from '../oracles/repository.js'
import { sharedData } from '../oracles/sharedData.js'

interface Case {
  model: string
  input: string
  shape: number[]
  reach: number
  class: number
  logit: number
  norm: number
  sum: number
  singleError: number
  step: number
  samples: number[]
}

const recorded = JSON.parse(
  await readFile(join(repositoryRoot, 'test/fixtures/torch-gradients/gradients.json'), 'utf8'),
) as { cases: Case[] }

/** The script's input: integers of a generator modulo 2^31, so that both sides have the same to the bit. */
function numbers(count: number, reach: number): Float32Array {
  const step = (state: bigint) => (state * 1103515245n + 12345n) % 2n ** 31n
  return Float32Array.from({ length: count }, (_, index) => {
    const unit = Math.fround((Number(step(step(BigInt(index + 1)))) / 2 ** 31) * 2 - 1)
    return Math.fround(unit * Math.fround(reach))
  })
}

/** Models whose double run by plain loops takes seconds. */
const large = /mobilenet_v2|squeezenet|darknet/

for (const expected of recorded.cases)
  test.serial(`the gradient of ${expected.model} is PyTorch's`, async t => {
    const path = sharedData(t, expected.model)
    if (path === undefined) return
    const model = await loadModel(path)
    const data = numbers(
      expected.shape.reduce((product, size) => product * size, 1),
      expected.reach,
    )
    const inputs = { [expected.input]: { dtype: 'f32' as const, shape: expected.shape, data } }
    const sampled = (gradient: ArrayLike<number>) =>
      expected.samples.map((_, at) => gradient[at * expected.step]!)

    const single = await gradientOf(model, expected.input, inputs, expected.class, 'f32')
    t.is(single.logits.indexOf(Math.max(...single.logits) as never), expected.class)
    // Gates near zero flip in any single-precision run: PyTorch's own distance from its double gradient is the measure.
    const error = relativeDistance(sampled(single.gradient), expected.samples)
    t.true(
      error <= Math.max(2 * expected.singleError, 2e-6),
      `single: ${error}, PyTorch's own ${expected.singleError}`,
    )
    if (large.test(expected.model)) return

    const double = await gradientOf(model, expected.input, inputs, expected.class, 'f64')
    t.true(Math.abs(double.logits[expected.class]! - expected.logit) <= 1e-9 * Math.abs(expected.logit))
    const distance = relativeDistance(sampled(double.gradient), expected.samples)
    t.true(distance <= 1e-9, `double: ${distance}`)
    const norm = Math.sqrt(Float64Array.from(double.gradient).reduce((sum, value) => sum + value * value, 0))
    t.true(Math.abs(norm - expected.norm) <= 1e-9 * expected.norm)
  })
