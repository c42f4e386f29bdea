/**
 * Do methods find what a model looks at? Generated scenes of which everything is known, the two bundled models, and maps
 * that know nothing beside every method: the share of attribution (relevance mass) on the object and on the badge, and
 * the pointing game on what the model is known to use (the object for the sound one, the badge for the shortcut one), with
 * 95 % intervals.
 *
 *   node build/ts/bench/localisation.bench.js [--quick] [--only NAME] [--record]
 *
 * `--record` writes bench/localisation/results.json, from which `node scripts/docs.js` makes the table of docs/methods.md.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Attributer,
  centreGaussianMap,
  Deconvolution,
  DeepLift,
  GradCam,
  GradCamPlusPlus,
  GuidedBackprop,
  HiResCam,
  type Image,
  InputXGradient,
  IntegratedGradients,
  LayerCam,
  Localisation,
  type MapSource,
  type Model,
  Saliency,
  SmoothGrad,
  SmoothGradSquared,
  type Summary,
  sobelMap,
  uniformMap,
  withShuffledParameters,
  XGradCam,
} from '#lib/index.js'
import { prepareSubject } from '#lib/metrics/subject.js'
import { LayerwiseRelevance } from '#lib/relevance.js'
import { heldOutScenes, loadPair } from '../examples/quickstart/scenes.js'
import { flags, isChosen, printTable, quick } from './harness.js'

const signed = (model: Model) => new Saliency(model, { absolute: false })
const methods: [string, (model: Model) => Attributer][] = [
  ['Saliency', model => new Saliency(model)],
  ['InputXGradient', model => new InputXGradient(model)],
  ['IntegratedGradients, 32 steps', model => new IntegratedGradients(model, { steps: 32 })],
  ['DeepLift', model => new DeepLift(model)],
  ['GuidedBackprop', model => new GuidedBackprop(model)],
  ['Deconvolution', model => new Deconvolution(model)],
  ['GradCam', model => new GradCam(model)],
  ['GradCam, relu', model => new GradCam(model, { relu: true })],
  ['GradCamPlusPlus', model => new GradCamPlusPlus(model)],
  ['HiResCam', model => new HiResCam(model)],
  ['LayerCam', model => new LayerCam(model)],
  ['XGradCam', model => new XGradCam(model)],
  ['LRP epsilonPlusFlat', model => new LayerwiseRelevance(model, { preset: 'epsilonPlusFlat' })],
  ['SmoothGrad of Saliency, 32', model => new SmoothGrad(signed(model), { samples: 32 })],
  ['SmoothGradSquared, 32', model => new SmoothGradSquared(signed(model), { samples: 32 })],
  [
    'SmoothGrad of IG, 8 x 8',
    model => new SmoothGrad(new IntegratedGradients(model, { steps: 8 }), { samples: 8 }),
  ],
]

const count = quick ? 6 : 100
const scenes = [...heldOutScenes(count)]
const samples = scenes.map(({ name, label, badge }) => ({ id: name, target: label, input: badge }))
const pair = await loadPair(join(import.meta.dirname, '../../../models'))
const picture = (at: number): Image => scenes[at]!.badge

interface Row {
  model: string
  method: string
  isNull: boolean
  object: Summary
  badge: Summary
  pointing: Summary
}

/** Maps at the size of the pictures, whatever size a method gives them. */
async function mapsOf(model: Model, source: MapSource): Promise<Float64Array[]> {
  const maps: Float64Array[] = []
  for (const [at, sample] of samples.entries()) {
    const map =
      typeof source === 'function'
        ? await source(sample, at)
        : await source.attribute(sample.input, { target: sample.target })
    maps.push((await prepareSubject(model, sample, at, map, { features: 'unit', baseline: 0 })).scores)
  }
  return maps
}

async function measure(name: string, model: Model, method: string, source: MapSource, isNull: boolean) {
  const maps = await mapsOf(model, source)
  const on = async (mask: 'objectMask' | 'badgeMask') => {
    const masked = samples.map((sample, at) => ({ ...sample, map: maps[at]!, mask: scenes[at]![mask] }))
    return (await new Localisation().evaluate(masked)).summary
  }
  const [object, badge] = [await on('objectMask'), await on('badgeMask')]
  const used = name === 'sound' ? object : badge
  return { model: name, method, isNull, object: object.mass!, badge: badge.mass!, pointing: used.pointing! }
}

const rows: Row[] = []
for (const [name, model] of Object.entries(pair)) {
  const random = withShuffledParameters(model)
  for (const [method, make] of methods)
    if (isChosen(method)) rows.push(await measure(name, model, method, make(model), false))
  const nulls: [string, MapSource][] = [
    ['random weights, Saliency', new Saliency(random)],
    ['random weights, IntegratedGradients', new IntegratedGradients(random, { steps: 8 })],
    ['uniform', (_, at) => uniformMap(picture(at).width, picture(at).height)],
    ['centre Gaussian', (_, at) => centreGaussianMap(picture(at).width, picture(at).height)],
    ['Sobel edges', (_, at) => sobelMap(picture(at))],
  ]
  for (const [method, source] of nulls) rows.push(await measure(name, model, method, source, true))
}

const shown = ({ mean, low, high }: Summary) =>
  `${(mean * 100).toFixed(1)} % (${(low * 100).toFixed(1)} to ${(high * 100).toFixed(1)})`
printTable(
  ['method', 'model', 'on the object', 'on the badge', 'pointing game', ''],
  rows.map(({ method, model, object, badge, pointing, isNull }) => [
    method,
    model,
    shown(object),
    shown(badge),
    shown(pointing),
    isNull ? 'knows nothing' : '',
  ]),
)
for (const name of Object.keys(pair)) {
  const part = name === 'sound' ? 'object' : 'badge'
  const own = rows.filter(row => row.model === name)
  const nulls = own.filter(row => row.isNull)
  const above = own.filter(
    row =>
      !row.isNull &&
      nulls.every(each => row[part].low > each[part].high && row.pointing.low > each.pointing.high),
  )
  console.log(
    `${name}: above every null row in both: ${above.map(({ method }) => method).join('; ') || 'none'}`,
  )
}
if (flags.record) {
  const folder = join(import.meta.dirname, '../../../bench/localisation')
  mkdirSync(folder, { recursive: true })
  const round = (_: string, value: unknown) =>
    typeof value === 'number' ? Number(value.toPrecision(6)) : value
  writeFileSync(join(folder, 'results.json'), `${JSON.stringify({ scenes: count, rows }, round, 1)}\n`)
}
