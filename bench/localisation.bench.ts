/**
 * Do gradient methods find what a model looks at? Generated scenes of which everything is known, the two bundled
 * models, and maps that know nothing beside every method: the pointing game and the share of attribution (relevance
 * mass) on the object, for the shortcut model on the badge, with 95 % intervals.
 *
 *   node build/ts/bench/localisation.bench.js [--quick] [--scenes 200]
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  bootstrapInterval,
  centreGaussianMap,
  DeepLift,
  type GradientMethod,
  GuidedBackprop,
  InputXGradient,
  IntegratedGradients,
  type Model,
  pointingGame,
  relevanceMass,
  Saliency,
  SmoothGrad,
  SmoothGradSquared,
  sobelMap,
  uniformMap,
  wilsonInterval,
  withShuffledParameters,
} from '#lib/index.js'
import { LayerwiseRelevance } from '#lib/relevance.js'
import { heldOutScenes, type KnownScene, loadPair } from '../examples/quickstart/scenes.js'

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, scenes: { type: 'string' } },
})
const count = Number(options.scenes ?? (options.quick ? 12 : 200))
const models = await loadPair(join(import.meta.dirname, '../../../models'))
const random = withShuffledParameters(models.sound)

const signed = (model: Model) => new Saliency(model, { absolute: false })
const methods: [string, (model: Model) => GradientMethod][] = [
  ['Saliency', model => new Saliency(model)],
  ['InputXGradient', model => new InputXGradient(model)],
  ['IntegratedGradients, 32 steps', model => new IntegratedGradients(model, { steps: 32 })],
  ['DeepLift', model => new DeepLift(model)],
  ['GuidedBackprop', model => new GuidedBackprop(model)],
  ['LRP epsilonPlusFlat', model => new LayerwiseRelevance(model, { preset: 'epsilonPlusFlat' })],
  ['SmoothGrad of Saliency, 32', model => new SmoothGrad(signed(model), { samples: 32 })],
  ['SmoothGradSquared, 32', model => new SmoothGradSquared(signed(model), { samples: 32 })],
  [
    'SmoothGrad of IG, 8 x 8',
    model => new SmoothGrad(new IntegratedGradients(model, { steps: 8 }), { samples: 8 }),
  ],
]

type MapOf = (scene: KnownScene) => Promise<ArrayLike<number>> | ArrayLike<number>
const mapsOf = (method: GradientMethod): MapOf => {
  return async scene => {
    const attribution = await method.attribute(scene.badge, { target: scene.label })
    return Float64Array.from(attribution.aggregate().scores().data, Math.abs)
  }
}

interface Row {
  name: string
  isNull: boolean
  mass: { low: number; high: number }
  hits: { low: number; high: number }
}

async function measure(
  name: string,
  isNull: boolean,
  mapOf: MapOf,
  maskOf: (scene: KnownScene) => Uint8Array,
): Promise<Row> {
  const masses: number[] = []
  const hits: number[] = []
  for (const scene of heldOutScenes(count)) {
    const map = await mapOf(scene)
    masses.push(relevanceMass(map, maskOf(scene)))
    hits.push(pointingGame(map, maskOf(scene)))
  }
  const mass = bootstrapInterval(masses)
  // A map that is the same everywhere scores shares of hits, which Wilson's interval is not for.
  const hit = hits.every(Number.isInteger)
    ? wilsonInterval(
        hits.reduce((sum, each) => sum + each, 0),
        count,
      )
    : bootstrapInterval(hits)
  const shown = ({ mean, low, high }: typeof mass) =>
    `${(mean * 100).toFixed(1).padStart(5)} % (${(low * 100).toFixed(1)} to ${(high * 100).toFixed(1)})`.padEnd(
      26,
    )
  console.log(`  ${name.padEnd(42)}${shown(mass)}${shown(hit)}${isNull ? 'knows nothing' : ''}`.trimEnd())
  return { name, isNull, mass, hits: hit }
}

/** Every row whose lower end lies above every null row's upper end, in mass and in hits. */
function judge(rows: readonly Row[]): void {
  const nulls = rows.filter(row => row.isNull)
  const above = rows.filter(
    row => !row.isNull && nulls.every(each => row.mass.low > each.mass.high && row.hits.low > each.hits.high),
  )
  console.log(`  above every null row in both: ${above.map(({ name }) => name).join('; ') || 'none'}\n`)
}

for (const [title, model, maskOf] of [
  ['sound model: on the object', models.sound, (scene: KnownScene) => scene.objectMask],
  ['shortcut model: on the badge', models.shortcut, (scene: KnownScene) => scene.badgeMask],
] as const) {
  console.log(`${title}, ${count} held-out scenes`)
  console.log(`  ${''.padEnd(42)}${'mass (95 %)'.padEnd(26)}pointing game (95 %)`)
  const rows: Row[] = []
  for (const [name, method] of methods) rows.push(await measure(name, false, mapsOf(method(model)), maskOf))
  for (const [name, method] of [methods[0]!, methods.at(-1)!])
    rows.push(await measure(`random weights, ${name}`, true, mapsOf(method(random)), maskOf))
  rows.push(await measure('uniform', true, ({ badge }) => uniformMap(badge.width, badge.height), maskOf))
  rows.push(
    await measure(
      'centre Gaussian',
      true,
      ({ badge }) => centreGaussianMap(badge.width, badge.height),
      maskOf,
    ),
  )
  rows.push(await measure('Sobel edges', true, ({ badge }) => sobelMap(badge), maskOf))
  judge(rows)
}
