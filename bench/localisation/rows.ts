import type { AttributeOptions, Attributer, Model } from '#lib/index.js'
import { namedMethod } from '#lib/methods/namedMethod.js'
import { type MethodEntry, methods } from '#lib/methods/registry.js'
import { AttnLrp, LayerwiseRelevance, TransformerAttribution } from '#lib/relevance.js'

/** The models whose truth is known: the pair of convolution nets, and the vision transformer, which is a sound one. */
export type SceneModel = 'sound' | 'shortcut' | 'transformer'

/** One method with its options, as one row of the table for each of its models. */
export interface MeasuredMethod {
  readonly label: string
  /** The entry of the registry that it measures; none for what is behind an import of its own. */
  readonly entry?: string
  readonly models: readonly SceneModel[]
  readonly make: (model: Model) => Attributer | Promise<Attributer>
  /** It is asked with several baselines, in place of one of 0. */
  readonly severalBaselines?: boolean
  readonly options?: AttributeOptions
  readonly scenes?: number
}

interface Variant {
  /** What differs from the defaults, as the table says it. */
  readonly says?: string
  readonly options?: Readonly<Record<string, unknown>>
  readonly base?: { readonly name: string; readonly options?: Readonly<Record<string, unknown>> }
  /** The first so many scenes alone, of methods that take hundreds of passes each. */
  readonly scenes?: number
}

const few = 12
const signed = { name: 'Saliency', options: { absolute: false } }

/** Where a method is measured with other options than its defaults, or more than once. */
const variants: Readonly<Record<string, readonly Variant[]>> = {
  IntegratedGradients: [{ says: '32 steps', options: { steps: 32 } }],
  GuidedIntegratedGradients: [{ scenes: few, says: '50 steps', options: { steps: 50 } }],
  LayerIntegratedGradients: [{ says: '16 steps', options: { steps: 16 } }],
  LayerConductance: [{ says: '16 parts', options: { steps: 16 } }],
  InternalInfluence: [{ says: '16 steps', options: { steps: 16 } }],
  ScoreCam: [{ scenes: few }],
  Occlusion: [{ scenes: few }],
  Hsic: [{ scenes: few }],
  GradientShap: [{ scenes: few }],
  LeGrad: [{}, { says: 'scores of layers', options: { scores: 'layers' } }],
  GradCam: [{}, { says: 'relu', options: { relu: true } }],
  BlurIntegratedGradients: [{ scenes: few, says: '32 steps', options: { steps: 32 } }],
  Rise: [{ scenes: few, says: '400 masks', options: { samples: 400 } }],
  Lime: [{ scenes: few, says: '200 masks', options: { samples: 200 } }],
  KernelShap: [{ scenes: few, says: '200 coalitions', options: { samples: 200 } }],
  ShapleyValueSampling: [{ scenes: few, says: '8 permutations', options: { permutations: 8 } }],
  OwenValues: [{ scenes: few, says: '200 passes', options: { budget: 200 } }],
  Sobol: [{ scenes: few, says: '4 samples', options: { samples: 4 } }],
  Lima: [{ scenes: few, says: '36 regions', options: { regionCount: 36 } }],
  Smdl: [{ scenes: few, says: '25 regions, no features', options: { regionCount: 25, effectiveness: 0 } }],
  ShapleyValues: [{ scenes: few, says: '3 x 3 cells', options: { regions: 'grid', regionCount: 9 } }],
  SmoothGrad: [
    { says: 'of Saliency, 32', base: signed, options: { samples: 32 } },
    {
      says: 'of IG, 8 x 8',
      base: { name: 'IntegratedGradients', options: { steps: 8 } },
      options: { samples: 8 },
    },
  ],
  SmoothGradSquared: [{ says: 'of Saliency, 32', base: signed, options: { samples: 32 } }],
  VarGrad: [{ says: 'of Saliency, 32', base: signed, options: { samples: 32 } }],
}

/** Why a method of the registry has no row: a new one that is not named here is measured, by its defaults. */
export const withoutRow: Readonly<Record<string, string>> = {
  ExactIntegratedGradients: 'for small networks that are linear in pieces, at one gradient a piece',
  NeuronGradient: 'explains a unit inside the model, of which nobody knows what it uses',
  NeuronIntegratedGradients: 'explains a unit inside the model, of which nobody knows what it uses',
  NeuronConductance: 'explains a unit inside the model, of which nobody knows what it uses',
  ReAGent: 'explains tokens that a language model generates',
  ValueZeroing: 'explains tokens that a language model generates',
}

/** On the transformer too, beside the methods that read attention. */
const onEveryModel = ['Saliency', 'InputXGradient', 'IntegratedGradients', 'GradCam', 'EigenCam', 'Occlusion']
const ofLayers = /^Layer(Activation|GradientXActivation|IntegratedGradients|Conductance)$|^InternalInfluence$/

function measured(entry: MethodEntry, { says, options = {}, base, scenes }: Variant): MeasuredMethod {
  const pair = ['sound', 'shortcut'] as const
  return {
    label: says === undefined ? entry.name : `${entry.name}${says.startsWith('of ') ? ' ' : ', '}${says}`,
    entry: entry.name,
    models: entry.requires.includes('attention')
      ? ['transformer']
      : onEveryModel.includes(entry.name)
        ? [...pair, 'transformer']
        : pair,
    make: model => namedMethod(model, { name: entry.name, options, ...(base ? { base } : {}) }),
    severalBaselines: entry.name === 'GradientShap' || entry.name === 'DeepLiftShap',
    ...(ofLayers.test(entry.name) ? { options: { layer: 'last-maps' } } : {}),
    ...(scenes === undefined ? {} : { scenes }),
  }
}

/** Every method of the registry that has a row, in its order, and those of relevance behind them. */
export const measuredMethods: readonly MeasuredMethod[] = [
  ...methods
    .filter(({ name }) => withoutRow[name] === undefined)
    .flatMap(entry => (variants[entry.name] ?? [{}]).map(variant => measured(entry, variant))),
  {
    label: 'LRP epsilonPlusFlat',
    models: ['sound', 'shortcut'],
    make: model => new LayerwiseRelevance(model, { preset: 'epsilonPlusFlat' }),
  },
  { label: 'AttnLrp', models: ['transformer'], make: model => new AttnLrp(model) },
  {
    label: 'TransformerAttribution',
    models: ['transformer'],
    make: model => new TransformerAttribution(model),
  },
]
