import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { llama2cTokenizer } from '#lib/frontends/checkpoints/llama2cTokenizer.js'
import { AscribeError, loadTokenizer } from '#lib/index.js'
import { sharedData } from '../../oracles/sharedData.js'
import { temporaryFolder } from '../../oracles/temporaryFolder.js'

/** A file of these pieces, behind the three special ones and the bytes. */
function file(pieces: readonly (readonly [string, number])[]): Uint8Array {
  const bytes = Array.from(
    { length: 256 },
    (_, at) => `<0x${at.toString(16).toUpperCase().padStart(2, '0')}>`,
  )
  const all = [...['<unk>', '\n<s>\n', '\n</s>\n', ...bytes].map(text => [text, 0] as const), ...pieces]
  const parts = all.flatMap(([text, score]) => {
    const head = Buffer.alloc(8)
    head.writeFloatLE(score, 0)
    head.writeInt32LE(Buffer.byteLength(text), 4)
    return [head, Buffer.from(text)]
  })
  return Buffer.concat([Buffer.alloc(4, 16), ...parts])
}

test('the best pair goes first, a space stands before the text, bytes where no piece is', async t => {
  const path = join(await temporaryFolder(t), 'tokenizer.bin')
  const letters = ['a', 'b', 'c', ' '].map(letter => [letter, -1e6] as const)
  await writeFile(path, file([...letters, ['ab', -2], ['bc', -1], [' a', -3], ['abc', -4]]))
  const tokenizer = await loadTokenizer(await llama2cTokenizer(path))
  t.teardown(() => tokenizer.dispose())
  const [a, space, bc, spaceA] = [259, 262, 264, 265]
  // "bc" beats "ab", and what is left joins as " a".
  t.deepEqual((await tokenizer.encode('abc')).ids, [1, spaceA, bc])
  t.deepEqual((await tokenizer.encode('é', { specials: false })).ids, [space, 3 + 0xc3, 3 + 0xa9])
  t.deepEqual((await tokenizer.encode('a', { specials: false })).ids, [spaceA])
  t.is(await tokenizer.decode([1, spaceA, bc, a, 3 + 0xc3, 3 + 0xa9, 2]), 'abcaé')
  t.is(await tokenizer.decode([1, spaceA], { specials: true }), '\n<s>\n a')
})

test('tokens of stories260K are those of its reference', async t => {
  const [path, reference] = [
    sharedData(t, 'stories260k', 'tok512.bin'),
    sharedData(t, 'stories260k', 'reference.json'),
  ]
  if (path === undefined || reference === undefined) return
  const { greedy_ids, greedy_text } = JSON.parse(await readFile(reference, 'utf8'))
  const tokenizer = await loadTokenizer(await llama2cTokenizer(path))
  t.teardown(() => tokenizer.dispose())
  t.is(await tokenizer.decode(greedy_ids), greedy_text)
  t.deepEqual((await tokenizer.encode(greedy_text)).ids, greedy_ids)
})

test('whatever the bytes are, the file is read or FILE_CORRUPT', async t => {
  const path = join(await temporaryFolder(t), 'tokenizer.bin')
  const good = file([['a', 0]])
  await fc.assert(
    fc.asyncProperty(
      fc.nat(good.length),
      fc.array(fc.record({ at: fc.nat(good.length - 1), to: fc.nat(255) })),
      async (length, changes) => {
        const bytes = Uint8Array.from(good)
        for (const { at, to } of changes) bytes[at] = to
        await writeFile(path, bytes.subarray(0, length))
        try {
          await llama2cTokenizer(path)
        } catch (error) {
          if (!(error instanceof AscribeError) || error.code !== 'FILE_CORRUPT') throw error
        }
      },
    ),
    { numRuns: 300, seed: 5 },
  )
  t.pass()
})

test('a piece that no vocabulary has by its length is damage, and not cut in every place', async t => {
  const path = join(await temporaryFolder(t), 'tokenizer.bin')
  await writeFile(path, file([['a'.repeat(1 << 20), 0]]))
  await t.throwsAsync(llama2cTokenizer(path), { code: 'FILE_CORRUPT', message: /1048576 bytes/ })
})
