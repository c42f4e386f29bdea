import test from 'ava'
import { loadModel, type ScoreRequest, Scorer } from '#lib/index.js'
import { checkpointCopy } from '../oracles/checkpointCopy.js'
import { idsOf, letterTokenizer } from '../oracles/letterTokenizer.js'
import { checkpointFolder, recordedCheckpoint } from '../oracles/recordedCheckpoints.js'

/** The logarithm of a softmax, in double precision. */
function logSoftmax(logits: readonly number[]): number[] {
  const most = Math.max(...logits)
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - most), 0)
  return logits.map(logit => logit - most - Math.log(sum))
}

const rowOf = (data: ArrayLike<number | bigint>, at: number, length: number) =>
  Array.from({ length }, (_, k) => Number(data[at * length + k]))

for (const name of ['llama', 'gemma2', 'gpt2', 'opt', 't5'])
  test(`${name}: log-probabilities from PyTorch's logits, of texts of unequal lengths`, async t => {
    const { inputs, outputs } = recordedCheckpoint(name)
    const model = await loadModel(checkpointFolder(name))
    const isEncoded = name === 't5'
    const ids = isEncoded ? inputs.decoder_input_ids! : inputs.input_ids!
    const length = ids.shape[1]!
    const vocabulary = outputs.logits!.shape[2]!
    const kept = inputs.attention_mask?.data as BigInt64Array | undefined
    // A given text ends where the recorded one does; the second of an encoder is shorter.
    const requests = [0, 1].map((row): ScoreRequest & { first: number } => {
      const all = rowOf(ids.data as BigInt64Array, row, length)
      const source = rowOf(inputs.input_ids!.data as BigInt64Array, row, 16)
      const read = isEncoded ? source.filter((_, at) => kept![row * 16 + at] === 1n) : []
      const first = isEncoded ? 1 : 3 + 4 * row
      return isEncoded
        ? { given: read, text: all.slice(1), first }
        : { given: all.slice(0, first), text: all.slice(first), first }
    })
    const scorer = new Scorer(model)
    const scores = await scorer.scoreBatch(requests.map(({ given, text }) => ({ given, text })))
    for (const [row, { text, first }] of requests.entries()) {
      const expected = (text as number[]).map((id, k) => {
        const at = (row * length + first + k - 1) * vocabulary
        return logSoftmax(outputs.logits!.data.slice(at, at + vocabulary))[id]!
      })
      for (const [k, value] of expected.entries())
        t.true(Math.abs(scores[row]!.logProbabilities[k]! - value) < 1e-4, `${row} ${k}`)
      const sum = expected.reduce((a, b) => a + b, 0)
      t.true(Math.abs(scores[row]!.logProbability - sum) < 1e-3)
      const alone = await scorer.score({ given: requests[row]!.given, text })
      for (const [k, value] of alone.logProbabilities.entries())
        t.true(Math.abs(scores[row]!.logProbabilities[k]! - value) < 1e-5)
      t.deepEqual(alone.mostLikely, scores[row]!.mostLikely)
    }
  })

test('a text is tokens of its own behind what is given, and may be as long as the context', async t => {
  const folder = await checkpointCopy(t, 'llama', {
    'tokenizer.json': letterTokenizer(),
    'config.json': { max_position_embeddings: 40 },
  })
  const model = await loadModel(folder)
  t.teardown(() => model.tokenizer!.dispose())
  const scorer = new Scorer(model)
  const score = await scorer.score({ given: 'abc', text: ' def' })
  t.deepEqual([...score.ids], idsOf(' def'))
  t.is((await scorer.score({ given: 'abc', text: 'd'.repeat(36) })).ids.length, 36)
  await t.throwsAsync(scorer.score({ given: 'abc', text: 'd'.repeat(37) }), {
    code: 'INPUT_SHAPE',
    message: /41.*40/,
  })
  await t.throwsAsync(scorer.score({ given: 'abc', text: '' }), { code: 'INPUT_VALUE' })
  await t.throwsAsync(scorer.score({ given: 'abc' } as ScoreRequest), { code: 'OPTION_TYPE' })
})
