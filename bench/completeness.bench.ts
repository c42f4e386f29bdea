/**
 * Do scores add up on trained models? Path methods, DeepLIFT and Shapley values to f(input) - f(baseline), relevance to the
 * target's value (biases absorb some): per model and method the median and the worst share that is missing, over the
 * inputs.
 *
 *   node build/ts/bench/completeness.bench.js [--quick] [--only NAME[,NAME…]] [--record]
 *
 * `--record` writes what it found into bench/completeness/results.json, model by model, from which `node scripts/docs.js`
 * makes docs/completeness.md.
 */
import {
  AscribeError,
  type AttributeOptions,
  type Attribution,
  BlurIntegratedGradients,
  createTensor,
  DeepLift,
  DeepLiftShap,
  ExactIntegratedGradients,
  GradientShap,
  GuidedIntegratedGradients,
  Idgi,
  IntegratedGradients,
  KernelShap,
  LayerConductance,
  type Model,
  type Tensor,
} from '#lib/index.js'
import { AttnLrp, LayerwiseRelevance } from '#lib/relevance.js'
import { type ExplainedModel, explainedModels } from './completeness/models.js'
import { flags, quick } from './harness.js'
import { writeRecordOf } from './recorded.js'

interface Method {
  attribute(input: Record<string, Tensor>, options: AttributeOptions): Promise<Attribution>
}
type Make = (model: Model) => Method
/** What a method is called with besides the target. */
type Where = 'explained' | 'baselines' | 'last-maps' | 'inputs'
/** Elsewhere the path crosses more linear pieces than a bench has time for, or the model has none. */
const linearInPieces = /movie-review/

const relevance =
  (options: ConstructorParameters<typeof LayerwiseRelevance>[1]): Make =>
  model =>
    new LayerwiseRelevance(model, options)
const methods: [string, Make, Where?][] = [
  ['IntegratedGradients', model => new IntegratedGradients(model)],
  ['IntegratedGradients, tolerance 0.01', model => new IntegratedGradients(model, { tolerance: 0.01 })],
  ['ExactIntegratedGradients', model => new ExactIntegratedGradients(model)],
  ['Idgi', model => new Idgi(model)],
  ['GuidedIntegratedGradients', model => new GuidedIntegratedGradients(model)],
  ['BlurIntegratedGradients', model => new BlurIntegratedGradients(model)],
  ['GradientShap', model => new GradientShap(model)],
  ['DeepLift', model => new DeepLift(model)],
  ['DeepLift, softmax exact', model => new DeepLift(model, { softmax: 'exact' })],
  [
    'DeepLift, revealCancel, softmax exact',
    model => new DeepLift(model, { nonlinearity: 'revealCancel', softmax: 'exact' }),
  ],
  ['DeepLiftShap, softmax exact', model => new DeepLiftShap(model, { softmax: 'exact' }), 'baselines'],
  ['LayerConductance, last-maps', model => new LayerConductance(model), 'last-maps'],
  ['KernelShap, 64 samples', model => new KernelShap(model, { samples: 64 }), 'inputs'],
  ['LRP epsilon', relevance({})],
  ['LRP epsilon, biases spread', relevance({ bias: 'distribute' })],
  ['LRP epsilonPlusFlat', relevance({ preset: 'epsilonPlusFlat' })],
  ['LRP epsilonPlusFlat, biases spread', relevance({ preset: 'epsilonPlusFlat', bias: 'distribute' })],
  ['AttnLRP', model => new AttnLrp(model)],
  ['CP-LRP', model => new AttnLrp(model, { variant: 'cpLrp' })],
]

const sumOf = ({ inputs }: Attribution): number =>
  inputs.reduce((sum, { scores }) => sum + (scores.data as Float32Array).reduce((a, b) => a + b, 0), 0)

/** Share of what is to be shared out that the scores miss. */
function missing(attribution: Attribution): number {
  const [completeness] = attribution.checks.completeness ?? []
  if (completeness) return completeness.relative ?? Number.NaN
  const value = attribution.targets[0]?.value ?? Number.NaN
  return Math.abs(sumOf(attribution) - value) / Math.abs(value)
}

/** Two baselines: nothing, and the mean everywhere. */
async function baselinesOf({ model, explained }: ExplainedModel, inputs: Record<string, Tensor>) {
  const value = inputs[explained] ?? (await model.run(inputs, { outputs: [explained] })).outputs[explained]!
  const numbers = value.data as Float32Array
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length
  const data = new Float32Array(2 * numbers.length).fill(mean, numbers.length)
  return { [explained]: createTensor('f32', [2, ...value.shape.slice(1)], data) as Tensor }
}

async function optionsOf(
  real: ExplainedModel,
  inputs: Record<string, Tensor>,
  where: Where,
): Promise<AttributeOptions> {
  if (where === 'inputs') return {}
  if (where === 'last-maps') return { layer: 'last-maps' }
  const { explained } = real
  return {
    ...(explained in inputs ? { inputs: [explained] } : { layer: explained }),
    ...(where === 'baselines' ? { baseline: await baselinesOf(real, inputs) } : {}),
  }
}

interface Row {
  method: string
  /** In the order of the examples. */
  missing: number[]
  notes: string[]
}

async function rowOf(real: ExplainedModel, [name, make, where]: (typeof methods)[number]): Promise<Row> {
  const row: Row = { method: name, missing: [], notes: [] }
  const notes = new Set<string>()
  for (const { inputs } of real.examples)
    try {
      const target = await real.targetOf(inputs)
      const options = await optionsOf(real, inputs, where ?? 'explained')
      const given = { ...options, ...(target === undefined ? {} : { target }) }
      const attribution = await make(real.model).attribute(inputs, given)
      row.missing.push(missing(attribution))
      for (const { code } of attribution.warnings) notes.add(code)
    } catch (error) {
      if (!(error instanceof AscribeError)) throw error
      notes.add(error.code)
      console.log(`${real.name}, ${name}: ${error.code} ${error.message}`)
    }
  return { ...row, notes: [...notes] }
}

for await (const real of explainedModels(quick)) {
  const rows: Row[] = []
  for (const method of methods) {
    if (method[0] === 'ExactIntegratedGradients' && !linearInPieces.test(real.name)) continue
    const started = performance.now()
    const row = await rowOf(real, method)
    const sorted = row.missing.toSorted((a, b) => a - b)
    const share = (at: number) => (sorted[at] === undefined ? '' : sorted[at].toExponential(1))
    rows.push(row)
    const seconds = ((performance.now() - started) / 1000).toFixed(0)
    // As they come: the slow ones take minutes.
    console.log(
      [
        real.name.padEnd(20),
        row.method.padEnd(42),
        share(Math.floor(sorted.length / 2)).padStart(9),
        share(sorted.length - 1).padStart(9),
        `${seconds.padStart(5)} s `,
        row.notes.join(', '),
      ].join(' '),
    )
  }
  if (flags.record)
    writeRecordOf('completeness/results.json', real.name, { examples: real.examples.length, rows }, 3)
  real.model.dispose()
}
