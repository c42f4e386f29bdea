import { Attribution, type AttributionInit } from '#lib/attribution/attribution.js'
import { createTensor } from '#lib/data/tensor.js'
import { pillowPixels } from './pillowPixels.js'

/** Everything an attribution needs but targets, checks and inputs. */
export const exampleMetadata = {
  model: { name: 'small.onnx', hash: 'sha256:0123' },
  preprocessing: null,
  output: [
    { index: 3, label: 'cat', value: 2.5, probability: 0.75 },
    { index: 1, label: 'dog', value: 1.25, probability: 0.25 },
  ],
  method: { name: 'IntegratedGradients', options: { steps: 50, quadrature: 'gausslegendre' }, seed: 7 },
  warnings: [{ code: 'TARGET_SATURATED', message: 'the gradient is zero' }],
  cost: { forwardPasses: 52, backwardPasses: 50, milliseconds: 12.5, peakBytes: 1048576 },
  environment: {
    device: 'cpu',
    isa: 'avx2',
    threads: 2,
    chunk: 8,
    precision: 'f32',
    versions: { onednn: '2.6.0' },
  },
} satisfies Partial<AttributionInit>

/** Scores of 3 channels on a grid of 4 x 2 cells over a picture of 8 x 6 pixels, of which the rim is not seen. */
export function pictureAttribution(change: Partial<AttributionInit> = {}): Attribution {
  const scores = Float32Array.from({ length: 24 }, (_, index) => (index % 8) - 3.5 + Math.floor(index / 8))
  return new Attribution({
    ...exampleMetadata,
    target: { kind: 'class', description: 'logit of "cat" (class 3)', index: 3, label: 'cat', value: 2.5 },
    checks: { completeness: [{ delta: 0.01, difference: 2, relative: 0.005 }] },
    inputs: [
      {
        name: 'input',
        units: {
          kind: 'grid',
          layout: 'NCHW',
          channels: 3,
          height: 2,
          width: 4,
          placement: { sourceWidth: 8, sourceHeight: 6, left: 0, top: 1, width: 8, height: 4 },
        },
        scores: createTensor('f32', [1, 3, 2, 4], scores),
        picture: pillowPixels(8, 6),
      },
    ],
    ...change,
  })
}

/** Scores of four tokens and of a 2 x 3 tensor, for two targets. */
export function textAttribution(tokens: string[] = ['not', ' bad', ' at', ' all']): Attribution {
  return new Attribution({
    ...exampleMetadata,
    target: [{ description: 'positive', index: 1, label: 'positive' }, { description: 'negative' }],
    checks: {
      completeness: [
        { delta: 0.5, difference: 1, relative: 0.5 },
        { delta: 0, difference: 0, relative: null },
      ],
      standardError: [0.125, 0.25],
    },
    inputs: [
      {
        name: 'embeddings',
        units: { kind: 'tokens', tokens, features: 2 },
        scores: createTensor('f64', [2, 4, 2], [1, 2, -3, 0.5, 0, 0, 4, -4, 8, 7, 6, 5, 4, 3, 2, 1]),
      },
      {
        name: 'mask',
        units: { kind: 'tensor', shape: [2, 3] },
        scores: createTensor('f32', [2, 2, 3], [1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6]),
      },
    ],
  })
}
