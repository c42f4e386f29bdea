/** Whose attention is read, and how tokens lie on a picture: options that the methods on attention share. */
export const placeOptions = {
  classTokens: {
    kind: 'integer',
    default: undefined,
    minimum: 0,
    maximum: 64,
    description: 'Tokens before the patches of a picture; found from shapes unless given.',
  },
  gridWidth: {
    kind: 'integer',
    default: undefined,
    minimum: 1,
    maximum: 65_536,
    description: 'Patches in a row of a picture; found from shapes unless given.',
  },
} as const

export const rowOptions = {
  row: {
    kind: 'choice',
    choices: ['auto', 'first', 'last', 'mean'],
    default: 'auto',
    description:
      'Whose attention is read: the tokens that the target reads (found by a gradient of the last attention), the first (a class token), the last, or the mean of all.',
  },
  position: {
    kind: 'integer',
    default: undefined,
    minimum: 0,
    description: 'The one token whose attention is read, in place of row.',
  },
} as const

export const headOptions = {
  heads: {
    kind: 'choice',
    choices: ['mean', 'max', 'min'],
    default: 'mean',
    description: 'How the heads of a layer become one matrix.',
  },
} as const
