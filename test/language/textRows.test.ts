import test from 'ava'
import { traceRows } from '#lib/context/tracedRows.js'
import { loadModel, Scorer } from '#lib/index.js'
import { headWeightsOf } from '#lib/language/headWeights.js'
import { textStates } from '#lib/language/textRows/textStates.js'
import { rowsTogether, tokenValues } from '#lib/language/textRows/tokenValues.js'
import { groupsOfLength, wholeStates } from '#lib/language/textRows/wholeTexts.js'
import { modelAttention, weightedRows } from '../oracles/modelAttention.js'
import { checkpointFolder, relativeError } from '../oracles/recordedCheckpoints.js'

const someIds = (length: number, seed: number) =>
  Array.from({ length }, (_, at) => 3 + Math.floor(30 * Math.abs(Math.sin(at * 7.1 + seed))))

/** Texts of unequal lengths of which some begin alike, some are equal, and one stands alone. */
function someTexts(longest: number) {
  const trunk = someIds(longest, 1)
  const behind = (shared: number, more: number, seed: number) => [
    ...trunk.slice(0, shared),
    ...someIds(more, seed),
  ]
  return [
    trunk,
    behind(Math.floor(longest / 2), 9, 2),
    behind(Math.floor(longest / 2), 5, 3),
    behind(3, 12, 4),
    someIds(7, 5),
    trunk.slice(0, longest - 2),
    behind(Math.floor(longest / 2), 9, 2),
  ].map((ids, at) => ({ ids, firstRow: Math.max(0, ids.length - 2 - at), endRow: ids.length }))
}

for (const name of [
  'llama',
  'llama-dynamic',
  'llama-yarn',
  'phi3-longrope',
  'mistral-window',
  'gemma2',
  'gemma3',
  'gpt2',
  'gpt_neox',
  'opt',
  'qwen3',
  'smollm3',
])
  for (const longest of [30, 90])
    test(`${name}: states of texts that are read together are those of each by itself (${longest} tokens)`, async t => {
      const model = await loadModel(checkpointFolder(name))
      const limit = model.checkpoint!.decoder!.contextLength
      const texts = someTexts(Math.min(longest, limit))
      const together = await textStates(model, texts)
      const apart = await Promise.all(texts.map(async text => (await wholeStates(model, [text]))[0]!))
      for (const [at, states] of apart.entries()) {
        const error = relativeError(together.states[at]!, Array.from(states))
        t.true(error < 1e-5, `text ${at}: ${error}`)
      }
      const all = texts.reduce((sum, { ids }) => sum + ids.length, 0)
      t.true(together.tokens < all, `${together.tokens} of ${all}`)
    })

for (const name of ['llama', 'gpt2', 'mistral-window', 'gemma2', 'phi3'])
  test(`${name}: rows of attention of texts that begin alike are slices of their whole matrices`, async t => {
    const model = await loadModel(checkpointFolder(name))
    const texts = someTexts(Math.min(70, model.checkpoint!.decoder!.contextLength)).map(
      ({ ids, endRow }) => ({
        ids,
        firstRow: endRow - 4,
        endRow,
      }),
    )
    const weights = headWeightsOf(model)
    const seen = new Set<number>()
    const errors: number[] = []
    const found = new Map<number, { rows: Float32Array; stride: number }>()
    const tokens = await traceRows(model, texts, weights, (at, rows, stride) => {
      found.set(at, { rows, stride })
      seen.add(at)
    })
    for (const [at, { ids, firstRow, endRow }] of texts.entries()) {
      const expected = weightedRows(await modelAttention(model, ids), weights, ids.length, firstRow, endRow)
      const { rows, stride } = found.get(at)!
      const own = Float64Array.from({ length: 4 * ids.length }, (_, k) => {
        return rows[Math.floor(k / ids.length) * stride + (k % ids.length)]!
      })
      errors.push(relativeError(own, expected))
    }
    t.is(seen.size, texts.length)
    t.true(Math.max(...errors) < 1e-5, `${Math.max(...errors)}`)
    t.true(tokens < texts.reduce((sum, { ids }) => sum + ids.length, 0))
  })

test('a text of several runs, and one that goes on behind it', async t => {
  const model = await loadModel(checkpointFolder('llama-dynamic'))
  const long = someIds(1300, 1)
  const texts = [
    long,
    [...long.slice(0, 700), ...someIds(600, 2)],
    [...long.slice(0, 1290), ...someIds(10, 3)],
  ].map(ids => ({ ids, firstRow: 640, endRow: ids.length }))
  const { states, tokens } = await textStates(model, texts)
  t.is(tokens, 1300 + 600 + 10)
  const apart = await wholeStates(model, texts)
  for (const [at, each] of apart.entries()) t.true(relativeError(states[at]!, Array.from(each)) < 1e-5)
})

test('logits that are there at once are bounded, and pieces change nothing', async t => {
  t.is(rowsTogether(1 << 17), 128)
  t.is(rowsTogether(1 << 30), 1)
  t.is(rowsTogether(40), 1 << 18)
  const model = await loadModel(checkpointFolder('llama'))
  const ids = someIds(60, 1)
  const { states } = await textStates(model, [{ ids, firstRow: 0, endRow: 59 }])
  const { values, mostLikely } = await tokenValues(model, states, ids.slice(1), 'logProbability')
  const score = await new Scorer(model).score({ given: ids.slice(0, 1), text: ids.slice(1) })
  t.deepEqual([...values], score.logProbabilities)
  t.deepEqual(Array.from(mostLikely!, Number), score.mostLikely)
  const one = await tokenValues(
    model,
    [states[0]!.subarray(0, states[0]!.length / 59)],
    ids.slice(1, 2),
    'logProbability',
  )
  t.true(Math.abs(one.values[0]! - values[0]!) < 1e-5)
})

test('texts that go side by side are of like length, and of one kind', t => {
  t.deepEqual(groupsOfLength([40, 10, 20, 30]), [[1, 2, 3, 0]])
  t.deepEqual(groupsOfLength([3000, 1200, 1300, 1400]), [[1, 2], [3], [0]])
  t.deepEqual(
    groupsOfLength([40, 10, 20, 40], length => (length > 20 ? length : 0)),
    [
      [1, 2],
      [0, 3],
    ],
  )
})
