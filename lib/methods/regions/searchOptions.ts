import { regionOptions } from './regionOptions.js'

const weight = (value: number, description: string) =>
  ({ kind: 'number', default: value, minimum: 0, description }) as const

/** Weights of the set function, by name, with a method's defaults. */
export const weightOptions = (consistency: number, collaboration: number, confidence: number) =>
  ({
    consistency: weight(consistency, 'Weight of the probability of what a set of regions shows.'),
    collaboration: weight(collaboration, 'Weight of 1 less the probability of what remains without the set.'),
    confidence: weight(confidence, 'Weight of how sure the model is of what the set shows.'),
  }) as const

/** Options that every search over regions has. */
export const searchOptions = {
  ...regionOptions,
  features: {
    kind: 'text',
    default: undefined as string | undefined,
    description:
      'Name of the value that is the feature of a region, for effectiveness: the one before the classifier.',
  },
  softmax: {
    kind: 'boolean',
    default: true,
    description:
      'Turn scores into probabilities by a softmax; off for outputs that are probabilities already.',
  },
  goal: {
    kind: 'number',
    default: undefined as number | undefined,
    minimum: 0,
    maximum: 1,
    description: 'Stop once the chosen regions have this probability. Changes the result.',
  },
  budget: {
    kind: 'integer',
    default: undefined as number | undefined,
    minimum: 1,
    description: 'Evaluations that a search may cost; it then gives what it has.',
  },
  pipelined: {
    kind: 'boolean',
    default: false,
    description: 'Fewer, larger batches for up to two evaluations more a step. The result is the same.',
  },
  precision: {
    kind: 'choice',
    choices: ['f32', 'f64'],
    default: 'f32',
    description: 'f64 runs the reference kernels in double: an oracle, slow.',
  },
} as const
