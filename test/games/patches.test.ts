import test from 'ava'
import { type Coalition, coalitionOf, membersOf } from '#lib/games/coalition.js'
import type { Request } from '#lib/games/coalitionGame.js'
import { type MaskedModelOptions, maskedModel, type Readout } from '#lib/games/maskedModel.js'
import { neighboursOf } from '#lib/games/neighbours.js'
import { choosePatches } from '#lib/games/patches.js'
import { gridRegions, loadModel, type Regions, regionsFromLabels, type Tensor } from '#lib/index.js'
import { localNet, numbers, side } from '../oracles/localNet.js'
import { tensor, valueInfo, writeModel } from '../oracles/onnxWriter.js'

const readout: Readout = {
  key: 'logits',
  width: 5,
  outputs: (_, outputs) => [outputs.get('logits')!],
  read: ([row]) => Float64Array.from(row!),
}
const players = 100
/** Cells with crooked borders; the first one lies in two pieces, apart from each other. */
const crooked = (): Regions => {
  const labels = Array.from({ length: side * side }, (_, at) => {
    const [y, x] = [Math.floor(at / side), at % side]
    return (
      Math.min(9, Math.floor((y + 1.4 * Math.sin(x / 3) + 1.4) / 4.2)) * 10 +
      Math.min(9, Math.floor((x + (y % 2)) / 4.1))
    )
  })
  labels[7 * side + 6] = 0
  return regionsFromLabels(labels, [side, side])
}
const item = (at: number, regions: Regions, baseline: number | Tensor) => ({
  tensors: {
    x: { dtype: 'f32' as const, shape: [1, 2, side, side], data: numbers(2 * side * side, 20 + at) },
  },
  regions,
  baseline,
})
const items = () => [item(0, gridRegions(side, side, 10), 0), item(1, crooked(), -0.5)]
const all = Array.from({ length: players }, (_, region) => region)

/** What a search asks: a set with each of some candidates, and all but it without each; and sets that stand alone. */
function asked(of: number, chosen: readonly number[]): Request[] {
  const candidates = all.filter(region => !chosen.includes(region) && region % 3 === of)
  const sets = candidates.map(region => [...chosen, region])
  const rest = candidates.map(region => all.filter(each => each !== region && !chosen.includes(each)))
  return [all, [], ...sets, ...rest, [1, 50, 99]].map(members => ({
    item: of,
    coalition: coalitionOf(players, members),
  }))
}
const requests = [...asked(0, []), ...asked(1, [0, 45]), ...asked(0, [2, 33, 34]), ...asked(1, [])]

async function compare(options: Partial<MaskedModelOptions>, wanted: readonly Request[]) {
  const model = options.model ?? (await localNet())
  const shared = { model, items: items(), input: 'x', axes: [2, 3], readout, chunk: 7, ...options }
  const [whole, patched] = [await maskedModel(shared), await maskedModel({ ...shared, evaluations: 512 })]
  const [expected, found] = [await whole.evaluate(wanted), await patched.evaluate(wanted)]
  const scale = Math.max(...expected.flatMap(value => [...value].map(Math.abs)))
  const differences = expected.flatMap((value, at) =>
    [...value].map((each, k) => Math.abs(found[at]![k]! - each) / scale),
  )
  const { shortcut } = patched
  whole.dispose()
  patched.dispose()
  return { shortcut, worst: Math.max(...differences) }
}

for (const precision of ['f32', 'f64'] as const)
  test(`rows that compute only what changed have the values of whole rows, ${precision}`, async t => {
    // The reference kernels of double precision are slow.
    const wanted =
      precision === 'f32' ? requests : [...asked(1, [0, 45]), ...asked(0, [])].filter((_, at) => at % 4 < 2)
    const { shortcut, worst } = await compare({ precision }, wanted)
    t.deepEqual(shortcut, { kind: 'patches', value: 'few' })
    t.true(worst <= (precision === 'f32' ? 1e-6 : 1e-14), `${worst}`)
  })

test('a baseline that differs from place to place, and one that differs by channel', async t => {
  for (const shape of [
    [1, 2, side, side],
    [1, 1, side, 1],
    [1, 2, 1, 1],
  ]) {
    const data = numbers(
      shape.reduce((a, b) => a * b, 1),
      77,
    )
    const baseline: Tensor = { dtype: 'f32', shape, data }
    const { shortcut, worst } = await compare(
      { items: [item(0, gridRegions(side, side, 10), baseline)] },
      asked(0, [2, 33, 34]),
    )
    t.is(shortcut?.kind, 'patches')
    t.true(worst <= 1e-6, `${shape}: ${worst}`)
  }
})

test('with room for one kept set', async t => {
  const tight = async (memoryLimitBytes: number) => {
    const model = await localNet({ memoryLimitBytes })
    return compare({ model, chunk: 2 }, requests.slice(0, 60))
  }
  const one = await tight(3 << 20)
  t.is(one.shortcut?.kind, 'patches')
  t.true(one.worst <= 1e-6, `${one.worst}`)
})

test('a convolution with holes, poolings that end beyond the picture, and values below 0 at its edges', async t => {
  const model = await loadModel(
    writeModel({
      nodes: [
        {
          op: 'Conv',
          inputs: ['x', 'w'],
          outputs: ['c'],
          attributes: { pads: [4, 4, 4, 4], dilations: [2, 2] },
        },
        { op: 'Sub', inputs: ['c', 'five'], outputs: ['low'] },
        {
          op: 'MaxPool',
          inputs: ['low'],
          outputs: ['p'],
          attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 0, 0], ceil_mode: 1 },
        },
        {
          op: 'AveragePool',
          inputs: ['p'],
          outputs: ['a'],
          attributes: { kernel_shape: [2, 2], strides: [2, 2] },
        },
        { op: 'Flatten', inputs: ['a'], outputs: ['flat'], attributes: { axis: 1 } },
        { op: 'MatMul', inputs: ['flat', 'head'], outputs: ['logits'] },
      ],
      tensors: [
        tensor('w', [16, 2, 5, 5], numbers(800, 1)),
        tensor('five', [], Float32Array.of(5)),
        tensor('head', [1600, 5], numbers(8000, 2)),
      ],
      inputs: [valueInfo('x', ['N', 2, side, side])],
      outputs: [valueInfo('logits', ['N', 5])],
    }),
  )
  const { shortcut, worst } = await compare({ model }, requests)
  t.deepEqual(shortcut, { kind: 'patches', value: 'a' })
  t.true(worst <= 1e-6, `${worst}`)
})

test('not where a readout looks inside, nor where windows are as large as the picture', async t => {
  const model = await localNet()
  const inside: Readout = {
    ...readout,
    key: 'inside',
    outputs: (builder, outputs, values) => [
      outputs.get('logits')!,
      builder.apply('flatten', [builder.apply('globalAveragePool', [values.get('c1')!])], { axis: 1 }),
    ],
  }
  const shared = { model, items: items(), input: 'x', axes: [2, 3], evaluations: 512 }
  t.is((await maskedModel({ ...shared, readout: inside })).shortcut, undefined)
  const question = { graph: model.graph, input: 'x', shape: [2, side, side] as const }
  t.is(choosePatches({ ...question, regions: [gridRegions(side, side, 1)] }), undefined)
  t.is(choosePatches({ ...question, regions: [gridRegions(side, side, 10)] })?.end.name, 'few')
})

test('sets are seen from the one that they share', t => {
  const of = (item: number, ...members: number[]): Request => ({ item, coalition: coalitionOf(40, members) })
  const found = (wanted: Request[], kept: { item: number; base: Coalition }[] = []) =>
    neighboursOf(wanted, kept).map(({ base, region }) => [membersOf(base), region])
  t.deepEqual(found([of(0, 1, 35), of(0, 1, 36), of(0, 1, 2)]), [
    [[1], 35],
    [[1], 36],
    [[1], 2],
  ])
  // All but one each.
  t.deepEqual(found([of(0, 1, 2), of(0, 2, 3), of(0, 1, 3)]), [
    [[1, 2, 3], 3],
    [[1, 2, 3], 1],
    [[1, 2, 3], 2],
  ])
  // Another item is another game, and one set alone is its own.
  t.deepEqual(found([of(0, 1, 2), of(1, 1, 3), of(1, 1, 4), of(1, 7, 8, 9)]), [
    [[1, 2], 0],
    [[1], 3],
    [[1], 4],
    [[7, 8, 9], 0],
  ])
  // Unless the set that it differs from is at hand.
  t.deepEqual(found([of(0, 1, 2)], [{ item: 0, base: coalitionOf(40, [2]) }]), [[[2], 1]])
  t.deepEqual(found([of(0, 1, 2)], [{ item: 1, base: coalitionOf(40, [2]) }]), [[[1, 2], 0]])
  t.deepEqual(found([]), [])
})
