import test from 'ava'
import { createTensor } from '#lib/index.js'
import { TransformerAttribution } from '#lib/relevance.js'
import { relativeDistance } from '../oracles/gradientOf.js'
import { loadPeerModel, readPeers } from '../oracles/recordedPeers.js'

/** Its authors' code on a vision transformer, by its own rules and by those of LXT: record_transformer.py. */
const recorded = readPeers<{ target: number; 'own rules': number[]; 'rules of LXT': number[] }>(
  'transformer.json',
)
const { models } = readPeers<{ models: { patches: { inputs: [number[]] } } }>('attention.json')

test('transformer attribution is that of its authors, given the relevance of LXT', async t => {
  const method = new TransformerAttribution(await loadPeerModel('patches'))
  const input = createTensor('f32', [1, 3, 24, 24], Float32Array.from(models.patches.inputs[0]))
  const { data } = (await method.attribute(input, { target: recorded.target })).scores()
  const distance = relativeDistance(data as Float32Array, recorded['rules of LXT'])
  t.log(distance.toExponential(1))
  t.true(distance <= 1e-5, `${distance}`)
  // By the rules of the paper relevance is smaller, and lies elsewhere.
  const scaled = (scores: readonly number[]) => {
    const sum = scores.reduce((a, b) => a + b)
    return scores.map(score => score / sum)
  }
  const own = relativeDistance(scaled([...(data as Float32Array)]), scaled(recorded['own rules']))
  t.log(`own rules, maps of sum 1: ${own.toFixed(2)}`)
  t.true(own > 0.1 && own < 1, `${own}`)
})
