import { Attribution } from '../../attribution/attribution.js'
import type { AttributionWarning, Completeness, Json, OutputEntry } from '../../attribution/types.js'
import { createTensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import type { Course } from './generationCourse.js'
import { type GenerationDetails, generationKey } from './groupSteps.js'
import { stepScore } from './predictionScores.js'

/** Texts of the most likely tokens, for a result of one step. */
async function mostLikely({ model, distributions, options }: Course): Promise<OutputEntry[]> {
  if (distributions.length !== 1) return []
  const { logits } = distributions[0]!
  const order = Array.from(logits as Float32Array, (_, at) => at).sort(
    (a, b) => logits[b]! - logits[a]! || a - b,
  )
  const entries: OutputEntry[] = []
  for (const index of order.slice(0, 5)) {
    const label = await model.tokenizer?.decode([index], { specials: true, signal: options.signal })
    entries.push({
      index,
      ...(label === undefined ? {} : { label }),
      value: logits[index]!,
      probability: stepScore('probability', { ...distributions[0]!, token: index }),
    })
  }
  return entries
}

/** Attributions of steps as one whose targets they are. */
export async function merged(course: Course, found: readonly Attribution[]): Promise<Attribution> {
  const { model, sequence, positions, distributions, options } = course
  const [first] = found as [Attribution]
  // Methods that only run the model explain a function of their own.
  const ownKind = first.targets[0]!.kind ?? 'regression'
  const of = ownKind === 'regression' ? course.of : ownKind
  const { units, name } = first.inputs[0]!
  const { tokens, text, offsets } = sequence
  const features = units.kind === 'tokens' ? units.features : undefined
  const shape = [tokens.length, ...(features === undefined ? [] : [features])]
  const length = shape.reduce((product, size) => product * size, 1)
  const data = new Float32Array(length * found.length)
  for (const [at, each] of found.entries()) {
    const given = each.inputs.map(({ scores }) => scores.shape)
    const parts = sequence.sourceTokens > 0 && given.length > 1 ? partLengths(sequence) : [tokens.length]
    const isWhole =
      given.map(String).join(' ') === parts.map(part => [part, ...shape.slice(1)].join()).join(' ')
    if (units.kind !== 'tokens' || !isWhole)
      throw new AscribeError(
        'MODEL_CAPABILITY',
        `${first.method.name} gives scores of shape [${given.join('], [')}], not one for each of ${tokens.length} tokens`,
      )
    let place = at * length
    for (const { scores } of each.inputs) {
      data.set(scores.data as Float32Array, place)
      place += scores.data.length
    }
  }
  const stepScores = Object.fromEntries(
    (options.stepScores ?? []).map(each => [each, distributions.map(step => stepScore(each, step))]),
  )
  const details: GenerationDetails = {
    promptTokens: sequence.promptTokens,
    ...(sequence.sourceTokens > 0 ? { sourceTokens: sequence.sourceTokens } : {}),
    ids: sequence.ids,
    positions,
    lengths: positions.map(() => 1),
    stepScores,
  }
  const { contrast } = options
  const asked = {
    function: of,
    aggregation: options.aggregation ?? 'sum',
    ...(options.topK === undefined ? {} : { topK: options.topK }),
    ...(options.topP === undefined ? {} : { topP: options.topP }),
    ...(options.dropout === undefined ? {} : { dropout: { ...options.dropout } }),
    ...(contrast === undefined ? {} : { contrast: JSON.parse(JSON.stringify(contrast)) as Json }),
  }
  const completeness = found.flatMap(({ checks }): readonly Completeness[] => checks.completeness ?? [])
  return new Attribution({
    model: { name: model.name, hash: await model.hash() },
    target: positions.map((place, at) => {
      const label = tokens[place]!
      const value = first.targets[0]!.value === undefined ? undefined : found[at]!.targets[0]!.value
      return {
        description: `${of} of ${JSON.stringify(label)} (token ${sequence.ids[place]})`,
        kind: of,
        output: 'logits',
        index: sequence.ids[place]!,
        label,
        ...(value === undefined ? {} : { value }),
      }
    }),
    output: await mostLikely(course),
    method: {
      ...first.method,
      options: { ...first.method.options, ...asked },
      details: { ...stepDetails(found), [generationKey]: details as unknown as Json },
    },
    checks: completeness.length === found.length ? { completeness } : {},
    warnings: distinct(found.flatMap(({ warnings }) => warnings)),
    cost: {
      forwardPasses: found.reduce((sum, { cost }) => sum + cost.forwardPasses, 1),
      backwardPasses: found.reduce((sum, { cost }) => sum + cost.backwardPasses, 0),
      milliseconds: found.reduce((sum, { cost }) => sum + cost.milliseconds, 0),
      peakBytes: Math.max(...found.map(({ cost }) => cost.peakBytes ?? 0)),
    },
    environment: first.environment,
    inputs: [
      {
        name,
        units: {
          kind: 'tokens',
          tokens,
          ...(features === undefined ? {} : { features }),
          ...(text === undefined || offsets === undefined ? {} : { text, offsets }),
        },
        scores: createTensor('f32', [found.length, ...shape], data),
      },
    ],
  })
}

/** What an encoder reads and what a decoder does, in tokens. */
const partLengths = ({ ids, sourceTokens }: Course['sequence']): number[] => [
  sourceTokens,
  ids.length - sourceTokens,
]

/** What came out of the runs: once where it is the same for all steps, else step by step. */
function stepDetails(found: readonly Attribution[]): { [name: string]: Json } {
  const all = found.map(({ method }) => method.details ?? {})
  const names = [...new Set(all.flatMap(details => Object.keys(details)))]
  return Object.fromEntries(
    names.map((name): [string, Json] => {
      const values = all.map(details => details[name] ?? null)
      const isShared = values.every(value => JSON.stringify(value) === JSON.stringify(values[0]))
      return [name, isShared ? values[0]! : values]
    }),
  )
}

/** Warnings that several steps share are said once. */
const distinct = (warnings: readonly AttributionWarning[]): AttributionWarning[] => [
  ...new Map(warnings.map(warning => [`${warning.code} ${warning.message}`, warning])).values(),
]
