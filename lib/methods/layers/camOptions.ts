import type { Given } from '../options.js'

/** What becomes of a map, and where the places of a transformer's tokens are. */
export const camOptions = {
  relu: {
    kind: 'boolean',
    default: false,
    description: 'Keep only what speaks for the target; off: the signed map.',
  },
  normalize: {
    kind: 'choice',
    choices: ['none', 'minMax'],
    default: 'none',
    description:
      'Bring each map to 0 … 1: its least value is taken off, and it is divided by its greatest and 1e-7, before and after it is enlarged, as pytorch-grad-cam does.',
  },
  upsample: {
    kind: 'choice',
    choices: ['none', 'bilinear'],
    default: 'none',
    description: "Enlarge the map to the pixels of the model's input; none: the layer's own size.",
  },
  gridHeight: {
    kind: 'integer',
    default: 0,
    minimum: 0,
    maximum: 65_536,
    description: 'Rows of the grid that the tokens of a transformer make; 0: it is square, and found.',
  },
  gridWidth: {
    kind: 'integer',
    default: 0,
    minimum: 0,
    maximum: 65_536,
    description: 'Its columns; 0: found.',
  },
  leadingTokens: {
    kind: 'integer',
    default: -1,
    minimum: -1,
    maximum: 65_536,
    description: 'Tokens before the grid that are no places (a class token, registers); -1: found.',
  },
} as const

export type CamOptions = Given<typeof camOptions>

const { gridHeight, gridWidth, leadingTokens } = camOptions

export const guidedGradCamOptions = {
  interpolation: {
    kind: 'choice',
    choices: ['bilinear', 'nearest'],
    default: 'bilinear',
    description:
      'How the map is enlarged to the pixels of the model\'s input; "nearest" is what Captum does.',
  },
  gridHeight,
  gridWidth,
  leadingTokens,
} as const

export type GuidedGradCamOptions = Given<typeof guidedGradCamOptions>

/** Of {@link ScoreCam}. */
export const scoreCamOptions = {
  ...camOptions,
  masks: {
    kind: 'choice',
    choices: ['centres', 'corners'],
    default: 'centres',
    description:
      'How maps are laid over the picture to mask it: middles of places on middles of what they cover, or corners on corners, as pytorch-grad-cam has it.',
  },
} as const

export type ScoreCamOptions = Given<typeof scoreCamOptions>
