import test from 'ava'
import { createTensor, Tcav } from '#lib/index.js'
import { loadPeerModel, readPeers } from '../../oracles/recordedPeers.js'

/** What Captum's TCAV makes of three exported models with the vectors of our regression, and SciPy's test of it: record_tcav.py. */
type Scores = { sign_count: number[]; magnitude: number[]; p: number }
const { models } = readPeers<{
  models: Record<string, { first: Scores; last: Scores; chance: number[] }>
}>('tcav.json')
const { target } = readPeers<{ target: number }>('peers.json')
const layers: Record<string, string> = {
  plain: '/maps/Relu',
  residual: '/maps/Relu',
  attention: '/norm2/LayerNormalization',
}

/** `example` of record_tcav.py. */
const example = (of: number) => {
  const brighter = Math.floor(of / 100)
  return Float32Array.from({ length: 432 }, (_, at) => {
    const noise = (((at + 3) * (at + 11) * (of + 7) + at * of * of) % 997) / 498 - 1
    return noise + ((brighter === 1 && at < 144) || (brighter === 2 && at >= 288) ? 1 : 0)
  })
}
const examples = (of: number, count: number) =>
  Array.from({ length: count }, (_, at) => createTensor('f32', [1, 3, 12, 12], example(100 * of + at)))
/** Shares are recorded in single precision; many are 0. */
const same = (found: readonly number[], expected: readonly number[]) =>
  found.length === expected.length && found.every((share, at) => Math.abs(share - expected[at]!) <= 1e-6)
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

for (const [name, recorded] of Object.entries(models))
  test(`${name}: Captum's shares of inputs and magnitudes by the same concept vectors, and SciPy's p-values of them`, async t => {
    const tcav = new Tcav(await loadPeerModel(name), {
      layer: layers[name]!,
      testShare: 0,
      ridge: 0.01,
    })
    const found = await tcav.test(examples(5, 25), target, {
      concepts: { first: examples(1, 12), last: examples(2, 12) },
      random: Array.from({ length: 10 }, (_, at) => examples(10 + at, 12)),
    })
    t.true(same(found.randomSignCounts, recorded.chance), `${found.randomSignCounts}`)
    for (const concept of found.concepts) {
      const { sign_count, magnitude, p } = recorded[concept.name as 'first' | 'last']
      t.true(same(concept.signCounts, sign_count), `${concept.signCounts}`)
      const distance = Math.abs(concept.magnitude / mean(magnitude) - 1)
      const chance = Math.abs(concept.pValue / p - 1)
      t.log(
        `${concept.name}: share ${concept.signCount.toFixed(3)}, magnitude ${distance.toExponential(1)}, p ${p.toFixed(4)}, ${chance.toExponential(1)}`,
      )
      t.true(distance <= 1e-5, `${concept.name}: ${concept.magnitude}, Captum ${mean(magnitude)}`)
      t.true(chance <= 1e-6, `${concept.name}: ${concept.pValue}, SciPy ${p}`)
    }
  })
