/**
 * Do scores add up on trained models? DeepLIFT and path methods to f(input) - f(baseline), relevance to the target's
 * value (biases absorb some), AttnLRP likewise: worst and median share that is missing, over the inputs.
 *
 *   node build/ts/bench/completeness.bench.js [--quick] [--only NAME]
 */
import {
  type Attribution,
  BlurIntegratedGradients,
  DeepLift,
  type GradientMethod,
  GradientShap,
  GuidedIntegratedGradients,
  Idgi,
  IntegratedGradients,
  type Model,
} from '#lib/index.js'
import { AttnLrp, LayerwiseRelevance } from '#lib/relevance.js'
import { printTable, quick } from './harness.js'
import { realModels } from './realModels.js'

const sumOf = ({ inputs }: Attribution): number =>
  inputs.reduce((sum, { scores }) => sum + (scores.data as Float32Array).reduce((a, b) => a + b, 0), 0)

/** Share of what is to be shared out that the scores miss. */
function missing(attribution: Attribution): number {
  const [completeness] = attribution.checks.completeness ?? []
  if (completeness) return completeness.relative ?? Number.NaN
  const value = attribution.targets[0]?.value ?? Number.NaN
  return Math.abs(sumOf(attribution) - value) / Math.abs(value)
}

const methods: [string, (model: Model) => GradientMethod][] = [
  ['IntegratedGradients, 50', model => new IntegratedGradients(model)],
  ['DeepLift', model => new DeepLift(model)],
  ['DeepLift, exact softmax', model => new DeepLift(model, { softmax: 'exact' })],
  ['LRP epsilon, biases spread', model => new LayerwiseRelevance(model, { bias: 'distribute' })],
  ['LRP epsilon', model => new LayerwiseRelevance(model)],
  [
    'DeepLift, RevealCancel',
    model => new DeepLift(model, { nonlinearity: 'revealCancel', softmax: 'exact' }),
  ],
  ['IDGI, 50', model => new Idgi(model)],
  ['GuidedIG, 200', model => new GuidedIntegratedGradients(model)],
  ['BlurIG, 100', model => new BlurIntegratedGradients(model)],
  ['GradientSHAP, 50', model => new GradientShap(model)],
  ['AttnLRP', model => new AttnLrp(model)],
  ['CP-LRP', model => new AttnLrp(model, { variant: 'cpLrp' })],
]

const rows: string[][] = []
// A recurrent model takes one example of many steps, along an axis that is no batch; a detector has no class.
const leftOut = /charrnn|silero|RFB/
for await (const { name, model, examples, explained } of realModels(quick)) {
  if (leftOut.test(name)) continue
  for (const [method, make] of methods) {
    const shares: number[] = []
    const notes = new Set<string>()
    try {
      for (const example of examples) {
        const isLayer = !(explained in example.inputs)
        const attribution = await make(model).attribute(
          example.inputs,
          isLayer ? { layer: explained } : { inputs: [explained] },
        )
        shares.push(missing(attribution))
        for (const { code, message } of attribution.warnings) notes.add(`${code}: ${message.slice(0, 110)}`)
      }
    } catch (error) {
      notes.add(`${(error as Error).message.slice(0, 120)}`)
    }
    shares.sort((a, b) => a - b)
    const share = (at: number) => (shares[at] === undefined ? '' : shares[at].toExponential(1))
    rows.push([
      name,
      method,
      share(Math.floor(shares.length / 2)),
      share(shares.length - 1),
      [...notes].join('; '),
    ])
  }
  model.dispose()
}
printTable(['model', 'method', 'median missing', 'worst', 'notes'], rows)
