import { Attribution } from '../../attribution/attribution.js'
import { type GroupReduction, reduceGroup, type TokenGroup } from '../../attribution/groups.js'
import type { Json, TargetDescription } from '../../attribution/types.js'
import type { TokenUnits } from '../../attribution/units.js'
import { arrayConstructors, createTensor } from '../../data/tensor.js'

/** What an attribution of a generation holds beside its scores, in the details of its method. */
export interface GenerationDetails {
  /** Tokens of the prompt. */
  readonly promptTokens: number
  /** Of these, those that an encoder reads; absent where the model goes on from what it reads. */
  readonly sourceTokens?: number
  /** Ids of all tokens; absent where tokens were put together. */
  readonly ids?: readonly number[]
  /** Places of the steps among all tokens, and how many tokens each is. */
  readonly positions: readonly number[]
  readonly lengths: readonly number[]
  /** Numbers of each step, by name. */
  readonly stepScores: { readonly [name: string]: readonly number[] }
}

/** The name of {@link GenerationDetails} among a method's details. */
export const generationKey = 'generation'

export interface Rebuilt {
  readonly inputs: Attribution['inputs']
  readonly target: readonly TargetDescription[]
  readonly details?: GenerationDetails
  /** For the list of what was done. */
  readonly how: string
}

/** An attribution with other scores and targets; checks of the old ones are gone. */
export function rebuiltGeneration(from: Attribution, { inputs, target, details, how }: Rebuilt): Attribution {
  const { model, preprocessing, output, method, warnings, cost, environment, processing } = from
  const own = details === undefined ? {} : { [generationKey]: details as unknown as Json }
  return new Attribution(
    {
      model,
      preprocessing,
      output,
      warnings,
      cost,
      environment,
      target,
      method: { ...method, details: { ...method.details, ...own } },
      processing: [...processing, { step: 'aggregate', how }],
      inputs,
    },
    from.libraryVersion,
  )
}

/** What step scores of several tokens become, where that is not their sum: probabilities of one behind the other multiply. */
const scoreReductions: Readonly<Record<string, GroupReduction>> = {
  probability: 'product',
  contrastProbability: 'product',
  perplexity: 'product',
  topPSize: 'mean',
}

/** Steps in one group become one; `from` has its tokens put together by the same groups already. */
export function groupSteps(
  from: Attribution,
  groups: readonly TokenGroup[],
  how: GroupReduction,
  details: GenerationDetails,
): Attribution {
  const groupOf = new Map(groups.flatMap(({ tokens }, group) => tokens.map(token => [token, group] as const)))
  const steps = new Map<number, number[]>()
  for (const [at, position] of details.positions.entries()) {
    const group = groupOf.get(position)!
    steps.set(group, [...(steps.get(group) ?? []), at])
  }
  const { scores, units } = from.inputs[0]!
  const width = scores.data.length / from.targets.length
  const data = new arrayConstructors[scores.dtype](steps.size * width)
  for (const [row, own] of [...steps.values()].entries())
    for (let column = 0; column < width; column++)
      data[row * width + column] = reduceGroup(
        how,
        own.map(at => scores.data[at * width + column]!),
      )
  const reduced = (name: string, values: readonly number[]) =>
    [...steps.values()].map(own =>
      reduceGroup(
        scoreReductions[name] ?? 'sum',
        own.map(at => values[at]!),
      ),
    )
  return rebuiltGeneration(from, {
    target: [...steps].map(([group, own]) =>
      groupedTarget(
        own.map(at => from.targets[at]!),
        (units as TokenUnits).tokens[group]!,
        how,
      ),
    ),
    how: `steps: ${how}`,
    inputs: [{ ...from.inputs[0]!, scores: createTensor(scores.dtype, [steps.size, width], data) }],
    details: {
      promptTokens: groupOf.get(details.promptTokens)!,
      positions: [...steps.keys()],
      lengths: [...steps.values()].map(own => own.reduce((sum, at) => sum + details.lengths[at]!, 0)),
      stepScores: Object.fromEntries(
        Object.entries(details.stepScores).map(([name, values]) => [name, reduced(name, values)]),
      ),
    },
  })
}

function groupedTarget(
  targets: readonly TargetDescription[],
  label: string,
  how: GroupReduction,
): TargetDescription {
  const [first] = targets as [TargetDescription]
  if (targets.length === 1) return { ...first, label }
  const values = targets.map(({ value }) => value)
  const addsUp = how === 'sum' && values.every(value => value !== undefined)
  return {
    description: `${how} over ${targets.length} tokens: ${JSON.stringify(label)}`,
    ...(first.kind === undefined ? {} : { kind: first.kind }),
    ...(first.output === undefined ? {} : { output: first.output }),
    label,
    ...(addsUp ? { value: (values as number[]).reduce((sum, value) => sum + value, 0) } : {}),
  }
}
