import type { EnsembleResult, PlanDescription } from '#typings/addon.js'
import { Attribution } from '../../attribution/attribution.js'
import type { AttributionWarning, OutputEntry } from '../../attribution/types.js'
import { type Units, unitShape } from '../../attribution/units.js'
import type { Tensor } from '../../data/tensor.js'
import type { RuleSet } from '../../graph/ruleSet.js'
import type { Target } from '../../graph/target.js'
import type { Batching } from '../../model/batching.js'
import type { Model } from '../../model/model.js'
import type { PreparedInput } from '../../model/prepareInput.js'
import { rowsOf } from '../../model/stack.js'
import { engineEnvironment } from '../engineEnvironment.js'
import { checkPrecision, completenessOf, completenessWarning } from './completeness.js'
import { type ExplainedValues, layerUnits } from './explainedValues.js'
import { type NamedTarget, plannedName } from './gradientPlan.js'
import type { Pass } from './pass.js'

/** How a method's identity stands in results. */
export interface MethodIdentity {
  name: string
  options: object
  seed?: number
}

/** One example of a call. */
export interface Example {
  prepared: PreparedInput
  explained: ExplainedValues
  /** Texts of tokens, where the caller gave them. */
  tokens?: readonly string[] | undefined
}

/** What the model says of an example, and the class that its target picks. */
export interface Choice {
  class?: number
  output: OutputEntry[]
}

/** One target's share of a call; lists run parallel to the examples. */
export interface TargetRun {
  target: Target
  compiled: NamedTarget
  choices: readonly Choice[]
  result: EnsembleResult
  details: Record<string, number> | undefined
  plan: PlanDescription
  chunk: number
  batching: Batching
  rules: RuleSet | undefined
  pass?: Pass | undefined
}

function describeTarget(model: Model, run: TargetRun, at: number) {
  const { target, compiled, result } = run
  const { class: index } = run.choices[at]!
  const label = index === undefined ? undefined : model.labels?.[index]
  const score = target.options.score ?? 'logit'
  const { description } = target
  const kind = description.kind === 'prediction' ? description.of : description.kind
  const what =
    index === undefined
      ? `${kind} of ${compiled.valueName}`
      : `${score} of ${label === undefined ? `class ${index}` : `"${label}" (class ${index})`}`
  return {
    description: compiled.lookedBehind ? `${what}, before the final ${compiled.lookedBehind}` : what,
    kind: target.description.kind,
    output: compiled.valueName,
    value: result.objective[at]!,
    ...(index === undefined ? {} : { index }),
    ...(label === undefined ? {} : { label }),
  }
}

const activations = /\((sigmoid|tanh|leakyRelu|prelu|hardSigmoid|softsign|thresholdedRelu|shrink|softmax)\)/

function warningsOf(
  { result, compiled, plan, batching, rules }: TargetRun,
  at: number,
  complete: boolean,
): AttributionWarning[] {
  const warnings: AttributionWarning[] = []
  const silent = Object.values(result.attributions).every(tensor =>
    (rowsOf(tensor as Tensor, at, 1).data as Float32Array).every(value => value === 0),
  )
  if (silent)
    warnings.push({
      code: 'TARGET_SATURATED',
      message: `The gradient is zero everywhere: "${compiled.valueName}" is flat at this input (a final ReLU at 0, or a saturated function). Explain ${compiled.before === undefined ? 'the value before it' : `"${compiled.before}", the value before it`}.`,
    })
  for (const name of plan.unconnected)
    warnings.push({
      code: 'NOT_CONNECTED',
      message: `The target does not depend on "${name}"; its scores are zeros.`,
    })
  // Operations that are linear are the same for rectifiers' rule sets; of activations a reader must know.
  const isOfRectifiers = rules?.name === 'guided' || rules?.name === 'deconvolution'
  const others = isOfRectifiers ? plan.fallbacks.filter(name => activations.test(name)) : plan.fallbacks
  const listed = `${others.slice(0, 5).join(', ')}${others.length > 5 ? ' …' : ''}`
  const isLifted = rules?.name === 'deepLift' && others.every(name => name.endsWith('(softmax)'))
  const remedy = isLifted ? " With softmax: 'exact' they do." : ''
  if (others.length > 0)
    warnings.push({
      code: 'RULE_FALLBACK',
      message: isOfRectifiers
        ? `The rule says nothing of ${others.length} activations, which kept their derivative: ${listed}.`
        : `The rule holds in part, or not at all, for ${others.length} operations, and what they share out need not add up: ${listed}.${remedy}`,
    })
  if (rules?.startsFromValue) {
    const value = result.objective[at]!
    checkPrecision(
      result,
      at,
      value,
      Math.abs(value),
      "Take `preset: 'epsilonPlusFlat'`, or `bias: 'absorb'`.",
    )
  }
  const missed = complete ? completenessWarning(result, at) : undefined
  if (missed !== undefined && others.length === 0) warnings.push(missed)
  if (batching.notice) warnings.push(batching.notice)
  return warnings
}

/** Warnings that several targets share are said once. */
const distinct = (warnings: readonly AttributionWarning[]): AttributionWarning[] => [
  ...new Map(warnings.map(warning => [`${warning.code} ${warning.message}`, warning])).values(),
]

/** The scores of one value, for each target a row, and where they come from. */
export interface Scored {
  readonly name: string
  readonly units: Units
  readonly rows: readonly Float32Array[]
  readonly example: Example
  readonly runs: readonly TargetRun[]
}

/** One value's scores as the result has them: their units, and the scores of each target. */
export interface Presented {
  name: string
  units: Units
  rows: readonly Float32Array[]
  showsPicture: boolean
}

/** What one value's scores become in the result. */
export type Present = (scored: Scored) => Presented | Promise<Presented>

const asTheyAre = ({ name, units, rows, example }: Scored): Presented => ({
  name,
  units,
  rows,
  showsPicture: example.prepared.pictureInput === name,
})

/**
 * The envelope of one example's scores.
 *
 * @param at Which of the examples that went through the loop together.
 * @param several The caller gave a list of targets: scores get a leading target axis.
 * @param complete The method's scores add up to f(input) - f(baseline).
 */
export async function gradientResult(
  model: Model,
  identity: MethodIdentity,
  example: Example,
  runs: readonly TargetRun[],
  at: number,
  several: boolean,
  complete: boolean,
  present: Present = asTheyAre,
): Promise<Attribution> {
  const { prepared } = example
  const targets = runs.map(run => describeTarget(model, run, at))
  const completeness = complete ? runs.flatMap(run => completenessOf(run.result, at) ?? []) : []
  const details = runs[0]?.details
  // Passes that examples share (a baseline's) are split among them.
  const share = (pick: (result: EnsembleResult) => number) =>
    runs.reduce((sum, run) => sum + pick(run.result) / run.choices.length, 0)
  return new Attribution({
    model: { name: model.name, hash: await model.hash() },
    preprocessing: prepared.preprocessing ?? null,
    target: several ? targets : targets[0]!,
    output: runs[0]!.choices[at]!.output,
    method: {
      name: identity.name,
      options: identity.options,
      ...(identity.seed === undefined ? {} : { seed: identity.seed }),
      ...(details ? { details } : {}),
    },
    checks: completeness.length === runs.length ? { completeness } : {},
    warnings: distinct(runs.flatMap(run => warningsOf(run, at, complete))),
    cost: {
      forwardPasses: Math.ceil(share(result => result.forwardPasses)),
      backwardPasses: Math.ceil(share(result => result.backwardPasses)),
      milliseconds: example.explained.milliseconds + share(result => result.milliseconds),
      peakBytes: Math.max(...runs.map(run => run.result.peakBytes)),
    },
    environment: engineEnvironment(
      runs[0]!.plan.device,
      Math.max(...runs.map(run => run.chunk)),
      runs[0]!.plan.precision,
    ),
    inputs: (await presentedValues(model, example, runs, at, present)).map(
      ({ name, units, rows, showsPicture }) => {
        const data = joined(rows)
        return {
          name,
          units,
          scores: {
            dtype: 'f32' as const,
            shape: several ? [runs.length, ...unitShape(units)] : unitShape(units),
            data,
          },
          ...(prepared.picture && showsPicture ? { picture: prepared.picture } : {}),
        }
      },
    ),
  })
}

/** Rows one after the other; a single one that has its buffer for itself as it is. */
function joined(rows: readonly Float32Array[]): Float32Array {
  const [first] = rows
  if (first !== undefined && rows.length === 1 && first.byteLength === first.buffer.byteLength) return first
  const data = new Float32Array(rows.reduce((sum, row) => sum + row.length, 0))
  for (const [i, row] of rows.entries()) data.set(row, i * row.length)
  return data
}

/** The scores of each value as results have them, without what surrounds them there. */
export const presentedValues = (
  model: Model,
  example: Example,
  runs: readonly TargetRun[],
  at: number,
  present: Present = asTheyAre,
): Promise<Presented[]> =>
  Promise.all(
    outputsOf(model, example, runs[0]!).map(async ({ name, planned, units }) => {
      const rows = runs.map(
        run => rowsOf(run.result.attributions[planned] as Tensor, at, 1).data as Float32Array,
      )
      return present({ name, units, rows, example, runs })
    }),
  )

/** What was summed: by default what is explained; else values of a pass, which stand for layers of the model. */
function outputsOf(model: Model, { prepared, explained, tokens }: Example, { result, pass }: TargetRun) {
  if (pass?.outputNames === undefined)
    return explained.names.map(name => ({
      name,
      planned: plannedName(explained)(name),
      units: explained.units[name]!,
    }))
  return pass.outputNames.map(name => {
    const shape = [1, ...result.attributions[name]!.shape.slice(1)]
    return { name, planned: name, units: layerUnits(model, prepared, name, shape, tokens) }
  })
}
