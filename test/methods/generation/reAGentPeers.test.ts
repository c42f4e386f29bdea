import test from 'ava'
import { explainGeneration, loadModel } from '#lib/index.js'
import { ReAGentChain, topPlaces } from '#lib/methods/generation/reAGentChain.js'
import { uniformReplacements } from '#lib/methods/generation/replacements.js'
import { relativeDistance } from '../../oracles/gradientOf.js'
import { checkpointFolder } from '../../oracles/recordedCheckpoints.js'
import { readPeers } from '../../oracles/recordedPeers.js'

/** The authors' code on a small Llama, given the draws of this library: record_reagent.py, versions inside. */
const { tokens } = readPeers<{
  tokens: Record<
    string,
    { scores: (number | null)[]; chains: number[][]; stopped: boolean[]; rationale: number[] }
  >
}>('reagent.json')
const { ids, chains, ...options } = readPeers<{
  ids: number[]
  chains: { scores: number[]; steps: { mask: number[]; ids: number[]; others: number[] }[] }[]
  ratio: number
  topK: number
  keep: number
  maxSteps: number
  seed: number
}>('reagentDraws.json')
const places = ids.map((_, at) => at)

test('the draws that they were given are those of the seed', t => {
  const any = uniformReplacements(Array.from({ length: 40 }, (_, id) => id))
  for (const [at, drawn] of chains.entries()) {
    const chain = new ReAGentChain(ids, places, any, options, at)
    t.deepEqual([...chain.scores], drawn.scores)
    const steps = drawn.steps.map((_, step) => chain.draw(step + 1))
    t.deepEqual(
      steps.map(step => ({ ...step, mask: [...step.mask] })),
      drawn.steps,
    )
  }
})

/** Places that at least two of some chains keep. */
function keptByTwo(scores: readonly number[][]): number[] {
  const kept = scores.flatMap(own => topPlaces(own, places, options.keep))
  return places.filter(place => kept.filter(at => at === place).length >= 2)
}

for (const [token, recorded] of Object.entries(tokens))
  test(`token ${token}: scores, stops and the rationale by the authors' code`, async t => {
    const model = await loadModel(checkpointFolder('llama'))
    const { attribution } = await explainGeneration(model, ids, {
      answer: [Number(token)],
      method: 'ReAGent',
      methodOptions: { ...options, chains: chains.length, replacement: 'uniform' },
    })
    const { stopped, rationale } = attribution.method.details as {
      stopped: boolean[]
      rationale: number[]
    }
    t.deepEqual(stopped, recorded.stopped)
    const counted = recorded.chains.filter((_, at) => stopped[at] || !stopped.includes(true))
    const mean = places.map(
      place => counted.reduce((sum, scores) => sum + scores[place]!, 0) / counted.length,
    )
    // Where no chain stopped the mean there is 0 / 0.
    if (stopped.includes(true)) t.true(relativeDistance(mean, recorded.scores as number[]) <= 1e-6)
    else t.true(recorded.scores.every(score => score === null))
    const found = [...attribution.scores().data].slice(0, ids.length).map(Number)
    const distance = relativeDistance(found, mean)
    t.log(distance.toExponential(1))
    t.true(distance <= 1e-5, `${distance}`)
    // The rationale there counts chains that did not stop, too.
    t.deepEqual(keptByTwo(recorded.chains), recorded.rationale)
    t.deepEqual(rationale, keptByTwo(counted))
  })
