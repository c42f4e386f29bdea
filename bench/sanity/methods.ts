import {
  Deconvolution,
  DeepLift,
  GradCam,
  GradCamPlusPlus,
  type GradientMethod,
  GuidedBackprop,
  HiResCam,
  InputXGradient,
  IntegratedGradients,
  LayerCam,
  type Model,
  Saliency,
  SmoothGrad,
  XGradCam,
} from '#lib/index.js'
import { LayerwiseRelevance } from '#lib/relevance.js'

const makers = {
  Saliency: model => new Saliency(model),
  'SmoothGrad of Saliency, 8 samples': model => new SmoothGrad(model, { samples: 8 }),
  InputXGradient: model => new InputXGradient(model),
  'IntegratedGradients, 16 steps': model => new IntegratedGradients(model, { steps: 16 }),
  DeepLift: model => new DeepLift(model),
  GuidedBackprop: model => new GuidedBackprop(model),
  Deconvolution: model => new Deconvolution(model),
  GradCam: model => new GradCam(model),
  'GradCam, relu': model => new GradCam(model, { relu: true }),
  GradCamPlusPlus: model => new GradCamPlusPlus(model),
  HiResCam: model => new HiResCam(model),
  LayerCam: model => new LayerCam(model),
  XGradCam: model => new XGradCam(model),
  'LRP epsilonPlusFlat': model => new LayerwiseRelevance(model, { preset: 'epsilonPlusFlat' }),
} satisfies Record<string, (model: Model) => GradientMethod>

export type SanityMethod = keyof typeof makers

/** The methods whose sanity is checked, by what tables call them: all, or those named, in that order. */
export const sanityMethods = (
  names = Object.keys(makers) as readonly SanityMethod[],
): readonly [name: SanityMethod, make: (model: Model) => GradientMethod][] =>
  names.map(name => [name, makers[name]])
