import type { Model } from '../../model/model.js'
import type { OptionSchema } from '../options.js'
import type { MethodEntry } from '../registry.js'
import { blurIntegratedGradientsOptions } from './blurIntegratedGradients.js'
import { deepLiftOptions } from './deepLift.js'
import { exactIntegratedGradientsOptions } from './exactIntegratedGradients.js'
import { featureAblationOptions } from './featureAblation.js'
import type { GradientMethod } from './gradientMethod.js'
import { gradientShapOptions } from './gradientShap.js'
import { guidedIntegratedGradientsOptions } from './guidedIntegratedGradients.js'
import { idgiOptions } from './idgi.js'

type Make = (model: Model, options: Record<string, unknown>) => GradientMethod

const entry = (
  name: string,
  summary: string,
  source: string,
  options: OptionSchema,
  load: () => Promise<Make>,
): MethodEntry => ({
  name,
  role: 'attribute',
  summary,
  source,
  requires: ['gradients'],
  options,
  wraps: false,
  load,
})

/** Methods that compare with baselines or follow a path, beside integrated gradients and DeepLIFT themselves. */
export const pathEntries: readonly MethodEntry[] = [
  entry(
    'ExactIntegratedGradients',
    'Integrated gradients without a quadrature, for small networks that are linear in pieces: from kink to kink.',
    'Sundararajan, Taly and Yan 2017, equation 1',
    exactIntegratedGradientsOptions,
    async () => {
      const { ExactIntegratedGradients } = await import('./exactIntegratedGradients.js')
      return (model, options) => new ExactIntegratedGradients(model, options)
    },
  ),
  entry(
    'GradientShap',
    'The gradient at random places between baselines of a distribution and the input, times the difference (expected gradients). `baseline` is a tensor [baselines, ...].',
    'Lundberg and Lee 2017; Erion et al. 2021, equation 3',
    gradientShapOptions,
    async () => {
      const { GradientShap } = await import('./gradientShap.js')
      return (model, options) => new GradientShap(model, options)
    },
  ),
  entry(
    'DeepLiftShap',
    'The mean of DeepLIFT over several baselines. `baseline` is a tensor [baselines, ...] of at least 2.',
    'Lundberg and Lee 2017, section 4.2',
    deepLiftOptions,
    async () => {
      const { DeepLiftShap } = await import('./deepLiftShap.js')
      return (model, options) => new DeepLiftShap(model, options)
    },
  ),
  entry(
    'Idgi',
    'What each step of the path changes, shared out by the squared gradient: adds up exactly.',
    'Yang, Wang and Bilgic 2023, algorithm 1',
    idgiOptions,
    async () => {
      const { Idgi } = await import('./idgi.js')
      return (model, options) => new Idgi(model, options)
    },
  ),
  entry(
    'GuidedIntegratedGradients',
    "Integrated gradients on a path on which the inputs with the least gradients move first; the corridor and the defaults are those of the authors' software.",
    'Kapishnikov et al. 2021, algorithm 1',
    guidedIntegratedGradientsOptions,
    async () => {
      const { GuidedIntegratedGradients } = await import('./guidedIntegratedGradients.js')
      return (model, options) => new GuidedIntegratedGradients(model, options)
    },
  ),
  entry(
    'BlurIntegratedGradients',
    "Integrated gradients from a blurred picture to the sharp one, without a baseline; steps and greatest width are those of the authors' software.",
    'Xu, Venugopalan and Sundararajan 2020, equation 4',
    blurIntegratedGradientsOptions,
    async () => {
      const { BlurIntegratedGradients } = await import('./blurIntegratedGradients.js')
      return (model, options) => new BlurIntegratedGradients(model, options)
    },
  ),
  {
    ...entry(
      'FeatureAblation',
      'What the target loses when a feature (a square of pixels, a token, an element, or what `features` says) is replaced by the baseline.',
      'Captum, after Zeiler and Fergus 2014, section 4.2',
      featureAblationOptions,
      async () => {
        const { FeatureAblation } = await import('./featureAblation.js')
        return (model, options) => new FeatureAblation(model, options)
      },
    ),
    requires: [],
  },
]
