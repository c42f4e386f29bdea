import test from 'ava'
import fc from 'fast-check'
import { encodeNpy, parseNpy, readNpy, writeNpy } from '#lib/data/npy.js'
import { createTensor, type DType, type Tensor } from '#lib/data/tensor.js'
import { AscribeError } from '#lib/errors.js'
import { temporaryFolder } from '../oracles/temporaryFolder.js'

/** The bytes of an npy file put together by hand, apart from the code under test. */
function npyFile(header: string, payload: Uint8Array, version = 1): Uint8Array {
  const length = Buffer.alloc(version === 1 ? 2 : 4)
  if (version === 1) length.writeUInt16LE(header.length)
  else length.writeUInt32LE(header.length)
  return Buffer.concat([
    Buffer.from('\x93NUMPY', 'latin1'),
    Buffer.from([version, 0]),
    length,
    Buffer.from(header),
    payload,
  ])
}

const elementArbitraries: Record<DType, fc.Arbitrary<number | bigint>> = {
  f64: fc.double(),
  f32: fc.float(),
  i64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  i32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  i8: fc.integer({ min: -128, max: 127 }),
  u8: fc.nat(255),
  bool: fc.nat(1),
}

const tensorArbitrary: fc.Arbitrary<Tensor> = fc
  .tuple(
    fc.constantFrom(...(Object.keys(elementArbitraries) as DType[])),
    fc.array(fc.nat(4), { maxLength: 4 }),
  )
  .chain(([dtype, shape]) => {
    const length = shape.reduce((product, size) => product * size, 1)
    return fc
      .array(elementArbitraries[dtype], { minLength: length, maxLength: length })
      .map(elements => createTensor(dtype, shape, elements))
  })

function errorOf(run: () => unknown): AscribeError {
  try {
    run()
  } catch (error) {
    if (error instanceof AscribeError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

test('what is written is read back: type, shape and every bit', t => {
  fc.assert(
    fc.property(tensorArbitrary, tensor => {
      const bytes = encodeNpy(tensor)
      const back = parseNpy(bytes)
      t.deepEqual(back, tensor)
      t.is((bytes.length - tensor.data.byteLength) % 64, 0)
    }),
    { numRuns: 300 },
  )
})

test('the file is the one NumPy writes for the same array', t => {
  // numpy.save of numpy.array([[1, 2], [3, 4.5]], dtype='<f4'), NumPy 2.4, but for the spaces that pad the header.
  const file = Buffer.from(encodeNpy(createTensor('f32', [2, 2], [1, 2, 3, 4.5])))
  t.is(file.length, 144)
  t.is(file.toString('latin1', 0, 10), '\x93NUMPY\x01\x00\x76\x00')
  t.is(
    file.toString('latin1', 10, 128).trimEnd(),
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }",
  )
  t.is(file[127], 10)
  t.is(file.toString('hex', 128), '0000803f000000400000404000009040')
})

test('big endian, half precision and 16-bit integers are read exactly', t => {
  const read = (descr: string, hex: string): Tensor =>
    parseNpy(
      npyFile(`{'descr': '${descr}', 'fortran_order': False, 'shape': (2,), }`, Buffer.from(hex, 'hex')),
    )
  t.deepEqual(read('>f4', '3f800000c0200000'), createTensor('f32', [2], [1, -2.5]))
  t.deepEqual(read('>f8', '3ff00000000000004000000000000000'), createTensor('f64', [2], [1, 2]))
  t.deepEqual(read('>i8', '00000000000000ffffffffffffffffff'), createTensor('i64', [2], [255n, -1n]))
  t.deepEqual(read('>i4', '000000fffffffffe'), createTensor('i32', [2], [255, -2]))
  t.deepEqual(read('<i2', 'ff7fffff'), createTensor('i32', [2], [32767, -1]))
  t.deepEqual(read('<u2', 'ff7fffff'), createTensor('i32', [2], [32767, 65535]))
  // 1/3 in half precision is 0x3555 = 0.333251953125; 0x0001 is the smallest subnormal.
  t.deepEqual(read('<f2', '55350100'), createTensor('f32', [2], [0.333251953125, 2 ** -24]))
  t.deepEqual(read('>f2', 'fc007bff'), createTensor('f32', [2], [-Infinity, 65504]))
  t.deepEqual(read('|b1', '0107'), createTensor('bool', [2], [1, 1]))
})

test('Fortran order is transposed', t => {
  // The 2 x 3 array [[1, 2, 3], [4, 5, 6]] column by column.
  const file = npyFile(
    "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }",
    Buffer.from([1, 4, 2, 5, 3, 6]),
  )
  t.deepEqual(parseNpy(file), createTensor('u8', [2, 3], [1, 2, 3, 4, 5, 6]))
  const cube = npyFile(
    "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2, 2), }",
    Buffer.from([0, 4, 2, 6, 1, 5, 3, 7]),
  )
  t.deepEqual(parseNpy(cube), createTensor('u8', [2, 2, 2], [0, 1, 2, 3, 4, 5, 6, 7]))
})

test('format versions 2 and 3 and scalars are read', t => {
  for (const version of [2, 3]) {
    const file = npyFile(
      "{'descr': '|i1', 'fortran_order': False, 'shape': (), }\n",
      Buffer.from([250]),
      version,
    )
    t.deepEqual(parseNpy(file), createTensor('i8', [], [-6]))
  }
})

const damaged: [string, Uint8Array, RegExp][] = [
  ['empty', Buffer.alloc(0), /not an npy file/],
  [
    'another magic',
    npyFile('{}', Buffer.alloc(0)).map((byte, index) => (index === 0 ? 1 : byte)),
    /not an npy file/,
  ],
  ['an unknown version', npyFile('{}', Buffer.alloc(8), 9), /version 9/],
  ['a header longer than the file', npyFile(' '.repeat(40), Buffer.alloc(0)).subarray(0, 30), /ends inside/],
  ['a header of 4 GB', Buffer.from('934e554d50590200ffffffff', 'hex'), /too long/],
  ['no dictionary', npyFile('hello', Buffer.alloc(0)), /expected "\{" at character 0/],
  [
    'code',
    npyFile("{'descr': __import__('os'), }", Buffer.alloc(0)),
    /expected a quoted element type at character 10/,
  ],
  ['a missing key', npyFile("{'descr': '<f4', 'shape': (1,), }", Buffer.alloc(4)), /lacks/],
  ['a key twice', npyFile("{'descr': '<f4', 'descr': '<f8', }", Buffer.alloc(4)), /twice/],
  ['an unknown key', npyFile("{'descr': '<f4', 'other': 3, }", Buffer.alloc(4)), /unknown key 'other'/],
  [
    'a negative dimension',
    npyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", Buffer.alloc(4)),
    /dimension/,
  ],
  [
    'a product past 2^53',
    npyFile(
      "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 0), }",
      Buffer.alloc(0),
    ),
    /too many elements/,
  ],
  [
    'too little data',
    npyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000), }", Buffer.alloc(4)),
    /needs 4000000000 bytes, 4 are there/,
  ],
  [
    'too much data',
    npyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", Buffer.alloc(5)),
    /needs 4 bytes, 5 are there/,
  ],
  [
    'rank 33',
    npyFile(`{'descr': '<f4', 'fortran_order': False, 'shape': (${'1, '.repeat(33)}), }`, Buffer.alloc(4)),
    /rank 33/,
  ],
  [
    'a trailing word',
    npyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x", Buffer.alloc(4)),
    /expected the end/,
  ],
]
for (const [what, bytes, message] of damaged) {
  test(`${what} is refused as corrupt`, t => {
    const error = errorOf(() => parseNpy(bytes, 'a.npy'))
    t.is(error.code, 'FILE_CORRUPT')
    t.regex(error.message, message)
    t.true(error.message.startsWith('a.npy'))
  })
}

test('element types without an exact place are refused by name', t => {
  for (const descr of ['<c8', '<u8', '|O', '<U3', '|V4', '<M8', 'f4']) {
    const error = errorOf(() =>
      parseNpy(npyFile(`{'descr': '${descr}', 'fortran_order': False, 'shape': (0,), }`, Buffer.alloc(0))),
    )
    t.is(error.code, 'INPUT_DTYPE', descr)
    t.true(error.message.includes(descr))
  }
  t.is(errorOf(() => parseNpy(npyFile("{'descr': [('a', '<f4')], }", Buffer.alloc(0)))).code, 'INPUT_DTYPE')
})

test('no bytes whatever do anything but parse or throw a corrupt-file error', t => {
  const valid = encodeNpy(createTensor('f32', [2, 3]))
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 6 }),
      fc.nat(valid.length),
      (edits, cut) => {
        const bytes = valid.slice(0, cut === 0 ? undefined : cut)
        for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value
        try {
          parseNpy(bytes)
        } catch (error) {
          t.true(error instanceof AscribeError && ['FILE_CORRUPT', 'INPUT_DTYPE'].includes(error.code))
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test('files: written and read; missing, oversized and irregular ones are named', async t => {
  const folder = await temporaryFolder(t)
  const tensor = createTensor('i64', [3], [1, 2, 3])
  await writeNpy(`${folder}/a.npy`, tensor)
  t.deepEqual(await readNpy(`${folder}/a.npy`), tensor)
  await t.throwsAsync(readNpy(`${folder}/b.npy`), { code: 'FILE_NOT_FOUND' })
  await t.throwsAsync(readNpy(folder), { code: 'FILE_CORRUPT', message: /not a regular file/ })
  await t.throwsAsync(readNpy(`${folder}/a.npy`, { maximumBytes: 10 }), {
    code: 'FILE_CORRUPT',
    message: /152 bytes/,
  })
  await t.throwsAsync(writeNpy(`${folder}/missing/a.npy`, tensor), { code: 'FILE_WRITE' })
})
