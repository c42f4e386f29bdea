import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { AscribeError, loadModel } from '#lib/index.js'
import { idsTensor } from '../../oracles/recordedCheckpoints.js'
import { temporaryFolder } from '../../oracles/temporaryFolder.js'

/** A file with these sizes and as many weights as they need, or so many more. */
function file(sizes: readonly number[], extra = 0): Uint8Array {
  const [features, middle, layers, heads, keyHeads, vocabulary, positions] = sizes.map(Math.abs) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const shared = (keyHeads * features) / heads
  const layer = 2 * features + 2 * features ** 2 + 2 * shared * features + 3 * middle * features
  const tables = (sizes[5]! < 0 ? 2 : 1) * vocabulary * features
  const count = tables + layers * layer + features + (positions * features) / heads
  const bytes = Buffer.alloc(28 + 4 * count + extra)
  sizes.forEach((size, at) => {
    bytes.writeInt32LE(size, 4 * at)
  })
  for (let at = 0; at < count; at++) bytes.writeFloatLE(Math.sin(at), 28 + 4 * at)
  return bytes
}

test('a table of its own for the output where the vocabulary is below 0', async t => {
  const folder = await temporaryFolder(t)
  const run = async (vocabulary: number) => {
    const path = join(folder, `${vocabulary}.bin`)
    await writeFile(path, file([8, 12, 1, 2, 1, vocabulary, 16]))
    const model = await loadModel(path)
    const { outputs } = await model.run({ input_ids: idsTensor([[1, 2, 3]]) })
    return { shape: outputs.logits!.shape, names: model.parameters.list().map(({ name }) => name) }
  }
  const [tied, own] = [await run(10), await run(-10)]
  t.deepEqual(tied.shape, [1, 3, 10])
  t.false(tied.names.includes('lm_head.weight'))
  t.true(own.names.includes('lm_head.weight'))
})

test('whatever the seven sizes are, a file that is not as long as they say is FILE_CORRUPT', async t => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'model.bin')
  await writeFile(path, file([8, 12, 1, 2, 1, 10, 16], 4))
  await t.throwsAsync(loadModel(path), { code: 'FILE_CORRUPT' })
  const size = fc.oneof(fc.integer({ min: -3, max: 20 }), fc.constantFrom(2 ** 31 - 1, -(2 ** 31), 1 << 24))
  await fc.assert(
    fc.asyncProperty(fc.array(size, { minLength: 7, maxLength: 7 }), fc.nat(40), async (sizes, rest) => {
      const bytes = Buffer.alloc(28 + rest)
      sizes.forEach((each, at) => {
        bytes.writeInt32LE(each, 4 * at)
      })
      await writeFile(path, bytes)
      const error = await t.throwsAsync(loadModel(path), { instanceOf: AscribeError })
      t.is((error as AscribeError).code, 'FILE_CORRUPT')
    }),
    { numRuns: 200, seed: 1 },
  )
})
