import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { parseGgufHeader } from '#lib/data/ggufHeader.js'
import { AscribeError, loadModel } from '#lib/index.js'
import { ggufPath } from '../oracles/recordedGguf.js'
import { temporaryFolder } from '../oracles/temporaryFolder.js'

const file = new Uint8Array(readFileSync(ggufPath('llama-half')))
const small = new Uint8Array(readFileSync(ggufPath('llama')))

test('entries and tensors of a file', t => {
  const { metadata, tensors } = parseGgufHeader(file, 'llama-half.gguf')
  t.is(metadata.get('general.architecture'), 'llama')
  t.is(metadata.get('llama.attention.head_count'), 4)
  t.is(metadata.get('tokenizer.ggml.add_bos_token'), true)
  t.is((metadata.get('tokenizer.ggml.tokens') as string[])[0], '<|begin|>')
  const table = tensors.find(({ name }) => name === 'token_embd.weight')!
  t.deepEqual(table.shape, [40, 16])
  t.is(table.type, 'F16')
  t.is(table.range!.end - table.range!.begin, 40 * 16 * 2)
})

/** Some header with one entry or tensor. */
function header(tensors: number, entries: number, ...parts: (number | bigint | string)[]): Uint8Array {
  const bytes: Buffer[] = [Buffer.from('GGUF')]
  const add = (value: number | bigint | string) => {
    const buffer = Buffer.alloc(typeof value === 'bigint' ? 8 : 4)
    if (typeof value === 'string') {
      add(BigInt(Buffer.byteLength(value)))
      bytes.push(Buffer.from(value))
      return
    }
    if (typeof value === 'bigint') buffer.writeBigUInt64LE(value)
    else buffer.writeUInt32LE(value)
    bytes.push(buffer)
  }
  for (const part of [3, BigInt(tensors), BigInt(entries), ...parts]) add(part)
  return Buffer.concat([...bytes, Buffer.alloc(64)])
}

const impossible: Readonly<Record<string, Uint8Array>> = {
  'another format': Buffer.from('GGUX and more'),
  'more texts than the file has room for': header(0, 1, 'a', 9, 8, 1n << 40n),
  'more numbers than the file has room for': header(0, 1, 'a', 9, 4, 1n << 27n),
  'a text that leaves the file': header(0, 1, 'a', 8, 1n << 50n),
  'a list of lists': header(0, 1, 'a', 9, 9, 1n, 4, 1n),
  'two entries of one name': header(0, 2, 'a', 4, 1, 'a', 4, 1),
  'an unknown kind of value': header(0, 1, 'a', 77),
  'a tensor behind the file': header(1, 0, 't', 1, 4n, 0, 1n << 20n),
  'a tensor of more elements than there are numbers': header(1, 0, 't', 2, 1n << 40n, 1n << 40n, 0, 0n),
  'a tensor of many axes': header(1, 0, 't', 9),
  'rows that are no whole blocks': header(1, 0, 't', 1, 100n, 12, 0n),
  'a tensor off its alignment': header(1, 0, 't', 1, 1n, 0, 4n),
  'many tensors': header(1 << 30, 0),
}
for (const [what, bytes] of Object.entries(impossible))
  test(`${what}: FILE_CORRUPT`, t => {
    t.throws(() => parseGgufHeader(bytes, 'file'), { instanceOf: AscribeError, code: 'FILE_CORRUPT' })
  })

test('whatever the bytes are, the file is read or the error has a code', async t => {
  const path = join(await temporaryFolder(t), 'mutated.gguf')
  const change = fc.record({
    at: fc.nat(2400),
    to: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 127, 128, 255)),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 6 }),
      fc.nat(small.length),
      async (changes, cut) => {
        const bytes = Uint8Array.from(small)
        for (const { at, to } of changes) if (at < bytes.length) bytes[at] = to
        await writeFile(path, cut % 5 === 0 ? bytes.subarray(0, cut) : bytes)
        try {
          await loadModel(path, { weights: 'copy' })
        } catch (error) {
          if (!(error instanceof AscribeError)) throw error
          if (
            !/^(FILE_CORRUPT|MODEL_INVALID|MODEL_UNSUPPORTED_OP|MODEL_CAPABILITY|INPUT_SHAPE)$/.test(
              error.code,
            )
          )
            throw error
        }
      },
    ),
    { numRuns: 300, seed: 1 },
  )
  t.pass()
})
