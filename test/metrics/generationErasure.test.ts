import test from 'ava'
import { explainGeneration, generationErasure, loadModel } from '#lib/index.js'
import { logitsBehind, logProbabilities } from '#lib/methods/generation/predictionScores.js'
import { checkpointFolder } from '../oracles/recordedCheckpoints.js'

const prompt = [1, 7, 12, 5, 9, 22, 31, 18]
const answer = [14, 8]

test('probabilities without the strongest tokens, and with these alone, against runs of the shorter texts', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const map = await explainGeneration(model, prompt, { answer, method: 'InputXGradient' })
  const points = await generationErasure(model, map, { ratios: [0.25, 1] })
  const probability = async (ids: number[], token: number) => {
    const [logits] = await logitsBehind(model, { ids }, [ids.length - 1])
    return Math.exp(logProbabilities(logits!)[token]!)
  }
  let [out, kept] = [0, 0]
  for (const [step, token] of answer.entries()) {
    const ids = [...prompt, ...answer.slice(0, step)]
    const scores = map.scores(step)
    const order = ids.map((_, at) => at).sort((a, b) => scores[b]! - scores[a]! || a - b)
    const top = new Set(order.slice(0, Math.round(0.25 * ids.length)))
    const whole = await probability(ids, token)
    out +=
      whole -
      (await probability(
        ids.filter((_, at) => !top.has(at)),
        token,
      ))
    kept +=
      whole -
      (await probability(
        ids.filter((_, at) => top.has(at)),
        token,
      ))
  }
  t.is(points[0]!.ratio, 0.25)
  t.true(Math.abs(points[0]!.comprehensiveness - out / 2) < 1e-6)
  t.true(Math.abs(points[0]!.sufficiency - kept / 2) < 1e-6)
  // All kept changes nothing, in whatever order.
  t.true(Math.abs(points[1]!.sufficiency) < 1e-7 && Math.abs(points[1]!.random.sufficiency) < 1e-7)
  t.is(points[1]!.comprehensiveness, points[1]!.random.comprehensiveness)
  const told: number[][] = []
  const onProgress = (...counts: number[]) => told.push(counts)
  t.deepEqual(await generationErasure(model, map, { ratios: [0.25, 1], onProgress }), points)
  t.deepEqual(
    told,
    map.steps.map((_, step) => [step + 1, map.steps.length]),
  )
})

test('shares that are none are refused', async t => {
  const model = await loadModel(checkpointFolder('llama'))
  const map = await explainGeneration(model, prompt, { answer, method: 'Saliency' })
  for (const ratios of [[0], [1.5], [], [Number.NaN]])
    await t.throwsAsync(generationErasure(model, map, { ratios }), { message: /ratio/ })
})
