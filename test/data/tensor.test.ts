import test from 'ava'
import { createTensor, elementCount, type Tensor, tensorFrom, validateTensor } from '#lib/data/tensor.js'

test('a tensor holds a typed array as it is and converts other lists', t => {
  const data = new Float32Array([1, 2, 3, 4, 5, 6])
  const tensor = createTensor('f32', [2, 3], data)
  t.is(tensor.data, data)
  t.deepEqual(createTensor('i64', [2], [7, -1]).data, new BigInt64Array([7n, -1n]))
  t.deepEqual(createTensor('bool', [3], [true, false, 1]).data, new Uint8Array([1, 0, 1]))
  t.deepEqual(createTensor('f64', [2]).data, new Float64Array(2))
  t.is(createTensor('f32', [], [3]).data.length, 1)
})

test('shape and length must agree', t => {
  t.throws(() => createTensor('f32', [2, 3], [1, 2]), {
    code: 'INPUT_SHAPE',
    message: /\[2, 3\] needs 6 elements, received 2/,
  })
  t.throws(() => createTensor('f32', [-1], []), { code: 'INPUT_SHAPE' })
  t.throws(() => createTensor('f32', [1.5], []), { code: 'INPUT_SHAPE' })
  t.throws(() => elementCount([2 ** 30, 2 ** 30, 0]), { code: 'INPUT_SHAPE', message: /too many/ })
  t.throws(() => elementCount(new Array(33).fill(1)), { code: 'INPUT_SHAPE', message: /rank 33/ })
})

test('elements that do not fit the element type are refused by place', t => {
  t.throws(() => createTensor('u8', [2], [0, 256]), {
    code: 'INPUT_VALUE',
    message: /element 1 \(256\) does not fit u8/,
  })
  t.throws(() => createTensor('i64', [1], [0.5]), { code: 'INPUT_VALUE' })
  t.throws(() => createTensor('i64', [1], [2n ** 63n]), { code: 'INPUT_VALUE' })
  t.throws(() => createTensor('i32', [1], [2 ** 31]), { code: 'INPUT_VALUE' })
  t.throws(() => createTensor('f32', [1], ['1'] as never), { code: 'INPUT_VALUE' })
})

test('tensors from outside are checked', t => {
  t.throws(() => validateTensor({ dtype: 'f16', shape: [1], data: new Uint16Array(1) } as never, 'x'), {
    code: 'INPUT_DTYPE',
    message: /x: element type "f16"/,
  })
  t.throws(() => validateTensor({ dtype: 'f32', shape: [1], data: new Float64Array(1) } as never), {
    code: 'INPUT_DTYPE',
  })
  t.throws(() => validateTensor(null as unknown as Tensor, 'x'), { code: 'INPUT_DTYPE' })
  t.throws(() => createTensor('__proto__' as never, [1]), { code: 'INPUT_DTYPE' })
})

test('nested arrays give the shape', t => {
  t.deepEqual(
    tensorFrom('f32', [
      [1, 2, 3],
      [4, 5, 6],
    ]),
    createTensor('f32', [2, 3], [1, 2, 3, 4, 5, 6]),
  )
  t.deepEqual(tensorFrom('i32', 5), createTensor('i32', [], [5]))
  t.deepEqual(tensorFrom('f64', []).shape, [0])
  t.throws(() => tensorFrom('f32', [[1, 2], [3]]), { code: 'INPUT_SHAPE' })
  t.throws(() => tensorFrom('f32', [1, [2]]), { code: 'INPUT_SHAPE' })
})
