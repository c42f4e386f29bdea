import test from 'ava'
import { createTensor, type PredictionDetails, type PredictionName, Saliency, Target } from '#lib/index.js'
import { stepScore } from '#lib/methods/generation/predictionScores.js'
import { logitsModel } from '../oracles/logitsModel.js'

/** Logits of the distributions (.7, .2, .1) and (.5, .3, .2). */
const own = [0.7, 0.2, 0.1].map(Math.log)
const other = [0.5, 0.3, 0.2].map(Math.log)
const contrast = { token: 2, logits: other }

/** By hand, from the probabilities. */
const expected: [PredictionName, PredictionDetails, number][] = [
  ['logit', { token: 1 }, Math.log(0.2)],
  ['probability', { token: 1 }, 0.2],
  ['logProbability', { token: 1 }, Math.log(0.2)],
  ['entropy', {}, 0.8018185525433373],
  ['crossEntropy', { token: 1 }, -Math.log(0.2)],
  ['perplexity', { token: 1 }, 5],
  ['contrastLogit', { token: 1, contrast: { token: 2 } }, Math.log(0.1)],
  ['contrastProbability', { token: 1, contrast: { token: 2 } }, 0.1],
  ['contrastProbability', { token: 1, contrast: { logits: other } }, 0.3],
  ['contrastProbability', { token: 1, contrast }, 0.2],
  ['contrastLogitDifference', { token: 1, contrast: { token: 2 } }, Math.log(2)],
  ['contrastProbabilityDifference', { token: 0, contrast }, 0.5],
  ['pcxmi', { token: 0, contrast: { logits: other } }, -Math.log2(1.4)],
  ['inContextPvi', { token: 0, contrast: { logits: other } }, -Math.log(1.4)],
  [
    'klDivergence',
    { contrast: { logits: other } },
    0.7 * Math.log(1.4) + 0.2 * Math.log(2 / 3) + 0.1 * Math.log(0.5),
  ],
  // The two most likely ones, scaled to 1: (7/9, 2/9) and (5/8, 3/8).
  [
    'klDivergence',
    { contrast: { logits: other }, topK: 2 },
    (7 / 9) * Math.log(56 / 45) + (2 / 9) * Math.log(16 / 27),
  ],
  [
    'klDivergence',
    { contrast: { logits: other }, topP: 0.8 },
    (7 / 9) * Math.log(56 / 45) + (2 / 9) * Math.log(16 / 27),
  ],
  ['klDivergence', { contrast: { logits: other }, topP: 0.65, topK: 3 }, 0],
]

/** Logits are the input itself. */
const x = createTensor('f32', [1, 3], Float32Array.from(own))

for (const [of, details, value] of expected)
  test(`${of} ${JSON.stringify(details)}: the number, and its gradient by differences`, async t => {
    const model = await logitsModel(3)
    const target = Target.prediction(of, details)
    const saliency = new Saliency(model, { absolute: false })
    const attribution = await saliency.attribute(x, { target })
    t.true(Math.abs(attribution.targets[0]!.value! - value) < 2e-6, `${attribution.targets[0]!.value}`)
    t.is(attribution.targets[0]!.description, `${of} of logits`)
    const step = (logits: readonly number[]) =>
      stepScore(of, {
        logits,
        token: details.token ?? 0,
        contrast: details.contrast?.token ?? details.token ?? 0,
        reference: details.contrast?.logits ?? logits,
        topK: details.topK,
        topP: details.topP,
      })
    t.true(Math.abs(step(own) - value) < 1e-12)
    for (const [at, gradient] of attribution.scores().data.entries()) {
      const moved = (by: number) => step(own.map((logit, k) => logit + (k === at ? by : 0)))
      t.true(Math.abs(gradient - (moved(1e-5) - moved(-1e-5)) / 2e-5) < 1e-5)
    }
  })

test('topPSize counts the fewest tokens that have the probability together', t => {
  const size = (topP: number | undefined) =>
    stepScore('topPSize', { logits: own, token: 0, contrast: 0, reference: own, topK: undefined, topP })
  t.deepEqual([0.1, 0.69, 0.75, 0.95, undefined].map(size), [1, 1, 2, 3, 3])
})

test('a softmax at the end is looked behind', async t => {
  const model = await logitsModel(3, true)
  const { targets } = await new Saliency(model).attribute(x, { target: Target.prediction('entropy') })
  t.true(Math.abs(targets[0]!.value! - 0.8018185525) < 1e-6)
  t.is(targets[0]!.description, 'entropy of logits, before the final softmax')
})

test('what a function lacks, or does not fit, is said', async t => {
  const fails = (of: string, details: object) =>
    t.throws(() => Target.prediction(of as PredictionName, details), { instanceOf: Error })
  t.like(fails('surprise', {}), { code: 'OPTION_RANGE' })
  t.like(fails('probability', {}), { code: 'TARGET_INVALID' })
  t.like(fails('pcxmi', { token: 1 }), { code: 'TARGET_INVALID' })
  t.like(fails('klDivergence', { contrast: { token: 1 } }), { code: 'TARGET_INVALID' })
  t.like(fails('klDivergence', { contrast: { logits: [1, Number.NaN] } }), { code: 'TARGET_INVALID' })
  t.like(fails('entropy', { topK: 0 }), { code: 'OPTION_RANGE' })
  t.like(fails('entropy', { topP: 0 }), { code: 'OPTION_RANGE' })
  t.like(fails('entropy', { tokn: 1 }), { code: 'OPTION_UNKNOWN' })
  const model = await logitsModel(3)
  await t.throwsAsync(new Saliency(model).attribute(x, { target: Target.prediction('logit', { token: 3 }) }))
})
