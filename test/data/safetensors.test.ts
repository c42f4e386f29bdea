import test from 'ava'
import fc from 'fast-check'
import { encodeSafetensors, parseSafetensors } from '#lib/data/safetensors.js'
import {
  AscribeError,
  createTensor,
  loadModel,
  readSafetensors,
  type Tensor,
  writeSafetensors,
} from '#lib/index.js'
import { floats, valueInfo, writeModel } from '../oracles/onnxWriter.js'
import { temporaryFolder } from '../oracles/temporaryFolder.js'

/** A file put together by hand, apart from the code under test. */
function file(header: unknown, payload: Uint8Array, text = JSON.stringify(header)): Uint8Array {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(text)))
  return Buffer.concat([length, Buffer.from(text), payload])
}
const entry = (dtype: string, shape: unknown, begin: unknown, end: unknown) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
})

test('every element type, the half-wide ones widened exactly', t => {
  const payload = Buffer.alloc(8 + 4 + 4 + 4 + 2 + 3)
  payload.writeDoubleLE(0.1, 0)
  payload.writeFloatLE(-2.5, 8)
  payload.writeUInt16LE(0x3c00, 12) // 1
  payload.writeUInt16LE(0x0001, 14) // the least half
  payload.writeUInt16LE(0x3f80, 16) // 1
  payload.writeUInt16LE(0xff80, 18) // -infinity
  payload.writeInt16LE(-3, 20)
  payload.set([0, 1, 7], 22)
  const found = parseSafetensors(
    file(
      {
        __metadata__: { format: 'pt' },
        mask: entry('BOOL', [3], 22, 25),
        double: entry('F64', [], 0, 8),
        float: entry('F32', [1, 1], 8, 12),
        half: entry('F16', [2], 12, 16),
        brain: entry('BF16', [2], 16, 20),
        short: entry('I16', [1], 20, 22),
        none: entry('F32', [0, 3], 25, 25),
      },
      payload,
    ),
  )
  t.deepEqual(found, {
    mask: createTensor('bool', [3], Uint8Array.of(0, 1, 1)),
    double: createTensor('f64', [], Float64Array.of(0.1)),
    float: createTensor('f32', [1, 1], Float32Array.of(-2.5)),
    half: createTensor('f32', [2], Float32Array.of(1, 2 ** -24)),
    brain: createTensor('f32', [2], Float32Array.of(1, Number.NEGATIVE_INFINITY)),
    short: createTensor('i32', [1], Int32Array.of(-3)),
    none: createTensor('f32', [0, 3], new Float32Array(0)),
  } as never)
})

test('what is written is read back, any name included', t => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.array(fc.float({ noNaN: true }), { maxLength: 5 }), { maxKeys: 6 }),
      fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }),
      (lists, metadata) => {
        const tensors = Object.fromEntries(
          Object.entries(lists)
            .filter(([name]) => name !== '__metadata__')
            .map(([name, values]): [string, Tensor] => [
              name,
              createTensor('f32', [values.length], Float32Array.from(values)) as Tensor,
            ]),
        )
        t.deepEqual(parseSafetensors(encodeSafetensors(tensors, metadata)), tensors)
      },
    ),
  )
})

const bad: [string, Uint8Array, RegExp][] = [
  ['too short', Uint8Array.of(1, 2, 3), /too short/],
  [
    'a header longer than the file',
    Buffer.concat([Buffer.from([255, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{}')]),
    /header of 255 bytes/,
  ],
  [
    'a header of 2^63 bytes',
    Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 0, 0, 128]), Buffer.from('{}')]),
    /header of 9223372036854775808/,
  ],
  ['no object', file([], new Uint8Array(0)), /header/],
  ['no JSON', file(0, new Uint8Array(0), '{"a": }'), /header/],
  [
    'no text',
    file(0, new Uint8Array(0), '{"\ud800": 1}').map(byte => (byte === 0xef ? 0xff : byte)),
    /header/,
  ],
  ['another type', file({ a: entry('F3', [1], 0, 4) }, new Uint8Array(4)), /element type "F3"/],
  ['a negative size', file({ a: entry('F32', [-1], 0, 4) }, new Uint8Array(4)), /no shape/],
  ['a size and a half', file({ a: entry('F32', [1.5], 0, 6) }, new Uint8Array(6)), /no shape/],
  [
    'sizes beyond numbers',
    file({ a: entry('F32', [2 ** 53 - 1, 2 ** 53 - 1], 0, 4) }, new Uint8Array(4)),
    /elements/,
  ],
  // Found by test/fuzz/fuzzSafetensors.ts: nothing along one axis does not make the others possible.
  [
    'an impossible size beside 0',
    file({ a: entry('U8', [0, 2 ** 53 - 1, 3], 0, 0) }, new Uint8Array(0)),
    /elements/,
  ],
  ['beyond the end', file({ a: entry('F32', [2], 0, 8) }, new Uint8Array(4)), /to 8 of 4/],
  ['backwards', file({ a: entry('F32', [1], 4, 0) }, new Uint8Array(4)), /from byte 4 to 0/],
  [
    'an overlap',
    file({ a: entry('F32', [2], 0, 8), b: entry('F32', [2], 4, 12) }, new Uint8Array(12)),
    /"b" begin at 4, expected 8/,
  ],
  ['a gap', file({ a: entry('F32', [1], 4, 8) }, new Uint8Array(8)), /"a" begin at 4, expected 0/],
  ['bytes of nobody', file({ a: entry('F32', [1], 0, 4) }, new Uint8Array(8)), /end at byte 4 of 8/],
  [
    'a name twice',
    file(
      0,
      new Uint8Array(8),
      `{"a":${JSON.stringify(entry('F32', [1], 0, 4))},"a":${JSON.stringify(entry('F32', [1], 4, 8))}}`,
    ),
    /expected 0/,
  ],
  ['metadata that is no text', file({ __metadata__: { a: 1 } }, new Uint8Array(0)), /metadata/],
]
for (const [name, bytes, message] of bad)
  test(`refused: ${name}`, t => {
    const error = t.throws(() => parseSafetensors(bytes), { instanceOf: AscribeError, code: 'FILE_CORRUPT' })
    t.regex(error?.message ?? '', message)
  })

test('types that are known and not supported, and names that are not there', t => {
  const bytes = file({ a: entry('F8_E4M3', [1], 0, 1) }, new Uint8Array(1))
  t.throws(() => parseSafetensors(bytes), { code: 'INPUT_DTYPE' })
  t.deepEqual(parseSafetensors(bytes, { names: [] }), {})
  t.throws(() => parseSafetensors(bytes, { names: ['toString'] }), { code: 'INPUT_MISSING' })
})

test('weights of a model from a file', async t => {
  const path = `${await temporaryFolder(t)}/weights.safetensors`
  await writeSafetensors(path, { w: createTensor('f32', [2, 1], Float32Array.of(3, -1)) as Tensor })
  const model = await loadModel(
    writeModel({
      nodes: [{ op: 'MatMul', inputs: ['x', 'w'] }],
      tensors: [floats('w', [2, 1], () => 1)],
      inputs: [valueInfo('x', ['N', 2])],
    }),
  )
  const changed = model.withParameters(await readSafetensors(path))
  const x = createTensor('f32', [1, 2], Float32Array.of(2, 5))
  t.deepEqual((await changed.run(x)).outputs.y?.data, Float32Array.of(1))
  await t.throwsAsync(readSafetensors(path, { maximumBytes: 10 }), { code: 'FILE_CORRUPT' })
  await t.throwsAsync(readSafetensors('/nowhere/at-all'), { code: 'FILE_NOT_FOUND' })
})
