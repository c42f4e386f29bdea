import { Attribution } from '../../attribution/attribution.js'
import type { AttributionWarning, Completeness, Json } from '../../attribution/types.js'
import { type Units, unitShape } from '../../attribution/units.js'
import type { Played } from '../../games/play.js'
import type { SamplerResult } from '../../games/samplers/samplerResult.js'
import type { Target } from '../../graph/target.js'
import type { Batching } from '../../model/batching.js'
import type { Explainable } from '../../model/explainable.js'
import { engineEnvironment } from '../engineEnvironment.js'
import type { Choice, MethodIdentity } from '../inputs/gradientResult.js'
import type { RegionInput } from './regionInput.js'

/** One target's share of a call; lists run parallel to the examples. */
export interface PerturbationRun {
  readonly target: Target
  readonly choices: readonly Choice[]
  readonly played: readonly Played<SamplerResult>[]
  readonly shown: readonly { units: Units; data: Float32Array }[]
  readonly milliseconds: number
  readonly peakBytes: number
  readonly device: string
  readonly precision: string | undefined
  readonly chunk: number
  readonly notice: Batching['notice']
}

/** Scores of more regions than this are in the map alone. */
const listedScores = 4096

/** The envelope of one example's scores. */
export async function perturbationResult(
  model: Explainable,
  identity: MethodIdentity,
  { prepared, input, regions }: RegionInput,
  runs: readonly PerturbationRun[],
  at: number,
  several: boolean,
  complete: boolean,
): Promise<Attribution> {
  const targets = runs.map(run => describeTarget(model, run, at))
  const completeness = complete ? runs.flatMap(run => completenessOf(run.played[at]!.result) ?? []) : []
  const errors = runs.flatMap(run => run.played[at]!.standardError ?? [])
  const { units } = runs[0]!.shown[at]!
  const data = new Float32Array(runs.length * runs[0]!.shown[at]!.data.length)
  for (const [index, run] of runs.entries()) {
    const own = run.shown[at]!.data
    data.set(own, index * own.length)
  }
  return new Attribution({
    model: { name: model.name, hash: await model.hash() },
    preprocessing: prepared.preprocessing ?? null,
    target: several ? targets : targets[0]!,
    output: runs[0]!.choices[at]!.output,
    method: {
      name: identity.name,
      options: identity.options as { [option: string]: Json },
      ...(identity.seed === undefined ? {} : { seed: identity.seed }),
      details: detailsOf(runs, at, regions),
    },
    checks: {
      ...(completeness.length === runs.length ? { completeness } : {}),
      ...(errors.length === runs.length && errors.every(Number.isFinite) ? { standardError: errors } : {}),
    },
    warnings: warningsOf(runs, at),
    cost: {
      // The input itself was run once to find its class.
      forwardPasses: runs.reduce((sum, run) => sum + 1 + run.played[at]!.evaluations, 0),
      backwardPasses: 0,
      milliseconds: runs.reduce((sum, run) => sum + run.milliseconds, 0),
      peakBytes: Math.max(...runs.map(run => run.peakBytes)),
    },
    environment: engineEnvironment(runs[0]!.device, runs[0]!.chunk, runs[0]!.precision),
    inputs: [
      {
        name: input,
        units,
        scores: {
          dtype: 'f32',
          shape: several ? [runs.length, ...unitShape(units)] : unitShape(units),
          data,
        },
        ...(prepared.picture && prepared.pictureInput === input ? { picture: prepared.picture } : {}),
      },
    ],
  })
}

function describeTarget(model: Explainable, { target, choices, played }: PerturbationRun, at: number) {
  const index = choices[at]!.class
  const label = index === undefined ? undefined : model.labels?.[index]
  const output = target.options.output ?? model.outputs[0]!.name
  const what =
    index === undefined
      ? `${target.description.kind} of ${output}`
      : `${target.options.score ?? 'logit'} of ${label === undefined ? `class ${index}` : `"${label}" (class ${index})`}`
  const { full } = played[at]!.result
  return {
    description: what,
    kind: target.description.kind,
    output,
    ...(full === undefined ? {} : { value: full }),
    ...(index === undefined ? {} : { index }),
    ...(label === undefined ? {} : { label }),
  }
}

function completenessOf({ scores, full, empty }: SamplerResult): Completeness | undefined {
  if (full === undefined || empty === undefined) return undefined
  const difference = full - empty
  const delta = scores.reduce((sum, score) => sum + score, 0) - difference
  return { delta, difference, relative: difference === 0 ? null : Math.abs(delta / difference) }
}

function detailsOf(runs: readonly PerturbationRun[], at: number, regions: RegionInput['regions']) {
  const each = runs.map(({ played }): { [name: string]: Json } => {
    const { result, ending, evaluations } = played[at]!
    return {
      ending,
      evaluations,
      samples: result.samples,
      ...(result.intercept === undefined ? {} : { intercept: result.intercept }),
      ...(result.scores.length === regions.count && regions.count <= listedScores
        ? { regionScores: [...result.scores] }
        : {}),
      ...(result.errors?.length === regions.count &&
      regions.count <= listedScores &&
      result.errors.every(Number.isFinite)
        ? { regionErrors: [...result.errors] }
        : {}),
    }
  })
  const shared = { regions: { kind: regions.kind, count: regions.count, shape: [...regions.shape] } }
  return each.length === 1 ? { ...shared, ...each[0]! } : { ...shared, targets: each }
}

function warningsOf(runs: readonly PerturbationRun[], at: number): AttributionWarning[] {
  const all = runs.flatMap(({ played, notice }) => [
    ...played[at]!.result.warnings,
    ...(notice ? [notice] : []),
    ...(played[at]!.ending === 'budget'
      ? [
          {
            code: 'BUDGET_SPENT',
            message: 'The budget ended before the method was done; the scores are what was known by then.',
          },
        ]
      : []),
  ])
  return [...new Map(all.map(warning => [`${warning.code} ${warning.message}`, warning])).values()]
}
