import test from 'ava'
import { Attribution } from '#lib/attribution/attribution.js'
import { createTensor } from '#lib/data/tensor.js'
import { exampleMetadata, pictureAttribution, textAttribution } from '../oracles/exampleAttribution.js'

test('scores must have the shape their units say, after an axis of targets', t => {
  const inputs = (shape: number[]) => [
    {
      name: 'x',
      units: { kind: 'tensor' as const, shape: [2, 3] },
      scores: createTensor('f32', shape),
    },
  ]
  const one = { description: 'a' }
  t.notThrows(() => new Attribution({ ...exampleMetadata, target: one, inputs: inputs([2, 3]) }))
  t.notThrows(() => new Attribution({ ...exampleMetadata, target: [one], inputs: inputs([1, 2, 3]) }))
  t.throws(() => new Attribution({ ...exampleMetadata, target: [one, one], inputs: inputs([2, 3]) }), {
    code: 'INPUT_SHAPE',
    message: /shape \[2, 3\], its units say \[2, 2, 3\]/,
  })
  t.throws(() => new Attribution({ ...exampleMetadata, target: one, inputs: inputs([3, 2]) }), {
    code: 'INPUT_SHAPE',
  })
  t.throws(
    () =>
      new Attribution({ ...exampleMetadata, target: one, inputs: [...inputs([2, 3]), ...inputs([2, 3])] }),
    {
      code: 'OPTION_RANGE',
      message: /different names/,
    },
  )
})

test('metadata must be JSON and complete', t => {
  const make = (change: object): Attribution => pictureAttribution(change)
  t.throws(() => make({ method: { name: 'a', options: { f: () => 1 } } }), {
    code: 'OPTION_TYPE',
    message: /method\.options\.f is a function/,
  })
  t.throws(() => make({ method: { name: 'a', options: { x: Number.NaN } } }), { code: 'OPTION_TYPE' })
  t.throws(() => make({ cost: { forwardPasses: 1 } }), {
    code: 'OPTION_TYPE',
    message: /cost\.backwardPasses/,
  })
  t.throws(() => make({ checks: { completeness: [] } }), {
    code: 'OPTION_RANGE',
    message: /0 entries for 1 targets/,
  })
  t.throws(() => make({ target: [] }), { code: 'OPTION_RANGE' })
  t.throws(() => make({ other: 1 }), { code: 'OPTION_UNKNOWN' })
  const { options } = make({
    method: { name: 'a', options: { baseline: new Float32Array(100), few: new Float64Array([1, 2]) } },
  }).method
  t.deepEqual(options, {
    // sha256 of 400 zero bytes.
    baseline: {
      array: 'Float32Array',
      length: 100,
      sha256: '7a12e561363385e9dfeeab326368731c030ed4b374e7f5897ac819159d2884c5',
    },
    few: [1, 2],
  })
})

test('aggregation over channels: sum, mean, absmax, l2', t => {
  const attribution = pictureAttribution()
  // Cell 0 has -3.5, -2.5, -1.5 in its three channels; cell 7 has 3.5, 4.5, 5.5.
  const ends = (how: 'sum' | 'mean' | 'absmax' | 'l2'): number[] => {
    const { scores, units } = attribution.aggregate(how).inputs[0]!
    t.deepEqual(scores.shape, [2, 4])
    t.like(units, { kind: 'grid', layout: 'HW', channels: 1 })
    return [scores.data[0]!, scores.data[7]!]
  }
  t.deepEqual(ends('sum'), [-7.5, 13.5])
  t.deepEqual(ends('mean'), [-2.5, 4.5])
  t.deepEqual(ends('absmax'), [3.5, 5.5])
  t.deepEqual(ends('l2'), [Math.sqrt(20.75), Math.sqrt(62.75)].map(Math.fround))
  t.is(attribution.aggregate('none'), attribution)
  t.deepEqual(attribution.aggregate('sum').processing, [{ step: 'aggregate', how: 'sum' }])
})

test('aggregation finds the channels in every layout', t => {
  const base = pictureAttribution()
  const sums = [...base.aggregate('sum').scores().data]
  const source = base.scores().data
  const transposed = new Float32Array(24)
  for (let channel = 0; channel < 3; channel++)
    for (let cell = 0; cell < 8; cell++) transposed[cell * 3 + channel] = source[channel * 8 + cell]!
  const layouts = { NHWC: [1, 2, 4, 3], HWC: [2, 4, 3], CHW: [3, 2, 4] } as const
  for (const [layout, shape] of Object.entries(layouts)) {
    const data = layout === 'CHW' ? source : transposed
    const units = { ...base.inputs[0]!.units, layout } as never
    const other = pictureAttribution({
      inputs: [{ name: 'x', units, scores: createTensor('f32', shape, data as Float32Array) }],
    })
    t.deepEqual([...other.aggregate('sum').scores().data], sums, layout)
  }
})

test('slice takes one target out, with its checks', t => {
  const second = textAttribution().slice(1)
  t.false(second.hasTargetAxis)
  t.is(second.targets[0]!.description, 'negative')
  t.deepEqual([...second.scores('embeddings').data], [8, 7, 6, 5, 4, 3, 2, 1])
  t.deepEqual(second.scores('mask').shape, [2, 3])
  t.deepEqual(second.checks, {
    completeness: [{ delta: 0, difference: 0, relative: null }],
    standardError: [0.25],
  })
  t.throws(() => textAttribution().slice(2), { code: 'OPTION_RANGE' })
})

test('normalize scales each target over all its inputs', t => {
  const scaled = textAttribution().normalize()
  // The greatest absolute score of target 0 is 6 (mask), of target 1 it is 8 (embeddings).
  t.is(scaled.scores('mask').data[5], 1)
  t.is(scaled.scores('embeddings').data[8], 1)
  t.is(scaled.scores('embeddings').data[0], 1 / 6)
  t.is(scaled.scores('mask').data[11], Math.fround(-6 / 8))
  const shares = textAttribution().slice(0).normalize('sum')
  // 14.5 in the embeddings and 21 in the mask.
  t.is(shares.scores('embeddings').data[0], 1 / 35.5)
})

test('compare: cosine, Spearman and overlap of the strongest', t => {
  const first = pictureAttribution().aggregate('sum')
  t.like(first.compare(first), { cosine: 1, topOverlap: 1, k: 1 })
  const opposite = pictureAttribution({
    inputs: [
      {
        ...first.inputs[0]!,
        scores: createTensor(
          'f32',
          [2, 4],
          first.scores().data.map(score => -score),
        ),
      },
    ],
  })
  const comparison = first.compare(opposite, { k: 3 })
  t.true(Math.abs(comparison.cosine + 1) < 1e-12 && Math.abs(comparison.spearman + 1) < 1e-12)
  t.is(comparison.topOverlap, 1)
  const shifted = pictureAttribution({
    inputs: [{ ...first.inputs[0]!, scores: createTensor('f32', [2, 4], [0, 0, 0, 9, 0, 0, 0, 8]) }],
  })
  // The two strongest of the first are cells 7 (13.5) and 6 (10.5); of the other, 3 and 7.
  t.is(first.compare(shifted, { k: 2 }).topOverlap, 0.5)
  t.throws(() => first.compare(pictureAttribution()), { code: 'INPUT_SHAPE', message: /input \[2, 4\]/ })
  t.throws(() => textAttribution().compare(textAttribution()), { code: 'OPTION_RANGE', message: /2 targets/ })
})

test('top: the strongest units with their place, token and score', t => {
  const flat = textAttribution().slice(0)
  t.deepEqual(flat.top(3), [
    { input: 'mask', index: [1, 2], score: 6 },
    { input: 'mask', index: [1, 1], score: 5 },
    { input: 'embeddings', index: [3, 0], score: 4, token: ' all' },
  ])
  t.deepEqual(flat.top(1, { by: 'negative' }), [
    { input: 'embeddings', index: [3, 1], score: -4, token: ' all' },
  ])
  t.deepEqual(flat.top(0), [])
})

test('text for a terminal: numbers without colour, escapes only of our own', t => {
  const attribution = textAttribution(['a\u001b[31m', 'b', 'c', 'd'])
  const text = attribution.toText()
  t.false(text.includes('\u001b'))
  t.true(text.includes('a\ufffd[31m[3] b[\u22122.5] c[0] d[0]'))
  t.true(text.includes('warning TARGET_SATURATED: the gradient is zero'))
  const colored = pictureAttribution().toText({ color: true, columns: 4 })
  // Two rows of cells in one line of half blocks; the last cell of each row is pure red.
  t.is(colored.match(/\u2580/g)!.length, 4)
})
