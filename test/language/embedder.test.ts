import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { Embedder, loadModel } from '#lib/index.js'
import { checkpointCopy } from '../oracles/checkpointCopy.js'
import { checkpointFolder, recordedCheckpoint, relativeError } from '../oracles/recordedCheckpoints.js'

/** The tokens of the second of two recorded texts, which is filled up. */
const ids = Array.from(
  (recordedCheckpoint('bert-base').inputs.input_ids!.data as BigInt64Array).slice(16, 27),
  Number,
)

const folderOf = checkpointFolder('bert-base')

test('states pooled in each way, of a text beside others as of it alone', async t => {
  // The recorded kinds of token are not all of the first kind, so the oracle is the model itself, text by text.
  const model = await loadModel(folderOf)
  const length = ids.length
  const zeros = { dtype: 'i64' as const, shape: [1, length], data: new BigInt64Array(length) }
  const { outputs } = await model.run({
    input_ids: { ...zeros, data: BigInt64Array.from(ids, BigInt) },
    attention_mask: { ...zeros, data: new BigInt64Array(length).fill(1n) },
    token_type_ids: zeros,
  })
  const states = Array.from({ length }, (_, at) =>
    Array.from((outputs.last_hidden_state!.data as Float32Array).subarray(at * 16, (at + 1) * 16)),
  )
  const mean = states[0]!.map((_, k) => states.reduce((sum, row) => sum + row[k]!, 0) / length)
  const unit = (x: readonly number[]) => x.map(value => value / Math.hypot(...x))
  for (const [pooling, expected] of [
    ['mean', mean],
    ['first', states[0]!],
    ['last', states.at(-1)!],
  ] as const) {
    const plain = new Embedder(model, { pooling, normalise: false })
    const [, found] = await plain.embed([[3, 4, 5], ids, [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]])
    t.true(relativeError(found!, expected) < 1e-5, pooling)
    const [normal] = await new Embedder(model, { pooling }).embed([ids])
    t.true(relativeError(normal!, unit(expected)) < 1e-5, pooling)
  }
})

test('a sentence-transformers folder says how states are pooled', async t => {
  const folder = await checkpointCopy(t, 'bert-base')
  await mkdir(join(folder, '1_Pooling'))
  const pooling = { pooling_mode_cls_token: true, pooling_mode_mean_tokens: false }
  await writeFile(join(folder, '1_Pooling', 'config.json'), JSON.stringify(pooling))
  const [own] = await new Embedder(await loadModel(folder)).embed([ids])
  const [first] = await new Embedder(await loadModel(folderOf), { pooling: 'first', normalise: false }).embed(
    [ids],
  )
  t.deepEqual(own, first)
  await writeFile(join(folder, '1_Pooling', 'config.json'), JSON.stringify({ pooling_mode_max_tokens: true }))
  await t.throwsAsync(new Embedder(await loadModel(folder)).embed([ids]), { code: 'MODEL_UNSUPPORTED_OP' })
})

test('models that are no encoders of texts are refused', async t => {
  for (const name of ['llama', 'vit']) {
    const model = await loadModel(checkpointFolder(name))
    t.throws(() => new Embedder(model), { code: 'MODEL_CAPABILITY' })
  }
})

test('what is no token id is refused, those below 0 among it', async t => {
  const embedder = new Embedder(await loadModel(folderOf))
  for (const id of [-1, 1.5, Number.NaN, 'a', null])
    await t.throwsAsync(embedder.embed([[3, id as number]]), { code: 'INPUT_VALUE' }, String(id))
})
