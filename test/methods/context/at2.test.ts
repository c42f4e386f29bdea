import test from 'ava'
import { jointLogOdds } from '#lib/context/responseScores.js'
import { GraphBuilder } from '#lib/graph/builder.js'
import { At2, AttnTrace, ContextPrompt, createTensor, loadModel, type Model } from '#lib/index.js'
import { headWeightsOf } from '#lib/language/headWeights.js'
import { sourceSums } from '#lib/methods/context/at2.js'
import { headFeatures, responseSentences } from '#lib/methods/context/headFeatures.js'
import { correlationLoss, trainHeadWeights } from '#lib/methods/context/headWeightTraining.js'
import { modelAttention, weightedRows } from '../../oracles/modelAttention.js'
import { checkpointFolder } from '../../oracles/recordedCheckpoints.js'
import { runGraph } from '../../oracles/runGraph.js'

const near = (actual: number, expected: number, tolerance: number) => Math.abs(actual - expected) < tolerance

const ids = [1, ...Array.from({ length: 12 }, (_, at) => 3 + ((at * 7) % 25)), 4, 5]
const spans = Array.from({ length: 4 }, (_, at) => ({ start: 1 + 3 * at, end: 4 + 3 * at }))
const promptOf = (model: Model, response = [13, 14, 3]) =>
  ContextPrompt.fromTokens(model, { ids, spans, response })

test('the worked example: log-odds of masks, and their loss', t => {
  const logOdds = (...probabilities: number[]) => probabilities.map(p => Math.log(p / (1 - p)))
  const values = [
    [0.1, 0.2],
    [0.15, 0.6],
    [0.4, 0.3],
    [0.5, 0.9],
  ].map(pair => jointLogOdds(logOdds(...pair)))
  for (const [at, expected] of [-3.8918202981, -2.3136349292, -1.9924301647, -0.2006706955].entries())
    t.true(near(values[at]!, expected, 1e-9))
  const sources = [
    [0.3, 0.1],
    [0.05, 0.2],
  ]
  const masks = [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ]
  const features = masks.flatMap(mask =>
    [0, 1].map(head => mask.reduce((sum, kept, source) => sum + (2 * kept - 1) * sources[source]![head]!, 0)),
  )
  const theta = Float64Array.of(0.75, -0.25)
  const target = { features: Float32Array.from(features), values: Float64Array.from(values) }
  const { loss, gradient } = correlationLoss(target, theta)
  t.true(near(loss, -0.7235353075, 1e-7))
  for (const head of [0, 1]) {
    const moved = (step: number) =>
      correlationLoss(
        target,
        theta.map((value, at) => value + (at === head ? step : 0)),
      )
    t.true(near(gradient[head]!, (moved(1e-5).loss - moved(-1e-5).loss) / 2e-5, 1e-7))
  }
  // Close to certain, where 1 - P is lost in double.
  t.true(near(jointLogOdds([40]), 40, 1e-9))
  t.true(near(jointLogOdds([30, 30]), 30 - Math.LN2, 1e-9))
  t.true(Number.isFinite(jointLogOdds([800])))
  // Values that do not vary teach nothing.
  t.deepEqual(correlationLoss({ ...target, values: new Float64Array(4) }, theta), {
    loss: -0,
    gradient: new Float64Array(2),
    isDefined: false,
  })
})

test('the worked example: scores of two sources, by the kernel that weighs heads', async t => {
  // Attention of two heads and two rows on five tokens: 1 and 2 are source A, 3 is source B. Means over rows of the sums over
  // tokens are (0.3, 0.1) and (0.05, 0.2).
  const probabilities = [
    [0.38, 0.1, 0.1, 0.02, 0.4],
    [0.12, 0.15, 0.25, 0.08, 0.4],
    [0.25, 0.02, 0.03, 0.3, 0.4],
    [0.35, 0.05, 0.1, 0.1, 0.4],
  ]
  const builder = new GraphBuilder()
  const q = builder.input('q', 'f32', [1, 2, 2, 5])
  const k = builder.input('k', 'f32', [1, 1, 5, 5])
  const positions = builder.input('positions', 'i64', [2])
  const weights = builder.input('weights', 'f32', [2])
  const attributes = { scale: 1, causal: 0, keepRows: 1 }
  const [found] = await runGraph(
    builder.build([builder.apply('attentionRows', [q, k, positions, weights], attributes)]),
    {
      // Keys that are unit vectors: scores are the queries, and attention is their softmax.
      q: createTensor('f32', [1, 2, 2, 5], Float32Array.from(probabilities.flat(), Math.log)),
      k: createTensor(
        'f32',
        [1, 1, 5, 5],
        Float32Array.from({ length: 25 }, (_, at) => (at % 6 === 0 ? 1 : 0)),
      ),
      positions: createTensor('i64', [2], BigInt64Array.of(3n, 4n)),
      weights: createTensor('f32', [2], Float32Array.of(0.75, -0.25)),
    },
  )
  const rows = Float32Array.from([0, 1].flatMap(row => found!.data.slice(row * 5 + 1, row * 5 + 4)))
  const { scores } = sourceSums({ kept: [0, 1], lengths: [2, 1], rows }, 2)
  t.true(near(scores[0]!, 0.2, 1e-7) && near(scores[1]!, -0.0125, 1e-7), scores.join())
})

test('heads have weights of their own: scores are those of whole matrices', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const prompt = await promptOf(model)
  const layers = await modelAttention(model, [...ids, 13, 14, 3])
  const heads = headWeightsOf(model).length
  const headWeights = Float32Array.from({ length: heads }, (_, head) => Math.cos(3 * head + 1))
  const found = await new At2(model, { headWeights }).attribute(prompt)
  const rows = weightedRows(layers, headWeights, 18, 14, 17)
  for (const [text, { start, end }] of spans.entries()) {
    let sum = 0
    for (let row = 0; row < 3; row++) for (let at = start; at < end; at++) sum += rows[row * 18 + at]! / 3
    t.true(near(found.scores[text]!, sum, 1e-6))
  }
})

test('training finds the head that goes along with the values', async t => {
  const examples = Array.from({ length: 6 }, (_, example) => {
    const features = Float32Array.from({ length: 8 * 3 }, (_, at) =>
      Math.sin(1.7 * (at + 1) ** 2 + 5 * example),
    )
    return [{ features, values: Float64Array.from({ length: 8 }, (_, mask) => 2 * features[mask * 3 + 1]!) }]
  })
  const options = { steps: 300, batch: 6, learningRate: 0.01, clip: 1, seed: 4 }
  const { weights, losses } = await trainHeadWeights(examples, 3, options)
  t.true(
    near(
      weights.reduce((sum, value) => sum + Math.abs(value), 0),
      1,
      1e-12,
    ),
  )
  t.true(weights[1]! > 0.9)
  t.true(losses.at(-1)! < -0.99 && losses.at(-1)! < losses[0]!)
  t.deepEqual((await trainHeadWeights(examples, 3, options)).weights, weights)
})

test('three steps are those of Adam: both moments without their bias, a rate that falls, a clipped gradient', async t => {
  const target = {
    features: Float32Array.of(0.3, 0.1, 0.9, 0.4, 0.1, 0.2, 0.5, 0.8),
    values: Float64Array.of(-1, 2, 0.5, 1),
  }
  for (const clip of [1, 0.01]) {
    const theta = Float64Array.of(0.5, 0.5)
    const [first, second] = [
      [0, 0],
      [0, 0],
    ]
    for (let step = 0; step < 3; step++) {
      const { gradient } = correlationLoss(target, theta)
      const length = Math.hypot(...gradient)
      const shrink = Math.min(1, clip / length)
      for (const head of [0, 1]) {
        const own = gradient[head]! * shrink
        first[head] = 0.9 * first[head]! + 0.1 * own
        second[head] = 0.999 * second[head]! + 0.001 * own ** 2
        const rate = (0.1 * (1 + Math.cos((Math.PI * step) / 3))) / 2
        theta[head]! -=
          (rate * (first[head]! / (1 - 0.9 ** (step + 1)))) /
          (Math.sqrt(second[head]! / (1 - 0.999 ** (step + 1))) + 1e-8)
      }
    }
    const total = Math.abs(theta[0]!) + Math.abs(theta[1]!)
    const done: number[][] = []
    const found = await trainHeadWeights([[target]], 2, {
      steps: 3,
      batch: 4,
      learningRate: 0.1,
      clip,
      seed: 0,
      onProgress: (...each) => done.push(each),
    })
    for (const head of [0, 1]) t.true(near(found.weights[head]!, theta[head]! / total, 1e-12))
    t.deepEqual(done, [
      [1, 3],
      [2, 3],
      [3, 3],
    ])
  }
})

test('with uniform weights a score is the mean over heads of the sum of attention', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const prompt = await promptOf(model)
  const found = await new At2(model).attribute(prompt)
  const plain = await new AttnTrace(model, { q: 1, avgK: 1000, rows: 'predicting' }).attribute(prompt)
  for (const [text, score] of found.scores.entries()) t.true(near(score / (3 * plain.scores[text]!), 1, 1e-6))
  const heads = headWeightsOf(model).length
  t.throws(() => new At2(model, { headWeights: new Float32Array(heads + 1) }), { code: 'INPUT_SHAPE' })
  const negative = await new At2(model, { headWeights: new Float32Array(heads).fill(-1 / heads) }).attribute(
    prompt,
  )
  t.true(negative.scores.every(score => score < 0))
})

test('features are signed sums of every head, values those of masks that hide nothing', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const prompt = await promptOf(model)
  const [target] = await headFeatures(prompt, { masks: 3, keep: 1, seed: 0, example: 0 })
  const layers = await modelAttention(model, [...ids, 13, 14, 3])
  const expected = layers.flatMap(({ heads, data }) =>
    Array.from({ length: heads }, (_, head) => {
      let sum = 0
      for (let row = 14; row < 17; row++)
        for (let at = 1; at < 13; at++) sum += data[(head * 18 + row) * 18 + at]! / 3
      return sum
    }),
  )
  t.is(target!.features.length, 3 * expected.length)
  for (const [at, value] of target!.features.entries())
    t.true(near(value, expected[at % expected.length]!, 1e-5))
  const { ResponseScores } = await import('#lib/index.js')
  const { fullCoalition } = await import('#lib/games/coalition.js')
  const [odds] = await new ResponseScores(prompt).logOdds([fullCoalition(4)])
  for (const value of target!.values) t.true(near(value, jointLogOdds(odds!), 1e-4))
})

test('weights are learnt from responses, and equal seeds learn equal ones', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const examples = [await promptOf(model), await promptOf(model, [6, 7])]
  const options = { masks: 8, steps: 5, batch: 4 }
  const { weights, losses } = await At2.fit(model, examples, options)
  t.is(weights.length, headWeightsOf(model).length)
  t.is(losses.length, 5)
  t.true(losses.every(loss => loss >= -1 && loss <= 1))
  t.deepEqual((await At2.fit(model, examples, options)).weights, weights)
  await new At2(model, { headWeights: weights }).attribute(examples[0]!)
  await t.throwsAsync(At2.fit(model, []), { code: 'INPUT_VALUE' })
  await t.throwsAsync(At2.fit(model, examples, { masks: 1 }), { code: 'OPTION_RANGE' })
})

test("a response's sentences are its tokens", t => {
  const text = 'One two. Three.'
  const at = (start: number, end: number) => ({ start, end })
  const spans = [at(0, 3), at(4, 7), at(7, 8), at(9, 14), at(14, 15), null]
  t.deepEqual(responseSentences({ ids: [1, 2, 3, 4, 5, 6], text, spans }), [at(0, 3), at(3, 6)])
  t.deepEqual(responseSentences({ ids: [1, 2] }), [at(0, 2)])
})
