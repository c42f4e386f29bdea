import { parseArgs } from 'node:util'
import { encodeNpy, parseNpy } from '#lib/data/npy.js'
import { AscribeError, createTensor } from '#lib/index.js'
import { FuzzRandom } from './random.js'

/**
 * Damages .npy files: their bytes, and the text of their headers. Whatever is read is a whole tensor that is written
 * and read back as it was; anything else is refused as corrupt, or for its element type.
 *
 *   node build/ts/test/fuzz/fuzzNpy.js --seed 1 --count 100000 [--first 0] [--seconds S]
 */
const { values: options } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    count: { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '1000000' },
  },
})

const descriptions = [
  '<f4',
  '>f4',
  '<f8',
  '>f8',
  '=f2',
  '<i8',
  '>i8',
  '<i4',
  '>i2',
  '<u2',
  '|i1',
  '|u1',
  '|b1',
]
const tokens = [
  '{',
  '}',
  '(',
  ')',
  '[',
  ',',
  ':',
  ' ',
  '\n',
  '\t',
  "'",
  '"',
  "'descr'",
  "'fortran_order'",
  "'shape'",
  '"descr":',
  'True',
  'False',
  'None',
  '0',
  '1',
  '3',
  '12',
  '0003',
  '2L',
  '-1',
  '1e9',
  '9007199254740991',
  '9007199254740993',
  '4294967296',
  '99999999999999999',
  '()',
  '(2)',
  '(2,)',
  '(2, 3)',
  '(0, 4503599627370496)',
  `(${'1, '.repeat(33)})`,
  '[("x", "<f4")]',
  "'<c8'",
  "'|O'",
  "'<f4'",
  "'>f2'",
  "'|b1'",
  "'__proto__'",
  "'<toString'",
  '\u0000',
  '\u00e9',
  '٣',
  '#',
  '\\x93',
]

function header(text: string, version: number, payload: Uint8Array): Uint8Array {
  const bytes = Buffer.from(text, 'latin1')
  const length = Buffer.alloc(version === 1 ? 2 : 4)
  if (version === 1) length.writeUInt16LE(bytes.length & 0xffff)
  else length.writeUInt32LE(bytes.length)
  return Buffer.concat([
    Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0),
    length,
    bytes,
    payload,
  ])
}

/** A whole file of any element type, order and version, or one that the library writes. */
function whole(random: FuzzRandom): Uint8Array {
  const shape = Array.from({ length: random.below(5) }, () => random.pick([1, 2, 3, 5, 0]))
  const count = shape.reduce((product, size) => product * size, 1)
  if (random.below(3) === 0)
    return encodeNpy(
      createTensor(
        'f32',
        shape,
        new Float32Array(count).map(() => random.below(100) / 7),
      ),
    )
  const description = random.pick(descriptions)
  const payload = new Uint8Array(count * Number(description[2])).map(() => random.below(256))
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  const order = random.below(2) ? 'True' : 'False'
  return header(
    `{'descr': '${description}', 'fortran_order': ${order}, 'shape': ${tuple}, }\n`,
    1 + random.below(3),
    payload,
  )
}

/** The header's text with words put in, taken out, doubled and replaced. */
function mutateText(text: string, random: FuzzRandom): string {
  const words = text.match(/[A-Za-z_]+|\d+|\s+|./gs) ?? []
  for (let count = 1 + random.below(4); count > 0 && words.length > 0; count--) {
    const at = random.below(words.length)
    const how = random.below(4)
    if (how === 0) words.splice(at, 0, random.pick(tokens))
    else if (how === 1) words.splice(at, 1 + random.below(3))
    else if (how === 2) words.splice(at, 1, random.pick(tokens))
    else words.splice(random.below(words.length), 0, ...words.slice(at, at + random.below(6)))
  }
  return words.join('')
}

function mutate(file: Uint8Array, random: FuzzRandom): Uint8Array {
  let damaged = file
  const version = file[6]!
  const start = version === 1 ? 10 : 12
  const length = version === 1 ? file[8]! + 256 * file[9]! : Buffer.from(file).readUInt32LE(8)
  if (random.below(4) > 0)
    damaged = header(
      mutateText(Buffer.from(file.subarray(start, start + length)).toString('latin1'), random),
      random.below(8) ? version : random.below(256),
      file.subarray(start + length),
    )
  if (random.below(3) > 0) return damaged
  const flipped = damaged.slice(0, random.below(2) ? damaged.length : random.below(damaged.length + 1))
  for (let count = random.below(5); count > 0 && flipped.length > 0; count--)
    flipped[random.below(random.below(2) ? flipped.length : Math.min(flipped.length, 16))] = random.below(256)
  return random.below(8) ? flipped : Buffer.concat([flipped, new Uint8Array(random.below(9))])
}

function iterate(iteration: number): string {
  const random = new FuzzRandom(Number(options.seed) * 1_000_003 + iteration)
  const file = random.below(16) ? mutate(whole(random), random) : whole(random)
  // Anywhere in its buffer, as a reader of archives hands it over.
  const offset = random.below(8)
  const bytes = new Uint8Array(file.length + offset).subarray(offset)
  bytes.set(file)
  const started = performance.now()
  try {
    const tensor = parseNpy(bytes)
    const again = parseNpy(encodeNpy(tensor))
    if (
      tensor.dtype !== again.dtype ||
      JSON.stringify(tensor.shape) !== JSON.stringify(again.shape) ||
      Buffer.compare(Buffer.from(tensor.data.buffer), Buffer.from(again.data.buffer)) !== 0
    )
      throw new Error('what was read is not what is written')
    if (tensor.data.byteLength > 8 * file.length) throw new Error('more elements than the file holds')
    return 'ok'
  } catch (error) {
    if (error instanceof AscribeError && ['FILE_CORRUPT', 'INPUT_DTYPE'].includes(error.code))
      return error.code
    throw new Error(
      `iteration ${iteration}: ${(error as Error).stack}\n${JSON.stringify(Buffer.from(file).toString('latin1'))}`,
    )
  } finally {
    const ms = performance.now() - started
    if (ms > 1000) console.log(`FINDING iteration ${iteration} took ${ms} ms`)
  }
}

const outcomes = new Map<string, number>()
let findings = 0
const end = Date.now() + Number(options.seconds) * 1000
const first = Number(options.first)
let iteration = first
for (; iteration < first + Number(options.count) && Date.now() < end; iteration++) {
  try {
    const outcome = iterate(iteration)
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  } catch (error) {
    findings++
    console.log(`FINDING ${(error as Error).message}`)
    if (findings === 10) break
  }
}
console.log(`seed ${options.seed}: ${iteration - first} files`)
for (const [outcome, count] of [...outcomes].sort((a, b) => b[1] - a[1]))
  console.log(`  ${count}  ${outcome}`)
console.log(`${findings} findings`)
process.exitCode = findings > 0 ? 1 : 0
