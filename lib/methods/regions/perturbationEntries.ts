import type { Model } from '../../model/model.js'
import type { AttributionMethod } from '../attributionMethod.js'
import type { OptionSchema } from '../options.js'
import type { MethodEntry } from '../registry.js'
import { hsicOptions } from './hsic.js'
import { kernelShapOptions } from './kernelShap.js'
import { leaveOneOutOptions } from './leaveOneOut.js'
import { limeOptions } from './lime.js'
import { occlusionOptions } from './occlusion.js'
import { owenValuesOptions } from './owenValues.js'
import { riseOptions } from './rise.js'
import { shapleyValueSamplingOptions } from './shapleyValueSampling.js'
import { shapleyValuesOptions } from './shapleyValues.js'
import { sobolOptions } from './sobol.js'

const entry = (
  name: string,
  summary: string,
  source: string,
  options: OptionSchema,
  load: () => Promise<(model: Model, options: Record<string, unknown>) => AttributionMethod>,
): MethodEntry => ({ name, role: 'attribute', summary, source, requires: [], options, wraps: false, load })

/** Methods that run a model, or a black box, on masked inputs. */
export const perturbationEntries: readonly MethodEntry[] = [
  entry(
    'Occlusion',
    'What the target loses when a window of the input is covered, window by window.',
    'Zeiler and Fergus 2014, section 4.2; overlaps and edges as Captum',
    occlusionOptions,
    async () => {
      const { Occlusion } = await import('./occlusion.js')
      return (model, options) => new Occlusion(model, options)
    },
  ),
  entry(
    'LeaveOneOut',
    'What the target loses without each region.',
    'Zeiler and Fergus 2014, section 4.2, over regions',
    leaveOneOutOptions,
    async () => {
      const { LeaveOneOut } = await import('./leaveOneOut.js')
      return (model, options) => new LeaveOneOut(model, options)
    },
  ),
  entry(
    'Rise',
    'The mean of smooth random masks, weighted with the target under each: a smooth map, no surrogate.',
    'Petsiuk, Das and Saenko 2018; a mask has its own place, its enlargement is as in Xplique',
    riseOptions,
    async () => {
      const { Rise } = await import('./rise.js')
      return (model, options) => new Rise(model, options)
    },
  ),
  entry(
    'Lime',
    'Coefficients of a linear surrogate over random masks, by how near they are to the input; in the forms of Xplique and of Captum.',
    'Ribeiro, Singh and Guestrin 2016, algorithm 1',
    limeOptions,
    async () => {
      const { Lime } = await import('./lime.js')
      return (model, options) => new Lime(model, options)
    },
  ),
  entry(
    'KernelShap',
    'Shapley values of regions by weighted least squares: signed, and adding up exactly.',
    'Lundberg and Lee 2017, theorem 2',
    kernelShapOptions,
    async () => {
      const { KernelShap } = await import('./kernelShap.js')
      return (model, options) => new KernelShap(model, options)
    },
  ),
  entry(
    'ShapleyValueSampling',
    'Shapley values of regions by random permutations: adding up after each.',
    'Castro, Gómez and Tejada 2009',
    shapleyValueSamplingOptions,
    async () => {
      const { ShapleyValueSampling } = await import('./shapleyValueSampling.js')
      return (model, options) => new ShapleyValueSampling(model, options)
    },
  ),
  entry(
    'ShapleyValues',
    'Shapley values of at most 20 regions from all coalitions.',
    'Shapley 1953',
    shapleyValuesOptions,
    async () => {
      const { ShapleyValues } = await import('./shapleyValues.js')
      return (model, options) => new ShapleyValues(model, options)
    },
  ),
  entry(
    'OwenValues',
    'Shapley values of regions in nested groups that come together: few passes go where something happens.',
    'Owen 1977; halved pictures as the partition explainer of shap',
    owenValuesOptions,
    async () => {
      const { OwenValues } = await import('./owenValues.js')
      return (model, options) => new OwenValues(model, options)
    },
  ),
  entry(
    'Hsic',
    'How much the target depends on each cell of a grid. Unsigned: cells that suppress the target rank high too.',
    'Novello, Fel and Vigouroux 2022, in the form of Xplique',
    hsicOptions,
    async () => {
      const { Hsic } = await import('./hsic.js')
      return (model, options) => new Hsic(model, options)
    },
  ),
  entry(
    'Sobol',
    "How much of the target's variance under random masks each cell of a grid takes part in. Unsigned, as Hsic.",
    'Fel et al. 2021, in the form of Xplique',
    sobolOptions,
    async () => {
      const { Sobol } = await import('./sobol.js')
      return (model, options) => new Sobol(model, options)
    },
  ),
]
