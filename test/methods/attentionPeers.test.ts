import test from 'ava'
import {
  AttentionRollout,
  type AttributionMethod,
  createTensor,
  GradientXAttention,
  LeGrad,
  type Model,
  RawAttention,
} from '#lib/index.js'
import { namedAttention } from '#lib/model/attention.js'
import { heads, meanOf } from '../oracles/attentionMatrices.js'
import { relativeDistance } from '../oracles/gradientOf.js'
import { loadPeerModel, readPeers } from '../oracles/recordedPeers.js'

/** What reference code makes of attention in three exported encoders: record_attention.py, versions inside. */
const { target, discard, models } = readPeers<{
  target: number
  discard: number
  models: Record<string, Record<string, number[]> & { inputs: number[][] }>
}>('attention.json')

const methods: Record<string, (model: Model) => AttributionMethod> = {
  RawAttention: model => new RawAttention(model),
  'RawAttention first': model => new RawAttention(model, { attention: 0, row: 'first' }),
  AttentionRollout: model => new AttentionRollout(model),
  'AttentionRollout mean': model => new AttentionRollout(model),
  // Where rows do not add up to 1, vit-explain's quotient is not that of rows: below.
  'AttentionRollout max rows': model => new AttentionRollout(model, { heads: 'max' }),
  'AttentionRollout min rows': model => new AttentionRollout(model, { heads: 'min' }),
  'AttentionRollout discard rows': model => new AttentionRollout(model, { discard }),
  GradientXAttention: model => new GradientXAttention(model, { identity: true }),
  'GradientXAttention last': model => new GradientXAttention(model, { layers: 'last' }),
  LeGrad: model => new LeGrad(model),
  'LeGrad formula': model => new LeGrad(model),
  'LeGrad layers': model => new LeGrad(model, { scores: 'layers' }),
  'LeGrad layers formula': model => new LeGrad(model, { scores: 'layers' }),
}

/** Scores beside those of a peer: of a picture's patches alone, of all tokens of a text. Some peers scale theirs to 1. */
function distanceOf(scores: readonly number[], recorded: readonly number[], isScaled: boolean): number {
  const greatest = isScaled ? Math.max(...scores) : 1
  return relativeDistance(
    scores.map(score => score / greatest),
    recorded.slice(-scores.length),
  )
}

for (const [name, recorded] of Object.entries(models)) {
  const isText = name === 'words'
  const [first, mask] = recorded.inputs
  const input = isText
    ? {
        ids: createTensor('i64', [1, first!.length], BigInt64Array.from(first!, BigInt)),
        mask: createTensor('i64', [1, first!.length], BigInt64Array.from(mask!, BigInt)),
      }
    : createTensor('f32', [1, 3, 24, 24], Float32Array.from(first!))
  const load = () => loadPeerModel(name)
  const scoresOf = async (method: AttributionMethod) =>
    Array.from((await method.attribute(input, { target })).scores().data, Number)

  test(`${name}: attention, rollout, gradient x attention and LeGrad are those of reference code`, async t => {
    const model = await load()
    for (const [method, make] of Object.entries(methods)) {
      if (recorded[method] === undefined || (isText && method.startsWith('LeGrad'))) continue
      const isScaled = /^AttentionRollout ./.test(method)
      const distance = distanceOf(await scoresOf(make(model)), recorded[method], isScaled)
      t.log(`${method} ${distance.toExponential(1)}`)
      t.true(distance <= 1e-5, `${method}: ${distance}`)
    }
  })

  test(`${name}: scores of layers are each input's own in a batch too`, async t => {
    const method = new LeGrad(await load(), { scores: 'layers' })
    const turned = (x: readonly number[]) => [...x.slice(1), x[0]!]
    const other = isText
      ? { ...input, ids: createTensor('i64', [1, first!.length], BigInt64Array.from(turned(first!), BigInt)) }
      : createTensor('f32', [1, 3, 24, 24], Float32Array.from(turned(first!)))
    const together = await method.attributeBatch([input, other], { target })
    for (const [at, each] of [input, other].entries()) {
      const alone = await method.attribute(each, { target, chunk: 1 })
      t.true(relativeDistance(together[at]!.scores().data, [...alone.scores().data].map(Number)) <= 1e-5)
      t.deepEqual([alone.cost.forwardPasses, alone.cost.backwardPasses], [1, 1])
    }
  })

  if (isText)
    test('words: LeGrad counts nothing where no token may look, and the formula what would be if it might', async t => {
      const read = mask!.filter(each => each === 1).length
      for (const [scores, key] of [
        ['target', 'LeGrad formula'],
        ['layers', 'LeGrad layers formula'],
      ] as const) {
        const found = await scoresOf(new LeGrad(await load(), { scores }))
        const formula = recorded[key]!
        const distance = relativeDistance(found.slice(0, read), formula.slice(0, read))
        t.log(`${key} ${distance.toExponential(1)}`)
        t.true(distance <= 1e-5, `${key}: ${distance}`)
        t.true(found.slice(read).every(score => score === 0))
        t.true(
          formula.slice(read).some(score => score > 0.005),
          `${formula}`,
        )
      }
    })
  else
    test(`${name}: rollout of vit-explain divides columns by the sums of rows, which is what it differs by`, async t => {
      const model = await load()
      const { names } = namedAttention(model.graph)
      const { outputs } = await model.run(input as never, { outputs: names })
      const layers = names.map(each => heads(Array.from(outputs[each]!.data, Number), 17))
      const fused = (join: (values: readonly number[]) => number) =>
        layers.map(([one, ...others]) =>
          one!.map((row, i) => row.map((value, j) => join([value, ...others.map(other => other[i]![j]!)]))),
        )
      const kinds = {
        mean: layers.map(meanOf),
        max: fused(each => Math.max(...each)),
        min: fused(each => Math.min(...each)),
      }
      for (const [kind, matrices] of Object.entries(kinds)) {
        // The row of the class token goes through the layers from the last to the first.
        let row = Array.from({ length: 17 }, (_, at) => Number(at === 0))
        for (const matrix of matrices.toReversed()) {
          const half = matrix.map((values, i) => values.map((value, j) => (value + (i === j ? 1 : 0)) / 2))
          const sums = half.map(values => values.reduce((a, b) => a + b))
          row = row.map((_, j) => row.reduce((sum, value, i) => sum + (value * half[i]![j]!) / sums[j]!, 0))
        }
        const peer = recorded[`AttentionRollout ${kind}`]!
        t.true(distanceOf(row.slice(1), peer, true) <= 1e-5, kind)
        const own = await scoresOf(new AttentionRollout(model, { heads: kind as 'mean' }))
        const distance = distanceOf(own, peer, true)
        t.log(`${kind} ${distance.toExponential(1)}`)
        t.true(kind === 'mean' ? distance <= 1e-5 : distance > 0.01, `${kind}: ${distance}`)
      }
    })
}
