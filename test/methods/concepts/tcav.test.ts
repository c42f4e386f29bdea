import test from 'ava'
import { createTensor, loadModel, Target, Tcav, type Tensor } from '#lib/index.js'
import { conceptVector } from '#lib/methods/concepts/conceptVector.js'
import { welchTest } from '#lib/methods/concepts/welchTest.js'
import { floats, valueInfo, writeModel } from '../../oracles/onnxWriter.js'

/** Numbers from -1 to 1 that look like chance. */
const noise = (seed: number) => {
  let state = seed * 2654435761 + 1
  return () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32
    return state / 2 ** 31 - 1
  }
}
const rows = (count: number, width: number, seed: number, shift: readonly number[] = []) => {
  const next = noise(seed)
  return Array.from({ length: count }, () =>
    Float64Array.from({ length: width }, (_, at) => next() + (shift[at] ?? 0)),
  )
}

test('the t-test: values of tables', t => {
  // Computed with scipy.stats.ttest_ind(..., equal_var=False), scipy 1.17.1.
  t.true(
    Math.abs(welchTest([1, 2, 3, 4], [2, 4, 6, 9]) - 0.16470207962805658) < 1e-12,
    `${welchTest([1, 2, 3, 4], [2, 4, 6, 9])}`,
  )
  t.is(welchTest([1, 1], [1, 1]), 1)
  t.is(welchTest([1, 1], [2, 2]), 0)
})

test('a concept vector is where the loss and the ridge are at their least, whatever is separable', t => {
  for (const shift of [0.2, 5]) {
    const concept = rows(9, 30, 1, [shift, -shift])
    const others = rows(11, 30, 2)
    const ridge = 0.01
    const { vector, accuracy } = conceptVector(concept, others, { testShare: 0, ridge, seed: 3 })
    t.true(accuracy === 1)
    // The gradient of the loss: mean of (chance - label) x, plus the ridge, in the centred examples.
    const all = [...concept, ...others]
    const centre = all[0]!.map((_, i) => all.reduce((sum, row) => sum + row[i]! / all.length, 0))
    const centred = all.map(row => row.map((value, i) => value - centre[i]!))
    // The intercept is what its own equation says: found by bisection.
    const score = (row: Float64Array) => row.reduce((sum, value, i) => sum + value * vector[i]!, 0)
    const slope = (b: number) =>
      centred.reduce(
        (sum, row, at) => sum + (1 / (1 + Math.exp(-score(row) - b)) - (at < 9 ? 1 : 0)) / all.length,
        ridge * b,
      )
    let [low, high] = [-50, 50]
    for (let step = 0; step < 100; step++) {
      const middle = (low + high) / 2
      if (slope(middle) > 0) high = middle
      else low = middle
    }
    for (let i = 0; i < 30; i++) {
      const gradient = centred.reduce(
        (sum, row, at) =>
          sum + ((1 / (1 + Math.exp(-score(row) - low)) - (at < 9 ? 1 : 0)) * row[i]!) / all.length,
        ridge * vector[i]!,
      )
      t.true(Math.abs(gradient) < 1e-9, `${shift} ${i} ${gradient}`)
    }
  }
})

/** y = 3 h0 - h1 + 0.2 h2² with h = x: rises towards the first axis, falls towards the second. */
const model = () =>
  loadModel(
    writeModel({
      opset: 17,
      nodes: [
        { op: 'Identity', inputs: ['x'], outputs: ['h0'] },
        { op: 'MatMul', inputs: ['h0', 'eye'], outputs: ['h'] },
        { op: 'MatMul', inputs: ['h', 'v'], outputs: ['linear'] },
        { op: 'Mul', inputs: ['h', 'h'], outputs: ['square'] },
        { op: 'MatMul', inputs: ['square', 'u'], outputs: ['bent'] },
        { op: 'Add', inputs: ['linear', 'bent'], outputs: ['y'] },
      ],
      tensors: [
        floats('eye', [6, 6], at => (at % 7 === 0 ? 1 : 0)),
        floats('v', [6, 1], at => [3, -1, 0, 0, 0, 0][at]!),
        floats('u', [6, 1], at => [0, 0, 0.2, 0, 0, 0][at]!),
      ],
      inputs: [valueInfo('x', ['N', 6])],
      outputs: [valueInfo('y', ['N', 1])],
    }),
  )
const examples = (count: number, seed: number, shift?: readonly number[]): Tensor[] =>
  rows(count, 6, seed, shift).map(row => createTensor('f32', [1, 6], Float32Array.from(row)))

test('concepts along which the target rises, falls, or does neither', async t => {
  const tcav = new Tcav(await model(), { layer: 'h' })
  const random = Array.from({ length: 30 }, (_, at) => examples(12, 100 + at))
  const concepts = {
    rises: examples(12, 1, [4]),
    falls: examples(12, 2, [0, 4]),
    chance: examples(12, 3),
  }
  const found = await tcav.test(examples(15, 4), Target.regression(), { concepts, random })
  const [rises, falls, chance] = found.concepts
  t.is(rises!.signCount, 1)
  t.true(rises!.magnitude > 1)
  t.true(rises!.isReliable && rises!.accuracy > 0.9)
  t.true(falls!.signCount < 0.2 && falls!.isReliable)
  t.false(chance!.isReliable)
  t.true(rises!.pValue < 0.05 && falls!.pValue < 0.05, `${rises!.pValue} ${falls!.pValue}`)
  t.true(chance!.pValue > 0.05, `${chance!.pValue}`)
  t.is(found.randomSignCounts.length, 30)
  t.deepEqual(found, await tcav.test(examples(15, 4), Target.regression(), { concepts, random }))
})

test('too few examples or sets, and unknown layers, are refused', async t => {
  const loaded = await model()
  t.throws(() => new Tcav(loaded, { layer: 'none' }), { code: 'LAYER_NOT_FOUND' })
  const tcav = new Tcav(loaded, { layer: 'h' })
  const random = Array.from({ length: 10 }, (_, at) => examples(3, at))
  const ask = (inputs: Tensor[], concepts: Record<string, Tensor[]>, sets = random) =>
    tcav.test(inputs, Target.regression(), { concepts, random: sets })
  await t.throwsAsync(ask([], { a: examples(2, 1) }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(ask(examples(2, 1), {}), { code: 'OPTION_RANGE' })
  await t.throwsAsync(ask(examples(2, 1), { a: examples(1, 1) }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(ask(examples(2, 1), { a: examples(2, 1) }, random.slice(1)), { code: 'OPTION_RANGE' })
})
