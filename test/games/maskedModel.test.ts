import test from 'ava'
import { coalitionOf, fullCoalition, membersOf } from '#lib/games/coalition.js'
import { CoalitionGame, valuesTogether } from '#lib/games/coalitionGame.js'
import { maskedModel, type Readout } from '#lib/games/maskedModel.js'
import { targetReadout } from '#lib/games/targetReadout.js'
import { loadModel, Target } from '#lib/index.js'
import { gridRegions, regionsFromLabels } from '#lib/regions/regions.js'
import { tensor, valueInfo, writeModel } from '../oracles/onnxWriter.js'
import {
  evaluateRegionModel,
  loadRegionModel,
  regionInput,
  regionModel,
  softmax,
} from '../oracles/regionModel.js'

const logits: Readout = {
  key: 'logits',
  width: 3,
  outputs: (_, outputs) => [outputs.get('logits')!],
  read: ([row]) => Float64Array.from(row!),
}
const everySet = Array.from({ length: 64 }, (_, bits) =>
  coalitionOf(
    6,
    [0, 1, 2, 3, 4, 5].filter(player => (bits >> player) & 1),
  ),
)
const expected = (x: readonly number[], members: readonly number[], absent: number) =>
  evaluateRegionModel(x.map((value, at) => (members.includes(at) ? value : absent))).logits

for (const precision of ['f32', 'f64'] as const)
  test(`all 64 coalitions of two items are what the model says of masked inputs, ${precision}`, async t => {
    const model = await loadRegionModel()
    const regions = regionsFromLabels([0, 1, 2, 3, 4, 5], [6])
    const other = [0.5, -1, 2, 0.25, -3, 1]
    const evaluator = await maskedModel({
      model,
      items: [
        { tensors: { x: regionInput() }, regions, baseline: 0 },
        { tensors: { x: regionInput(other) }, regions, baseline: -0.5 },
      ],
      input: 'x',
      axes: [1],
      readout: logits,
      precision,
    })
    const games = [0, 1].map(item => new CoalitionGame({ players: 6, evaluator, item }))
    const values = await valuesTogether(games.map(game => ({ game, coalitions: everySet })))
    // The weights are stored in single precision: 0.9 is not 0.9.
    const tolerance = precision === 'f32' ? 2e-6 : 5e-7
    for (const [item, x] of [regionModel.x, other].entries())
      for (const [at, coalition] of everySet.entries()) {
        const want = expected(x, membersOf(coalition), item === 0 ? 0 : -0.5)
        for (const [k, value] of want.entries())
          t.true(Math.abs(values[item]![at]![k]! - value) <= tolerance, `item ${item}, set ${at}, logit ${k}`)
      }
    t.is(games[0]!.cost.evaluations, 64)
    t.true(evaluator.peakBytes > 0)
    evaluator.dispose()
  })

test('chunks of any size give the same values, in double exactly', async t => {
  const model = await loadRegionModel()
  const regions = regionsFromLabels([0, 1, 2, 3, 4, 5], [6])
  const results: number[][] = []
  for (const chunk of [1, 3, 7, 32]) {
    const evaluator = await maskedModel({
      model,
      items: [{ tensors: { x: regionInput() }, regions, baseline: 0 }],
      input: 'x',
      axes: [1],
      readout: logits,
      precision: 'f64',
      chunk,
    })
    t.is(evaluator.batch, chunk)
    const values = await new CoalitionGame({ players: 6, evaluator }).valueBatch(everySet)
    results.push(values.flatMap(value => [...value]))
    evaluator.dispose()
  }
  for (const other of results.slice(1)) t.deepEqual(other, results[0])
})

test('regions of pictures span the channels, and a baseline may have a value for each', async t => {
  // The output is the picture itself, so that the mask can be read off.
  const model = await loadModel(
    writeModel({
      nodes: [{ op: 'Identity', inputs: ['picture'], outputs: ['same'] }],
      tensors: [tensor('unused', [1], Float32Array.of(0))],
      inputs: [valueInfo('picture', ['N', 2, 4, 6])],
      outputs: [valueInfo('same', ['N', 2, 4, 6])],
    }),
  )
  const data = Float32Array.from({ length: 48 }, (_, at) => at + 1)
  const regions = gridRegions(4, 6, 2, 3)
  const evaluator = await maskedModel({
    model,
    items: [
      {
        tensors: { picture: { dtype: 'f32', shape: [1, 2, 4, 6], data } },
        regions,
        baseline: { dtype: 'f32', shape: [1, 2, 1, 1], data: Float32Array.of(-1, -2) },
      },
    ],
    input: 'picture',
    axes: [2, 3],
    readout: {
      key: 'same',
      width: 48,
      outputs: (_, outputs) => [outputs.get('same')!],
      read: ([row]) => Float64Array.from(row!),
    },
  })
  const kept = [1, 5]
  const [value] = await new CoalitionGame({ players: 6, evaluator }).valueBatch([coalitionOf(6, kept)])
  t.deepEqual(
    [...value!],
    Array.from(data, (own, at) => {
      const channel = Math.floor(at / 24)
      const [y, x] = [Math.floor((at % 24) / 6), at % 6]
      return kept.includes(Math.floor(y / 2) * 3 + Math.floor(x / 2)) ? own : -1 - channel
    }),
  )
})

test('what does not fit is refused by name', async t => {
  const model = await loadRegionModel()
  const item = {
    tensors: { x: regionInput() },
    regions: regionsFromLabels([0, 1, 2, 3, 4, 5], [6]),
    baseline: 0,
  }
  const make = (change: object) =>
    maskedModel({ model, items: [{ ...item, ...change }], input: 'x', axes: [1], readout: logits })
  await t.throwsAsync(make({ regions: regionsFromLabels([0, 1], [2]) }), { code: 'INPUT_SHAPE' })
  await t.throwsAsync(make({ baseline: Number.NaN }), { code: 'INPUT_VALUE' })
  await t.throwsAsync(make({ baseline: regionInput([1, 2]) }), { code: 'INPUT_SHAPE' })
  await t.throwsAsync(make({ tensors: {} }), { code: 'INPUT_MISSING' })
  await t.throwsAsync(maskedModel({ model, items: [], input: 'x', axes: [1], readout: logits }), {
    code: 'INPUT_MISSING',
  })
})

test('a target is the one number of a value, whichever class each item has', async t => {
  const model = await loadRegionModel()
  const item = {
    tensors: { x: regionInput() },
    regions: regionsFromLabels([0, 1, 2, 3, 4, 5], [6]),
    baseline: 0,
  }
  const { logits: whole } = evaluateRegionModel(regionModel.x)
  const explained = async (target: Target, classes: number[]) => {
    const readout = targetReadout(model, target, classes)
    const evaluator = await maskedModel({ model, items: [item, item], input: 'x', axes: [1], readout })
    const games = [0, 1].map(each => new CoalitionGame({ players: 6, evaluator, item: each }))
    const values = await valuesTogether(games.map(game => ({ game, coalitions: [fullCoalition(6)] })))
    return values.map(([value]) => value![0]!)
  }
  const close = (actual: number[], wanted: number[]) =>
    t.true(
      actual.every((value, at) => Math.abs(value - wanted[at]!) < 1e-6),
      `${actual} for ${wanted}`,
    )
  close(await explained(Target.top(), [2, 0]), [whole[2]!, whole[0]!])
  close(await explained(Target.difference(0, 1), []), [whole[0]! - whole[1]!, whole[0]! - whole[1]!])
  const probabilities = softmax(whole)
  close(await explained(Target.class(1, { score: 'probability' }), [1, 1]), [
    probabilities[1]!,
    probabilities[1]!,
  ])
  await t.throwsAsync(explained(Target.class(7), [7, 7]), { code: 'TARGET_INVALID' })
  await t.throwsAsync(explained(Target.class(1, { output: 'none' }), [1, 1]), { code: 'TARGET_INVALID' })
})
