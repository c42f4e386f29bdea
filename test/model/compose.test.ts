import test from 'ava'
import {
  compose,
  createTensor,
  KernelShap,
  loadModel,
  Saliency,
  ShapleyValues,
  Target,
  zeroShotClassifier,
} from '#lib/index.js'
import { tensor, valueInfo, writeModel } from '../oracles/onnxWriter.js'

/** An image tower in small: 3 numbers to an embedding of 2. */
const tower = (output = 'embeds') =>
  loadModel(
    writeModel({
      opset: 13,
      nodes: [
        { op: 'MatMul', inputs: ['x', 'w'], outputs: ['hidden'] },
        { op: 'Tanh', inputs: ['hidden'], outputs: [output] },
      ],
      tensors: [tensor('w', [3, 2], Float32Array.of(1, 0.5, -1, 2, 0.25, 1))],
      inputs: [valueInfo('x', ['N', 3])],
      outputs: [valueInfo(output, ['N', 2])],
    }),
    { labels: ['not', 'these'] },
  )
const texts = createTensor('f32', [3, 2], [2, 0, 0, -3, 1, 1])
const labels = ['cat', 'dog', 'owl']

/** The same in double. */
function logitsOf(x: readonly number[]): number[] {
  const embedding = [x[0]! - x[1]! + 0.25 * x[2]!, 0.5 * x[0]! + 2 * x[1]! + x[2]!].map(Math.tanh)
  const norm = Math.hypot(...embedding)
  const root = Math.sqrt(0.5)
  return [embedding[0]!, -embedding[1]!, root * (embedding[0]! + embedding[1]!)].map(
    value => (100 * value) / norm,
  )
}

test('a zero-shot head: logits are 100 cosines, explained like any other model', async t => {
  const model = await tower()
  const zeroShot = zeroShotClassifier(model, { embeddings: texts, labels })
  const x = createTensor('f32', [2, 3], [0.3, -0.2, 0.5, 1, 0.4, -0.7])
  const { outputs } = await zeroShot.run(x)
  t.deepEqual(outputs.logits!.shape, [2, 3])
  for (const [at, value] of [...logitsOf([0.3, -0.2, 0.5]), ...logitsOf([1, 0.4, -0.7])].entries())
    t.true(Math.abs((outputs.logits!.data[at] as number) - value) < 2e-4)
  t.true(Math.abs(Math.hypot(...[0, 1].map(at => outputs.embedding!.data[at] as number)) - 1) < 1e-6)

  const one = createTensor('f32', [1, 3], [0.3, -0.2, 0.5])
  // The embedding of zeros has no direction, so absence is something else.
  const shap = await new ShapleyValues(zeroShot).attribute(one, { target: 'owl', baseline: 0.1 })
  const { difference, delta } = shap.checks.completeness![0]!
  t.true(Math.abs(difference - (logitsOf([0.3, -0.2, 0.5])[2]! - logitsOf([0.1, 0.1, 0.1])[2]!)) < 1e-3)
  t.true(Math.abs(delta) < 1e-9)
  t.is(shap.targets[0]!.label, 'owl')

  const gradient = await new Saliency(zeroShot, { absolute: false }).attribute(one, { target: 'cat' })
  for (const at of [0, 1, 2]) {
    const moved = (step: number) =>
      logitsOf([0.3, -0.2, 0.5].map((value, place) => value + (place === at ? step : 0)))[0]!
    const expected = (moved(1e-5) - moved(-1e-5)) / 2e-5
    t.true(Math.abs(gradient.scores().data[at]! - expected) < 1e-4 * Math.abs(expected))
  }
})

test("a tower whose own output is called as the head's makes room for it", async t => {
  const zeroShot = zeroShotClassifier(await tower('logits'), { embeddings: texts, labels })
  const { outputs } = await zeroShot.run(createTensor('f32', [1, 3], [0.3, -0.2, 0.5]))
  t.deepEqual(Object.keys(outputs), ['logits', 'embedding'])
  for (const [at, value] of logitsOf([0.3, -0.2, 0.5]).entries())
    t.true(Math.abs((outputs.logits!.data[at] as number) - value) < 2e-4)
  const names = (await zeroShot.layers()).map(({ name }) => name)
  t.true(names.includes('model.logits'))
  t.true(names.includes('logits'))
})

test('a composed model keeps its base, says what it is, and is not saved as what it is not', async t => {
  const model = await tower()
  const doubled = compose(model, (graph, outputs) => ({
    y: graph.apply('mul', [outputs.get('embeds')!, graph.scalar(2)]),
  }))
  const tripled = compose(model, (graph, outputs) => ({
    y: graph.apply('mul', [outputs.get('embeds')!, graph.scalar(3)]),
  }))
  const x = createTensor('f32', [1, 3], [0.3, -0.2, 0.5])
  const own = [...((await model.run(x)).outputs.embeds!.data as Float32Array)]
  t.deepEqual(
    [...((await doubled.run(x)).outputs.y!.data as Float32Array)],
    own.map(value => 2 * value),
  )
  t.is(new Set([await model.hash(), await doubled.hash(), await tripled.hash()]).size, 3)
  t.is(doubled.labels, undefined)
  await t.throwsAsync(doubled.save('/nowhere/model.onnx'), { code: 'REPRESENTATION_UNSUPPORTED' })
  const inner = compose(doubled, (_, outputs, values) => ({
    y2: outputs.get('y')!,
    hidden: values.get('hidden')!,
  }))
  t.deepEqual(Object.keys((await inner.run(x)).outputs), ['y2', 'hidden'])
  t.throws(() => compose(model, () => ({})), { code: 'MODEL_INVALID' })
  for (const head of [null, 3, () => null, () => ({ y: undefined }), () => ({ y: 3 })])
    t.throws(() => compose(model, head as never), { code: 'OPTION_TYPE' })
})

test('embeddings that cannot be used are refused', async t => {
  const model = await tower()
  const head = (embeddings: Parameters<typeof zeroShotClassifier>[1]['embeddings'], more = {}) =>
    zeroShotClassifier(model, { embeddings, ...more })
  t.throws(() => head(createTensor('f32', [2], [1, 2])), { code: 'INPUT_SHAPE' })
  t.throws(() => head(createTensor('f32', [1, 2], [0, 0])), { code: 'INPUT_VALUE' })
  t.throws(() => head(texts, { labels: ['one'] }), { code: 'INPUT_SHAPE' })
  t.throws(() => head(texts, { embedding: 'elsewhere' }), { code: 'LAYER_NOT_FOUND' })
  const wide = head(createTensor('f32', [1, 5], [1, 2, 3, 4, 5]))
  await t.throwsAsync(
    new KernelShap(wide).attribute(createTensor('f32', [1, 3], [1, 2, 3]), { target: Target.class(0) }),
  )
})
