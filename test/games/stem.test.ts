import test from 'ava'
import { coalitionOf } from '#lib/games/coalition.js'
import type { Request } from '#lib/games/coalitionGame.js'
import { type MaskedModelOptions, maskedModel, type Readout } from '#lib/games/maskedModel.js'
import { chooseStem } from '#lib/games/stem.js'
import { isPassage, localValues } from '#lib/graph/localValues.js'
import { gridRegions, type Regions, regionsFromLabels } from '#lib/index.js'
import { localNet as net, numbers, side } from '../oracles/localNet.js'

const readout: Readout = {
  key: 'logits',
  width: 5,
  outputs: (_, outputs) => [outputs.get('logits')!],
  read: ([row]) => Float64Array.from(row!),
}
/** Cells with crooked borders. */
const crooked = (): Regions =>
  regionsFromLabels(
    Array.from({ length: side * side }, (_, at) => {
      const [y, x] = [Math.floor(at / side), at % side]
      return (
        Math.min(2, Math.floor((y + 2 * Math.sin(x / 3) + 2) / 15)) * 3 +
        Math.min(2, Math.floor((x + (y % 3)) / 14))
      )
    }),
    [side, side],
  )
const items = () =>
  [gridRegions(side, side, 3), crooked()].map((regions, at) => ({
    tensors: {
      x: { dtype: 'f32' as const, shape: [1, 2, side, side], data: numbers(2 * side * side, 20 + at) },
    },
    regions,
    baseline: at === 0 ? 0 : -0.5,
  }))
/** All sets of nine regions, of both items in turn. */
const requests: Request[] = Array.from({ length: 1024 }, (_, at) => ({
  item: at % 2,
  coalition: coalitionOf(
    9,
    Array.from({ length: 9 }, (_, player) => player).filter(player => (at >> (player + 1)) & 1),
  ),
}))

test('a place reads the window that its convolutions and poolings give it', async t => {
  const { graph } = await net()
  const at = graph.inputs[0]!
  const found = new Map(localValues(graph, at, [2, side, side]).map(value => [value.name, value]))
  const axis = (name: string, axis: 0 | 1) => {
    const { step, first, last, size } = found.get(name)!.reach[axis]
    return [step, first, last, size]
  }
  t.deepEqual(axis('c1', 0), [2, -1, 1, 20])
  t.deepEqual(axis('c1', 1), [2, -2, 0, 20])
  t.deepEqual(axis('p1', 0), [2, -3, 3, 20])
  t.deepEqual(axis('left', 0), [2, -5, 5, 20])
  t.deepEqual(axis('right', 0), [2, -3, 3, 20])
  t.deepEqual(axis('end', 0), [2, -5, 5, 20])
  t.deepEqual(axis('far', 0), [2, -13, 13, 20])
  t.false(found.has('pooled'))
  const works = ['c1', 'left', 'end'].map(name => found.get(name)!.work)
  t.deepEqual(
    works,
    [576, 576 + 4608, 576 + 4608 + 512 + 1024 + 256].map(each => each * 400),
  )
  t.is(found.get('end')!.channels, 8)
  for (const [name, isOnly] of [
    ['p1', true],
    ['both', false],
    ['end', true],
    ['left', false],
  ] as const)
    t.is(isPassage(graph, at, found.get(name)!.index), isOnly, name)
})

for (const precision of ['f32', 'f64'] as const)
  test(`sets of two items have the values that they have without the stem, ${precision}`, async t => {
    const model = await net()
    const shared: MaskedModelOptions = {
      model,
      items: items(),
      input: 'x',
      axes: [2, 3],
      readout,
      precision,
      chunk: 7,
    }
    const plain = await maskedModel(shared)
    const behind = await maskedModel({ ...shared, evaluations: 512 })
    t.is(plain.shortcut, undefined)
    t.is(behind.shortcut?.value, 'end')
    // The reference kernels of double precision are slow.
    const asked = precision === 'f32' ? requests : requests.filter((_, at) => at % 32 < 2)
    const [wanted, found] = [await plain.evaluate(asked), await behind.evaluate(asked)]
    const scale = Math.max(...wanted.flatMap(value => [...value].map(Math.abs)))
    let worst = 0
    for (const [at, value] of wanted.entries())
      for (const [k, each] of value.entries())
        worst = Math.max(worst, Math.abs(found[at]![k]! - each) / scale)
    t.true(worst <= (precision === 'f32' ? 1e-6 : 1e-14), `${worst}`)
    plain.dispose()
    behind.dispose()
  })

test('a readout of a value inside the stem is left the whole net', async t => {
  const model = await net()
  const inside: Readout = {
    ...readout,
    key: 'inside',
    width: 6,
    outputs: (builder, outputs, values) => [
      outputs.get('logits')!,
      builder.apply('flatten', [builder.apply('globalAveragePool', [values.get('c1')!])], { axis: 1 }),
    ],
    read: ([row, other]) => Float64Array.of(...Array.from(row!), other![3]!),
  }
  const shared = { model, items: items(), input: 'x', axes: [2, 3], readout: inside, chunk: 16 }
  const evaluator = await maskedModel({ ...shared, evaluations: 512 })
  t.is(evaluator.shortcut, undefined)
  const plain = await maskedModel(shared)
  t.deepEqual(await evaluator.evaluate(requests.slice(0, 16)), await plain.evaluate(requests.slice(0, 16)))
})

test('no stem where it would not pay, or would not fit', async t => {
  const { graph } = await net()
  const asked = {
    graph,
    input: 'x',
    shape: [2, side, side] as const,
    regions: [gridRegions(side, side, 3)],
    evaluations: 512,
    memoryLimitBytes: undefined,
  }
  const chosen = chooseStem(asked)!
  t.is(chosen.value.name, 'end')
  t.is(chosen.colors, 4)
  t.is(chooseStem({ ...asked, evaluations: 63 })?.value.name, undefined)
  t.is(chooseStem({ ...asked, evaluations: 64 })?.value.name, 'end')
  // 16 forms of 8 x 20 x 20 numbers may take a quarter of the bound.
  const bytes = 4 * 16 * 8 * 400
  t.is(chooseStem({ ...asked, memoryLimitBytes: 4 * bytes })?.value.name, 'end')
  t.is(chooseStem({ ...asked, memoryLimitBytes: 4 * bytes - 1 }), undefined)
  // Single pixels: a window sees too many.
  t.is(chooseStem({ ...asked, regions: [gridRegions(side, side, 20)] }), undefined)
})
