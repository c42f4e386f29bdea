import { AscribeError } from '../../errors.js'
import type { Model } from '../../model/model.js'
import { integratedGradientsOptions } from '../inputs/integratedGradients.js'
import { neuronGradientOptions } from '../neurons/neuronGradient.js'
import type { Neuron } from '../neurons/neuronTarget.js'
import type { OptionSchema } from '../options.js'
import type { CreateMethod, MethodEntry } from '../registry.js'
import { layerConductanceOptions } from './layerConductance.js'
import { layerIntegratedGradientsOptions } from './layerIntegratedGradients.js'
import { pathOptions } from './pathOptions.js'

const entry = (
  name: string,
  summary: string,
  source: string,
  options: OptionSchema,
  load: () => Promise<CreateMethod>,
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

/** How a unit is written where options are texts: the command line. */
const neuronOptions = {
  unitLayer: { kind: 'text', default: 'last-convolution', description: 'The layer of the unit.' },
  unit: {
    kind: 'text',
    default: '0',
    description: 'Its place in the layer: along each axis (3,10,12), or one number in the flattened layer.',
  },
} as const satisfies OptionSchema

type NeuronMethod = new (
  model: Model,
  neuron: Neuron,
  options: Record<string, unknown>,
) => ReturnType<CreateMethod>

/** A class of its second argument, made from options that are all texts or numbers. */
const ofUnit =
  (Class: NeuronMethod): CreateMethod =>
  (model, given) => {
    const {
      unitLayer = neuronOptions.unitLayer.default,
      unit = neuronOptions.unit.default,
      ...options
    } = given
    if (typeof unitLayer !== 'string' || typeof unit !== 'string' || !/^\d{1,9}(,\d{1,9})*$/.test(unit))
      throw new AscribeError('OPTION_TYPE', 'Say which unit: unitLayer, and unit as 3,10,12 or 5')
    return new Class(model, { layer: unitLayer, index: unit.split(',').map(Number) }, options)
  }

/** Methods whose scores belong to a layer, or whose output is a unit of one. */
export const layerEntries: readonly MethodEntry[] = [
  entry('LayerActivation', 'What a layer holds.', 'Captum', {}, async () => {
    const { LayerActivation } = await import('./layerActivation.js')
    return (model, options) => new LayerActivation(model, options as Record<string, never>)
  }),
  entry(
    'LayerGradientXActivation',
    'What a layer holds, times the gradient of the target in it.',
    'Captum, after Shrikumar et al. 2016',
    {},
    async () => {
      const { LayerGradientXActivation } = await import('./layerGradientXActivation.js')
      return (model, options) => new LayerGradientXActivation(model, options as Record<string, never>)
    },
  ),
  entry(
    'LayerIntegratedGradients',
    'The integral of the gradient in a layer along the way that it goes while the inputs go straight [unconfirmed], or along its own straight way.',
    'Sundararajan, Taly and Yan 2017; Dhamdhere, Sundararajan and Yan 2019',
    layerIntegratedGradientsOptions,
    async () => {
      const { LayerIntegratedGradients } = await import('./layerIntegratedGradients.js')
      return (model, options) => new LayerIntegratedGradients(model, options)
    },
  ),
  entry(
    'LayerConductance',
    'What of the change of the target flows through each unit of a layer: adds up for a layer that everything passes.',
    'Dhamdhere, Sundararajan and Yan 2019, definition 1',
    layerConductanceOptions,
    async () => {
      const { LayerConductance } = await import('./layerConductance.js')
      return (model, options) => new LayerConductance(model, options)
    },
  ),
  entry(
    'InternalInfluence',
    'The mean gradient of the target in a layer along the path of the inputs.',
    'Leino et al. 2018, definition 1',
    pathOptions,
    async () => {
      const { InternalInfluence } = await import('./internalInfluence.js')
      return (model, options) => new InternalInfluence(model, options)
    },
  ),
  entry(
    'NeuronGradient',
    'The gradient of a unit inside the model.',
    'Captum, after Simonyan, Vedaldi and Zisserman 2014',
    { ...neuronOptions, ...neuronGradientOptions },
    async () => ofUnit((await import('../neurons/neuronGradient.js')).NeuronGradient),
  ),
  entry(
    'NeuronIntegratedGradients',
    'Integrated gradients of a unit inside the model.',
    'Sundararajan, Taly and Yan 2017',
    { ...neuronOptions, ...integratedGradientsOptions },
    async () => ofUnit((await import('../neurons/neuronIntegratedGradients.js')).NeuronIntegratedGradients),
  ),
  entry(
    'NeuronConductance',
    "What of each input's integrated gradient flows through one unit.",
    'Dhamdhere, Sundararajan and Yan 2019, definition 2',
    { ...neuronOptions, ...pathOptions },
    async () => ofUnit((await import('../neurons/neuronConductance.js')).NeuronConductance),
  ),
]
