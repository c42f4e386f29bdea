/** Of metrics that draw random numbers. */
export const seedOption = {
  seed: {
    kind: 'integer',
    default: 0,
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Of what is drawn; equal seeds and sample names give equal values whatever the batch.',
  },
} as const
