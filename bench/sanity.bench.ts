/**
 * Which methods fail the sanity checks? For each method, on held-out scenes and the bundled models: Spearman's correlation
 * of its maps with the original ones while the weights are shuffled from the output down (parameter randomisation), with
 * the maps of another class (random logit), and with the maps of another scene for the same class. A method fails
 * parameter randomisation where it keeps more of its map than the plain gradient does: with the upper half of the layers
 * shuffled, the lower end of its 95 % interval lies above the upper end of the gradient's.
 *
 *   node build/ts/bench/sanity.bench.js [--quick] [--record]
 *
 * `--record` writes bench/sanity/results.json, from which `node scripts/docs.js` makes the table of docs/metrics.md.
 */
import { join } from 'node:path'
import { spearmanCorrelation } from '#lib/data/rankStatistics.js'
import { type GradientMethod, ParameterRandomisation, RandomLogit, type Summary } from '#lib/index.js'
import { summarise } from '#lib/metrics/result.js'
import { heldOutScenes, loadPair } from '../examples/quickstart/scenes.js'
import { flags, printTable, quick } from './harness.js'
import { withInterval } from './intervals.js'
import { writeRecord } from './recorded.js'
import { sanityMethods } from './sanity/methods.js'

const count = quick ? 2 : 24

interface Row {
  model: string
  method: string
  /** Correlation with the head shuffled, with the upper half of the layers, with all of them. */
  head: Summary
  upper: Summary
  all: Summary
  /** With the map of another class, and with that of another scene. */
  otherClass: Summary
  otherScene: Summary
  fails: boolean
}

const scenes = [...heldOutScenes(count)]
const samples = scenes.map(({ name, label, badge }) => ({ id: name, target: label, input: badge }))

/** How alike the map of a scene is to that of the next one, both for the class of the first. */
async function acrossScenes(method: GradientMethod): Promise<Summary> {
  const sizes = async (at: number, target: string) =>
    (await method.attribute(scenes[at % count]!.badge, { target })).aggregate().scores().data.map(Math.abs)
  const values: number[] = []
  for (const [at, { label }] of scenes.entries())
    values.push(spearmanCorrelation(await sizes(at, label), await sizes(at + 1, label)))
  return summarise(values)
}

const pair = await loadPair(join(import.meta.dirname, '../../../models'))
const rows: Row[] = []
for (const [name, model] of Object.entries(quick ? { sound: pair.sound } : pair)) {
  let gradient: Summary | undefined
  for (const [method, make] of sanityMethods(quick ? ['Saliency', 'GuidedBackprop'] : undefined)) {
    const { samples: found } = await new ParameterRandomisation(model).evaluate(samples, { method: make })
    const { summary } = await new RandomLogit().evaluate(samples, { maps: make(model) })
    const after = (share: number) =>
      summarise(
        found.map(({ curves }) => curves!.spearman![Math.round(curves!.spearman!.length * share) - 1]!),
      )
    const upper = after(1 / 2)
    gradient ??= upper
    rows.push({
      model: name,
      method,
      head: after(1 / 8),
      upper,
      all: after(1),
      otherClass: summary.spearman!,
      otherScene: await acrossScenes(make(model)),
      fails: upper.low > gradient.high,
    })
  }
}
printTable(
  ['method', 'model', 'upper half (95 %)', 'all', 'other class', 'other scene', 'fails'],
  rows.map(({ method, model, upper, all, otherClass, otherScene, fails }) => [
    method,
    model,
    withInterval(upper),
    all.mean.toFixed(2),
    otherClass.mean.toFixed(2),
    otherScene.mean.toFixed(2),
    fails ? 'yes' : 'no',
  ]),
)
if (flags.record) writeRecord('sanity/results.json', { scenes: count, rows })
