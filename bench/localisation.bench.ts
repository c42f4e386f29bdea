/**
 * Do methods find what a model looks at? Generated scenes of which everything is known, the bundled models, and maps that
 * know nothing beside every method of the registry (bench/localisation/rows.ts): the share of attribution (relevance mass)
 * on the object and on the badge, and the pointing game on what the model is known to use (the object for the sound ones,
 * the badge for the shortcut one), with 95 % intervals.
 *
 *   node build/ts/bench/localisation.bench.js [--quick] [--only NAME] [--scenes N] [--record]
 *
 * `--record` writes bench/localisation/results.json, row by row, from which `node scripts/docs.js` makes the tables of
 * docs/known-truth.md.
 */
import { join } from 'node:path'
import {
  type AttributeOptions,
  Attribution,
  centreGaussianMap,
  createTensor,
  type Image,
  IntegratedGradients,
  Localisation,
  loadModel,
  type MapSource,
  type Model,
  RawAttention,
  type RecordedMap,
  Saliency,
  type Summary,
  sobelMap,
  type Tensor,
  uniformMap,
  withShuffledParameters,
} from '#lib/index.js'
import { prepareSubject } from '#lib/metrics/subject.js'
import { prepareInput } from '#lib/model/prepareInput.js'
import { stretch } from '#lib/report/scoreMap.js'
import { heldOutScenes, loadPair } from '../examples/quickstart/scenes.js'
import { flags, isChosen, printTable, quick } from './harness.js'
import { percentWithInterval } from './intervals.js'
import { measuredMethods, type SceneModel } from './localisation/rows.js'
import { readRecord, writeRecord } from './recorded.js'

const count = flags.scenes ? Number(flags.scenes) : quick ? 3 : 100
const drawn = [...heldOutScenes(count + 4)]
const scenes = drawn.slice(0, count)
const samples = scenes.map(({ name, label, badge }) => ({ id: name, target: label, input: badge }))
const folder = join(import.meta.dirname, '../../../models')
const pair = await loadPair(folder)
const models: Record<SceneModel, Model> = {
  ...pair,
  transformer: await loadModel(join(folder, 'scenes-transformer.onnx'), {
    preprocessing: join(folder, 'preprocessor_config.json'),
    labels: [...pair.sound.labels!],
    name: 'vision transformer',
  }),
}
const picture = (at: number): Image => scenes[at]!.badge

/** Scenes that are not measured, as a distribution of baselines. */
async function otherScenes(model: Model): Promise<Tensor> {
  const tensors = await Promise.all(
    drawn.slice(count).map(async ({ plain }) => {
      const { tensors } = await prepareInput(model, plain)
      return tensors.image! as Tensor & { data: Float32Array }
    }),
  )
  const [, ...shape] = tensors[0]!.shape
  return createTensor(
    'f32',
    [tensors.length, ...shape],
    Float32Array.from(tensors.flatMap(({ data }) => [...data])),
  )
}

interface Row {
  model: SceneModel
  method: string
  isNull: boolean
  scenes: number
  object: Summary
  badge: Summary
  pointing: Summary
}

/** Scores of a layer of maps: added up over its channels and enlarged, as class activation maps are. */
async function overPlaces(map: RecordedMap, { width, height }: Image): Promise<RecordedMap> {
  if (!(map instanceof Attribution)) return map
  const [{ units, scores }] = map.inputs as [Attribution['inputs'][number]]
  if (units.kind !== 'tensor' || units.shape.length !== 4) return map
  const [, channels, rows, columns] = units.shape as [number, number, number, number]
  const area = rows * columns
  const values = new Float64Array(area)
  for (let at = 0; at < channels * area; at++) values[at % area]! += scores.data[at]!
  return (await stretch({ width: columns, height: rows, values }, width, height)).values
}

/** Maps at the size of the pictures, whatever size a method gives them. */
async function mapsOf(
  model: Model,
  source: MapSource,
  options: AttributeOptions,
  own: typeof samples,
): Promise<Float64Array[]> {
  const maps: Float64Array[] = []
  for (const [at, sample] of own.entries()) {
    const map =
      typeof source === 'function'
        ? await source(sample, at)
        : await source.attribute(sample.input, { target: sample.target, ...options })
    const placed = await overPlaces(map, picture(at))
    maps.push((await prepareSubject(model, sample, at, placed, { features: 'unit', baseline: 0 })).scores)
  }
  return maps
}

/** Rows that were recorded before, of which those measured now take the places. */
const file = 'localisation/results.json'
const rows: Row[] = []
function record(): void {
  if (!flags.record) return
  const known = readRecord<{ scenes: number; rows: Row[] }>(file)
  const key = ({ model, method }: Row) => `${model} ${method}`
  const own = new Map(rows.map(row => [key(row), row]))
  const kept = known?.scenes === count ? known.rows.filter(row => !own.has(key(row))) : []
  const order = [...measuredMethods.map(({ label }) => label), ...nullNames]
  const place = ({ model, method }: Row) => Object.keys(models).indexOf(model) * 1000 + order.indexOf(method)
  const all = [...kept, ...rows]
    .filter(({ method }) => order.includes(method))
    .toSorted((a, b) => place(a) - place(b))
  writeRecord(file, { scenes: count, rows: all })
}

async function measure(
  name: SceneModel,
  method: string,
  source: MapSource,
  isNull: boolean,
  options: AttributeOptions = {},
  most = count,
): Promise<void> {
  const start = process.cpuUsage()
  const own = samples.slice(0, most)
  const maps = await mapsOf(models[name], source, options, own)
  const on = async (mask: 'objectMask' | 'badgeMask') => {
    const masked = own.map((sample, at) => ({ ...sample, map: maps[at]!, mask: scenes[at]![mask] }))
    return (await new Localisation().evaluate(masked)).summary
  }
  const [object, badge] = [await on('objectMask'), await on('badgeMask')]
  const used = name === 'shortcut' ? badge : object
  rows.push({
    model: name,
    method,
    isNull,
    scenes: own.length,
    object: object.mass!,
    badge: badge.mass!,
    pointing: used.pointing!,
  })
  record()
  const { user, system } = process.cpuUsage(start)
  const seconds = ((user + system) / 1e6).toFixed(1)
  console.log(
    `${name}, ${method}: ${percentWithInterval(object.mass!)}, ${percentWithInterval(badge.mass!)}, ${percentWithInterval(used.pointing!)} ${seconds} s of processor time`,
  )
}

/** Maps that know nothing: of a model with shuffled weights, or of no model at all. */
const nullNames = [
  'random weights, Saliency',
  'random weights, IntegratedGradients',
  'random weights, RawAttention',
  'uniform',
  'centre Gaussian',
  'Sobel edges',
]
function nullMaps(name: SceneModel): [string, MapSource][] {
  const random = withShuffledParameters(models[name])
  const own: MapSource[] = [
    new Saliency(random),
    new IntegratedGradients(random, { steps: 8 }),
    new RawAttention(random),
    (_, at) => uniformMap(picture(at).width, picture(at).height),
    (_, at) => centreGaussianMap(picture(at).width, picture(at).height),
    (_, at) => sobelMap(picture(at)),
  ]
  return nullNames
    .map((method, at): [string, MapSource] => [method, own[at]!])
    .filter(([method]) => name === 'transformer' || !method.endsWith('RawAttention'))
}

for (const name of Object.keys(models) as SceneModel[]) {
  const several = await otherScenes(models[name])
  for (const { label, models: own, make, severalBaselines, options, scenes: most } of measuredMethods)
    if (own.includes(name) && isChosen(label))
      await measure(
        name,
        label,
        await make(models[name]),
        false,
        {
          ...options,
          ...(severalBaselines ? { baseline: several } : {}),
        },
        most,
      )
  for (const [method, source] of nullMaps(name))
    if (isChosen(method)) await measure(name, method, source, true)
}

printTable(
  ['method', 'model', 'on the object', 'on the badge', 'pointing game', ''],
  rows.map(({ method, model, object, badge, pointing, isNull }) => [
    method,
    model,
    percentWithInterval(object),
    percentWithInterval(badge),
    percentWithInterval(pointing),
    isNull ? 'knows nothing' : '',
  ]),
)
for (const name of Object.keys(models)) {
  const part = name === 'shortcut' ? 'badge' : 'object'
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
