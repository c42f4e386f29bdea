import { AscribeError } from '../errors.js'
import type { Model } from '../model/model.js'
import { expectString } from '../validate.js'
import { attentionRolloutOptions } from './attention/attentionRollout.js'
import { gradientXAttentionOptions } from './attention/gradientXAttention.js'
import { leGradOptions } from './attention/leGrad.js'
import { rawAttentionOptions } from './attention/rawAttention.js'
import type { AttributionMethod } from './attributionMethod.js'
import { reAGentOptions } from './generation/reAGent.js'
import { valueZeroingOptions } from './generation/valueZeroing.js'
import { biasedOption } from './inputs/biasedOption.js'
import { deepLiftOptions } from './inputs/deepLift.js'
import type { GradientMethod } from './inputs/gradientMethod.js'
import { integratedGradientsOptions } from './inputs/integratedGradients.js'
import { pathEntries } from './inputs/pathEntries.js'
import { saliencyOptions } from './inputs/saliency.js'
import { smoothGradOptions } from './inputs/smoothGrad.js'
import { camOptions, guidedGradCamOptions, scoreCamOptions } from './layers/camOptions.js'
import { layerEntries } from './layers/layerEntries.js'
import type { OptionSchema } from './options.js'
import { limaOptions } from './regions/lima.js'
import { perturbationEntries } from './regions/perturbationEntries.js'
import { smdlOptions } from './regions/smdl.js'

/** What a model must offer. */
export type Capability = 'gradients' | 'attention' | 'generation'

/** Makes a method for a model. `base` is the method that a wrapping method goes around. */
export type CreateMethod = (
  model: Model,
  options: Record<string, unknown>,
  base?: GradientMethod,
) => AttributionMethod

/** One attribution method, as the command line, a server or an evaluation finds it. */
export interface MethodEntry {
  /** Its published name, which is its class's. */
  readonly name: string
  readonly role: 'attribute'
  readonly summary: string
  /** The paper it comes from. */
  readonly source: string
  readonly requires: readonly Capability[]
  readonly options: OptionSchema
  /** It goes around another method, {@link MethodEntry.name} `Saliency` unless told. */
  readonly wraps: boolean
  /** Loads its class. */
  load(): Promise<CreateMethod>
}

const noise = async (name: 'SmoothGrad' | 'SmoothGradSquared' | 'VarGrad'): Promise<CreateMethod> => {
  const module = await import('./inputs/smoothGrad.js')
  return (model, options, base) => new module[name](base ?? model, options)
}

const rectifier = async (name: 'GuidedBackprop' | 'Deconvolution'): Promise<CreateMethod> => {
  const module = await import('./inputs/rectifierMethods.js')
  return (model, options) => new module[name](model, options as Record<string, never>)
}

const cams = {
  Cam: [
    "The head's weights of the class on the channels of the last layer, for models that end in a mean and a linear head.",
    'Zhou et al. 2016, equation 2',
  ],
  GradCam: [
    'Channels of a layer weighed by the mean of their gradient: a coarse map.',
    'Selvaraju et al. 2017, equations 1 and 2',
  ],
  GradCamPlusPlus: [
    'Grad-CAM with gradients weighed by place before they are summed; published codes differ [unconfirmed].',
    'Chattopadhay et al. 2018, equation 19',
  ],
  HiResCam: ['Gradient times activation of a layer, place by place.', 'Draelos and Carin 2020'],
  GradCamElementwise: [
    'Gradient times activation of a layer, positive elements alone.',
    'pytorch-grad-cam, after HiResCAM',
  ],
  LayerCam: ['Positive gradients times activations of a layer.', 'Jiang et al. 2021, equation 6'],
  XGradCam: [
    'Channels of a layer weighed by their gradient where they are active.',
    'Fu et al. 2020, equation 9',
  ],
} as const

/** Maps that are made without gradients. */
const forwardCams = {
  ScoreCam: [
    'Channels of a layer weighed by what the target makes of the picture masked with their map; a forward pass each.',
    'Wang et al. 2020, equations 3 to 6',
    async () => (await import('./layers/scoreCam.js')).ScoreCam,
  ],
  AblationCam: [
    'Channels of a layer weighed by the share of the target that is lost without them; a forward pass of what follows each.',
    'Desai and Ramaswamy 2020, equations 4 and 5',
    async () => (await import('./layers/ablationCam.js')).AblationCam,
  ],
  EigenCam: [
    'The first principal component of a layer: the same map for every target.',
    'Muhammad and Yeasin 2020, equation 4',
    async () => (await import('./layers/eigenCam.js')).EigenCam,
  ],
} as const

const forwardCamEntries = Object.entries(forwardCams).map(
  ([name, [summary, source, load]]): MethodEntry => ({
    name,
    role: 'attribute',
    summary: `${summary} The layer is the last of maps (of a transformer: the tokens that its last attention reads) unless it is named.`,
    source,
    requires: [],
    options: name === 'ScoreCam' ? scoreCamOptions : camOptions,
    wraps: false,
    load: async () => {
      const Class = await load()
      return (model, options) => new Class(model, options)
    },
  }),
)

const camEntries = Object.entries(cams).map(
  ([name, [summary, source]]): MethodEntry => ({
    name,
    role: 'attribute',
    summary: `${summary} The layer is the last of maps (of a transformer: the tokens that its last attention reads) unless it is named.`,
    source,
    requires: ['gradients'],
    options: camOptions,
    wraps: false,
    load: async () => {
      const module = await import('./layers/cam.js')
      return (model, options) => new module[name as keyof typeof cams](model, options)
    },
  }),
)

const attentionEntries: readonly MethodEntry[] = [
  {
    name: 'RawAttention',
    role: 'attribute',
    summary:
      "Where a layer's class token, or the tokens that the target reads, look: probabilities of one attention layer, mean over heads.",
    source: 'Bahdanau, Cho and Bengio 2015; Vaswani et al. 2017, section 3.2.1',
    requires: ['attention'],
    options: rawAttentionOptions,
    wraps: false,
    load: async () => {
      const { RawAttention } = await import('./attention/rawAttention.js')
      return (model, options) => new RawAttention(model, options)
    },
  },
  {
    name: 'AttentionRollout',
    role: 'attribute',
    summary:
      'What of each token reaches the read one, if attention alone moved information: the product of all layers, half of each handed on as it is. The same for every target that reads the same tokens.',
    source: 'Abnar and Zuidema 2020, section 3',
    requires: ['attention'],
    options: attentionRolloutOptions,
    wraps: false,
    load: async () => {
      const { AttentionRollout } = await import('./attention/attentionRollout.js')
      return (model, options) => new AttentionRollout(model, options)
    },
  },
  {
    name: 'GradientXAttention',
    role: 'attribute',
    summary:
      "Relevance that goes from token to token by the positive part of attention times the target's gradient in it.",
    source: 'Chefer, Gur and Wolf 2021 (ICCV), equations 5 and 6',
    requires: ['attention', 'gradients'],
    options: gradientXAttentionOptions,
    wraps: false,
    load: async () => {
      const { GradientXAttention } = await import('./attention/gradientXAttention.js')
      return (model, options) => new GradientXAttention(model, options)
    },
  },
  {
    name: 'LeGrad',
    role: 'attribute',
    summary:
      "The positive part of the target's gradient in every layer's attention where a query may look, mean over heads, queries and layers.",
    source: 'Bousselham et al. 2024, whose own form is `scores: layers`',
    requires: ['attention', 'gradients'],
    options: leGradOptions,
    wraps: false,
    load: async () => {
      const { LeGrad } = await import('./attention/leGrad.js')
      return (model, options) => new LeGrad(model, options)
    },
  },
]

const generationEntries: readonly MethodEntry[] = [
  {
    name: 'ReAGent',
    role: 'attribute',
    summary:
      'Random replacements of tokens, and what they do to the probability of a generated one, until a few kept tokens bring it back: forward passes alone, hundreds to thousands of them. Scores add up to 1.',
    source:
      'Zhao and Shan 2024, arXiv 2402.00794; defaults of its code and of Inseq, the settings of the paper [unconfirmed]',
    requires: ['generation'],
    options: reAGentOptions,
    wraps: false,
    load: async () => {
      const { ReAGent } = await import('./generation/reAGent.js')
      return (model, options) => new ReAGent(model, options)
    },
  },
  {
    name: 'ValueZeroing',
    role: 'attribute',
    summary:
      "How much the state that predicts a token changes, layer by layer, when another token's value vector is zero in that layer's attention: how tokens are mixed, whatever follows. One forward pass for each token.",
    source: 'Mohebbi et al. 2023, with the aggregation of Inseq',
    requires: ['generation', 'attention'],
    options: valueZeroingOptions,
    wraps: false,
    load: async () => {
      const { ValueZeroing } = await import('./generation/valueZeroing.js')
      return (model, options) => new ValueZeroing(model, options)
    },
  },
]

/** Every method, in the order in which they are listed. */
export const methods: readonly MethodEntry[] = [
  {
    name: 'Saliency',
    role: 'attribute',
    summary: 'The gradient of the target, by default its absolute value.',
    source: 'Simonyan, Vedaldi and Zisserman 2014, section 3',
    requires: ['gradients'],
    options: saliencyOptions,
    wraps: false,
    load: async () => {
      const { Saliency } = await import('./inputs/saliency.js')
      return (model, options) => new Saliency(model, options)
    },
  },
  {
    name: 'InputXGradient',
    role: 'attribute',
    summary: 'The input times the gradient.',
    source: 'Shrikumar et al. 2016, section 3.2',
    requires: ['gradients'],
    options: {},
    wraps: false,
    load: async () => {
      const { InputXGradient } = await import('./inputs/inputXGradient.js')
      return (model, options) => new InputXGradient(model, options as Record<string, never>)
    },
  },
  {
    name: 'GuidedBackprop',
    role: 'attribute',
    summary:
      'The gradient, of which ReLUs pass back only what is positive, where they were open. Hardly depends on the upper layers: it fails the parameter randomisation check.',
    source: 'Springenberg et al. 2015, section 3.4',
    requires: ['gradients'],
    options: {},
    wraps: false,
    load: () => rectifier('GuidedBackprop'),
  },
  {
    name: 'Deconvolution',
    role: 'attribute',
    summary:
      'The gradient, of which ReLUs pass back only what is positive. Hardly depends on the class, and without max pooling not on the picture: see the sanity checks in metrics.md.',
    source: 'Zeiler and Fergus 2014, section 2.1',
    requires: ['gradients'],
    options: {},
    wraps: false,
    load: () => rectifier('Deconvolution'),
  },
  {
    name: 'IntegratedGradients',
    role: 'attribute',
    summary:
      'The mean gradient on the path from a baseline, times the difference: adds up to the change of the output.',
    source: 'Sundararajan, Taly and Yan 2017',
    requires: ['gradients'],
    options: integratedGradientsOptions,
    wraps: false,
    load: async () => {
      const { IntegratedGradients } = await import('./inputs/integratedGradients.js')
      return (model, options) => new IntegratedGradients(model, options)
    },
  },
  {
    name: 'DeepLift',
    role: 'attribute',
    summary:
      'What the target gains over a baseline, shared out by what each activation gained: adds up to the change of the output.',
    source: 'Shrikumar, Greenside and Kundaje 2017, rescale rule',
    requires: ['gradients'],
    options: deepLiftOptions,
    wraps: false,
    load: async () => {
      const { DeepLift } = await import('./inputs/deepLift.js')
      return (model, options) => new DeepLift(model, options)
    },
  },
  ...pathEntries,
  ...layerEntries,
  ...camEntries,
  ...forwardCamEntries,
  {
    name: 'GuidedGradCam',
    role: 'attribute',
    summary:
      'Guided backpropagation times the positive part of Grad-CAM, enlarged to the picture: fine and of one class, as far as the guided pass can be.',
    source: 'Selvaraju et al. 2017, section 3.2',
    requires: ['gradients'],
    options: guidedGradCamOptions,
    wraps: false,
    load: async () => {
      const { GuidedGradCam } = await import('./layers/guidedGradCam.js')
      return (model, options) => new GuidedGradCam(model, options)
    },
  },
  ...attentionEntries,
  ...generationEntries,
  ...perturbationEntries,
  {
    name: 'Lima',
    role: 'attribute',
    summary:
      'Regions in the order in which they keep the decision, by a greedy search from both ends with forward passes alone; the weights of the tables are [unconfirmed].',
    source: 'arXiv 2504.00470',
    requires: [],
    options: limaOptions,
    wraps: false,
    load: async () => {
      const { Lima } = await import('./regions/lima.js')
      return (model, options) => new Lima(model, options)
    },
  },
  {
    name: 'Smdl',
    role: 'attribute',
    summary:
      'Regions by greedy selection from one end, with evidential confidence where a head gives it; the cosine form is [unconfirmed].',
    source: 'arXiv 2402.09164 (ICLR 2024)',
    requires: [],
    options: smdlOptions,
    wraps: false,
    load: async () => {
      const { Smdl } = await import('./regions/smdl.js')
      return (model, options) => new Smdl(model, options)
    },
  },
  {
    name: 'SmoothGrad',
    role: 'attribute',
    summary: "The mean of a method's scores over noisy copies of the input.",
    source: 'Smilkov et al. 2017',
    requires: ['gradients'],
    options: smoothGradOptions,
    wraps: true,
    load: () => noise('SmoothGrad'),
  },
  {
    name: 'SmoothGradSquared',
    role: 'attribute',
    summary: "The mean of a method's squared scores over noisy copies of the input.",
    source: 'Hooker et al. 2019',
    requires: ['gradients'],
    options: smoothGradOptions,
    wraps: true,
    load: () => noise('SmoothGradSquared'),
  },
  {
    name: 'VarGrad',
    role: 'attribute',
    summary: "The variance of a method's scores over noisy copies of the input.",
    source: 'Adebayo et al. 2018',
    requires: ['gradients'],
    options: { ...smoothGradOptions, ...biasedOption },
    wraps: true,
    load: () => noise('VarGrad'),
  },
]

/** `IntegratedGradients`, `integrated-gradients` and `integratedgradients` are one name. */
export const foldedName = (name: string): string => name.toLowerCase().replace(/[-_ ]/g, '')

/**
 * Finds a method by its name, in any spelling.
 *
 * @throws AscribeError `OPTION_RANGE`, which lists the methods.
 */
export function findMethod(name: string): MethodEntry {
  expectString('method', name)
  const found = methods.find(entry => foldedName(entry.name) === foldedName(name))
  if (found !== undefined) return found
  throw new AscribeError('OPTION_RANGE', `There is no method called ${JSON.stringify(name.slice(0, 60))}`, {
    hint: `The methods are ${methods.map(entry => entry.name).join(', ')}.`,
  })
}
