/** Of VarGrad, beside what every method with noise has. */
export const biasedOption = {
  biased: {
    kind: 'boolean',
    default: false,
    description: 'Divide by n instead of n - 1, as Captum does.',
  },
} as const
