import { quadratureRules } from '../inputs/quadrature.js'

/** Of methods that add up gradients along the path of the inputs. */
export const pathOptions = {
  steps: {
    kind: 'integer',
    default: 50,
    minimum: 1,
    maximum: 1_000_000,
    description: 'Points on the path from the baseline to the input.',
  },
  rule: {
    kind: 'choice',
    choices: quadratureRules,
    default: 'gausslegendre',
    description: 'Quadrature along the path.',
  },
} as const
