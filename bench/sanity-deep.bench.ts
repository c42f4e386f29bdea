/**
 * Do guided backpropagation and deconvolution fail parameter randomisation on trained deep networks, as they must? For each
 * method Spearman's correlation of the sizes of its maps with the original ones while layers are shuffled from the output
 * down (cascading) and one at a time (independent), as in Adebayo et al. 2018, section 3.
 *
 *   node build/ts/bench/sanity-deep.bench.js [--quick] [--only NAME] [--record]
 *
 * `--record` writes bench/sanity/deep.json, model by model, from which `node scripts/docs.js` makes a table of
 * docs/metrics.md.
 */
import { ParameterRandomisation, type Summary } from '#lib/index.js'
import { summarise } from '#lib/metrics/result.js'
import { flags, isChosen, quick } from './harness.js'
import { withInterval } from './intervals.js'
import { realModels } from './realModels.js'
import { writeRecordOf } from './recorded.js'
import { sanityMethods } from './sanity/methods.js'

const methods = sanityMethods(['Saliency', 'InputXGradient', 'GuidedBackprop', 'Deconvolution'])
/** Networks of rectifiers, with poolings by maxima (SqueezeNet) and without. */
const chosen = /^(squeezenet|cifar10-resnet20)$/

interface Row {
  method: string
  layers: number
  /** Cascading: after the first layer from the output, a quarter, half and all of them. */
  head: Summary
  quarter: Summary
  half: Summary
  all: Summary
  /** Independent: the mean over the upper half of the layers, each shuffled alone. */
  alone: Summary
}

for await (const { name, model, examples } of realModels(quick)) {
  if (!chosen.test(name) || !isChosen(name)) continue
  const samples = examples.map(example => ({ id: example.name, input: example.inputs }))
  const rows: Row[] = []
  for (const [method, make] of methods) {
    const curvesOf = async (order: 'cascading' | 'independent') => {
      const found = await new ParameterRandomisation(model, { order }).evaluate(samples, { method: make })
      return found.samples.map(({ curves }) => curves!.spearman!)
    }
    const cascading = await curvesOf('cascading')
    const independent = await curvesOf('independent')
    const layers = cascading[0]!.length
    const after = (count: number) =>
      summarise(cascading.map(curve => curve[Math.max(1, Math.round(count)) - 1]!))
    const upper = Math.round(layers / 2)
    const row: Row = {
      method,
      layers,
      head: after(1),
      quarter: after(layers / 4),
      half: after(layers / 2),
      all: after(layers),
      alone: summarise(
        independent.map(curve => curve.slice(0, upper).reduce((sum, value) => sum + value, 0) / upper),
      ),
    }
    rows.push(row)
    console.log(
      name,
      method,
      [row.head, row.quarter, row.half, row.all, row.alone].map(withInterval).join('  '),
    )
  }
  model.dispose()
  if (flags.record) writeRecordOf('sanity/deep.json', name, { inputs: samples.length, rows })
}
