/** Options that several methods over contexts have. */
export const permutationOptions = {
  permutations: {
    kind: 'integer',
    default: 20,
    minimum: 1,
    maximum: 1_000_000,
    description: 'Random orders in which texts enter; each costs a pass for every text at most.',
  },
} as const

export const shareOption = {
  share: {
    kind: 'number',
    default: 0.2,
    minimum: 0,
    exclusive: true,
    maximum: 1,
    description: "Share of a text's contributions that count, the greatest ones; at least one does.",
  },
} as const

export const contextSeedOption = {
  seed: {
    kind: 'integer',
    default: 0,
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Of the random draws.',
  },
} as const
