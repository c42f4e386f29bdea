import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { createTensor, DeepLift, type DeepLiftOptions, loadModel } from '#lib/index.js'
import { relativeDistance } from '../oracles/gradientOf.js'
import { repositoryRoot } from '../oracles/repository.js'

/** What Captum's DeepLIFT makes of four models: test/fixtures/deep-lift/record.py, versions inside. */
interface Recorded {
  shape: number[]
  /** Two inputs. */
  x: number[]
  baseline: number[]
  y: number[]
  yBaseline: number[]
  /** Scores of each input by itself, and of both in one batch. */
  alone: number[]
  together: number[]
  /** Captum's own: sum of scores less the difference of the outputs. */
  delta: number[]
}
const folder = join(repositoryRoot, 'test/fixtures/deep-lift')
const { target, models } = JSON.parse(readFileSync(join(folder, 'captum.json'), 'utf8')) as {
  target: number
  models: Record<'pooled' | 'overlapping' | 'cancelling' | 'softmax', Recorded>
}

const half = (values: readonly number[], at: number): number[] =>
  values.slice((at * values.length) / 2, ((at + 1) * values.length) / 2)
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

/** A recorded model, its two inputs as tensors, and ours for both, in one batch. */
async function opened(name: keyof typeof models, options: DeepLiftOptions = {}) {
  const recorded = models[name]
  const model = await loadModel(join(folder, `${name}.onnx`))
  const tensor = (values: readonly number[]) =>
    createTensor('f32', [1, ...recorded.shape], Float32Array.from(values))
  const inputs = [0, 1].map(at => tensor(half(recorded.x, at)))
  const baseline = tensor(recorded.baseline)
  const found = await new DeepLift(model, options).attributeBatch(inputs, { target, baseline })
  const scores = found.map(each => Array.from(each.scores().data as Float32Array))
  const difference = [0, 1].map(at => half(recorded.y, at)[target]! - recorded.yBaseline[target]!)
  return { recorded, model, inputs, baseline, found, scores, difference }
}

test("max pooling over windows apart, nothing else of Captum's beside it: its rule is the same as ours", async t => {
  const { recorded, scores, found } = await opened('pooled')
  for (const at of [0, 1]) {
    const distance = relativeDistance(scores[at]!, half(recorded.alone, at))
    t.log(distance.toExponential(1))
    t.true(distance <= 1e-3, `${distance}`)
    t.true(found[at]!.checks.completeness![0]!.relative! < 1e-4)
    t.deepEqual(found[at]!.warnings, [])
  }
  const gradient = await opened('pooled', { maxPool: 'gradient' })
  t.true(relativeDistance(gradient.scores[0]!, half(recorded.alone, 0)) > 0.05)
  t.true(gradient.found[0]!.warnings.some(({ code }) => code === 'RULE_FALLBACK'))
})

test('behind a rectifier Captum hooks the pooling before its rule has run: what is left is the gradient', async t => {
  const peers = join(repositoryRoot, 'test/fixtures/peers')
  const recorded = JSON.parse(readFileSync(join(peers, 'peers.json'), 'utf8')) as {
    models: { plain: Record<'x' | 'baselines' | 'DeepLift' | 'y', number[]> }
  }
  const { x, baselines, DeepLift: captum } = recorded.models.plain
  const model = await loadModel(join(peers, 'plain.onnx'))
  const tensor = (values: readonly number[]) => createTensor('f32', [1, 3, 12, 12], Float32Array.from(values))
  const options = { target, baseline: tensor(baselines.slice(0, 432)) }
  const scores = async (given: DeepLiftOptions) =>
    (await new DeepLift(model, given).attribute(tensor(x), options)).scores().data as Float32Array
  const distance = relativeDistance(await scores({ maxPool: 'gradient' }), captum)
  t.log(distance.toExponential(1))
  t.true(distance <= 1e-3)
  t.true(relativeDistance(await scores({}), captum) > 0.01)
})

test('where windows overlap Captum keeps one of the contributions to a place: ours adds all, and adds up', async t => {
  const { recorded, found, difference } = await opened('overlapping')
  for (const at of [0, 1]) {
    const missing = sum(half(recorded.alone, at)) - difference[at]!
    t.true(Math.abs(missing - recorded.delta[at]!) < 1e-5)
    t.true(Math.abs(missing) > 0.1 * Math.abs(difference[at]!))
    t.true(found[at]!.checks.completeness![0]!.relative! < 1e-4)
  }
})

test("where a pooled value did not change, Captum's batch takes the first example's gradient: ours each its own", async t => {
  const { recorded, scores } = await opened('cancelling')
  for (const at of [0, 1]) t.true(relativeDistance(scores[at]!, half(recorded.alone, at)) <= 1e-3)
  t.true(relativeDistance(half(recorded.together, 0), half(recorded.alone, 0)) < 1e-6)
  t.true(relativeDistance(half(recorded.together, 1), half(recorded.alone, 1)) > 1)
})

test("softmax: Captum's mean of the whole tensor by the option, in its batch of other examples too; ours of each row", async t => {
  const { recorded, scores } = await opened('softmax', { softmax: 'tensorMean' })
  for (const at of [0, 1]) {
    const distance = relativeDistance(scores[at]!, half(recorded.alone, at))
    t.log(distance.toExponential(1))
    t.true(distance <= 1e-3, `${distance}`)
    t.true(relativeDistance(half(recorded.together, at), half(recorded.alone, at)) > 0.1)
  }
  // In the operand of the softmax the two differ by one number a row, of mean 0 over rows, times the differences.
  const { model, inputs, baseline } = await opened('softmax')
  const layer = '/0/Add_output_0'
  const held = async (x: typeof baseline) => (await model.run(x, { outputs: [layer] })).outputs[layer]!
  const before = await held(baseline)
  const after = (await held(inputs[0]!)).data as Float32Array
  const change = after.map((value, i) => value - (before.data as Float32Array)[i]!)
  const at = async (options: DeepLiftOptions) =>
    (await new DeepLift(model, options).attribute(inputs[0]!, { target, layer, baseline: before })).scores()
      .data as Float32Array
  const [ofRow, ofTensor] = [await at({}), await at({ softmax: 'tensorMean' })]
  const shifts = Array.from(ofRow, (value, i) => (value - ofTensor[i]!) / change[i]!)
  const rows = [0, 1, 2, 3].map(row => shifts.slice(5 * row, 5 * row + 5))
  for (const row of rows) for (const shift of row) t.true(Math.abs(shift - row[0]!) < 1e-5, `${row}`)
  t.true(Math.abs(sum(rows.map(row => row[0]!))) < 1e-5)
  t.true(Math.max(...rows.map(row => Math.abs(row[0]!))) > 1e-3)
})
