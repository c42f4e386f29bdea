import { encodeSafetensors, parseSafetensors } from '#lib/data/safetensors.js'
import { createTensor, type Tensor } from '#lib/index.js'
import { fuzzFiles } from './loop.js'
import type { FuzzRandom } from './random.js'

/**
 * Damages safetensors files: their bytes, and the text of their headers. Whatever is read is whole tensors that are
 * written and read back as they were; anything else is refused.
 *
 *   node build/ts/test/fuzz/fuzzSafetensors.js --seed 1 --count 100000 [--first 0] [--seconds S]
 */
const words = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  ' ',
  '\n',
  'null',
  'true',
  '-1',
  '0',
  '1',
  '2',
  '4',
  '1e9',
  '1.5',
  '9007199254740991',
  '9007199254740993',
  '18446744073709551615',
  '"F32"',
  '"F64"',
  '"BF16"',
  '"BOOL"',
  '"U64"',
  '"f32"',
  '"dtype"',
  '"shape"',
  '"data_offsets"',
  '"__metadata__"',
  '"__proto__"',
  '"constructor"',
  `[${'1,'.repeat(40)}1]`,
  '['.repeat(500),
  '\u0000',
  '\u00ff',
  '\\u0000',
]

function whole(random: FuzzRandom): Uint8Array {
  const entries = Array.from({ length: random.below(4) }, (_, at): [string, Tensor] => {
    const shape = Array.from({ length: random.below(4) }, () => random.pick([0, 1, 2, 3]))
    const count = shape.reduce((product, size) => product * size, 1)
    const name = random.pick(['w', 'b', 'a.b', '', '__proto__', 'é']) + (random.below(4) ? String(at) : '')
    if (random.below(2))
      return [name, createTensor('u8', shape, new Uint8Array(count).fill(random.below(256)))]
    return [name, createTensor('f32', shape, new Float32Array(count).fill(random.below(9)))]
  })
  const metadata = random.below(3) ? {} : { format: 'pt' }
  return encodeSafetensors(Object.fromEntries(entries), metadata)
}

function withHeader(text: string, payload: Uint8Array): Uint8Array {
  const bytes = Buffer.from(text, 'latin1')
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(bytes.length))
  return Buffer.concat([length, bytes, payload])
}

function mutateText(text: string, random: FuzzRandom): string {
  const parts = text.match(/"[^"]*"|\d+|\s+|./gs) ?? []
  for (let count = 1 + random.below(4); count > 0 && parts.length > 0; count--) {
    const at = random.below(parts.length)
    const how = random.below(4)
    if (how === 0) parts.splice(at, 0, random.pick(words))
    else if (how === 1) parts.splice(at, 1 + random.below(3))
    else if (how === 2) parts.splice(at, 1, random.pick(words))
    else parts.splice(random.below(parts.length), 0, ...parts.slice(at, at + random.below(20)))
  }
  return parts.join('')
}

function mutate(file: Uint8Array, random: FuzzRandom): Uint8Array {
  const start = 8 + Number(Buffer.from(file).readBigUInt64LE(0))
  let damaged = file
  if (random.below(4) > 0)
    damaged = withHeader(
      mutateText(Buffer.from(file.subarray(8, start)).toString('latin1'), random),
      file.subarray(start),
    )
  if (random.below(3) > 0) return damaged
  const flipped = damaged.slice(0, random.below(2) ? damaged.length : random.below(damaged.length + 1))
  for (let count = random.below(5); count > 0 && flipped.length > 0; count--)
    flipped[random.below(random.below(2) ? flipped.length : Math.min(flipped.length, 16))] = random.below(256)
  return random.below(8) ? flipped : Buffer.concat([flipped, new Uint8Array(random.below(9))])
}

const plain = (tensors: Record<string, Tensor>) =>
  JSON.stringify(
    Object.entries(tensors).map(([name, { dtype, shape, data }]) => [
      name,
      dtype,
      shape,
      Buffer.from(data.buffer).toString('latin1'),
    ]),
  )

fuzzFiles(
  random => {
    const file = random.below(16) ? mutate(whole(random), random) : whole(random)
    // Anywhere in its buffer, as a reader of archives hands it over.
    const offset = random.below(8)
    const bytes = new Uint8Array(file.length + offset).subarray(offset)
    bytes.set(file)
    return {
      file,
      outcome: () => {
        const tensors = parseSafetensors(bytes)
        if (plain(parseSafetensors(encodeSafetensors(tensors))) !== plain(tensors))
          throw new Error('what was read is not what is written')
        const size = Object.values(tensors).reduce((sum, { data }) => sum + data.byteLength, 0)
        if (size > 4 * file.length) throw new Error('more elements than the file holds')
        return 'ok'
      },
    }
  },
  ['FILE_CORRUPT', 'INPUT_DTYPE'],
)
