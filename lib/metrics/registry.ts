import { AscribeError } from '../errors.js'
import type { OptionSchema } from '../methods/options.js'
import type { Model } from '../model/model.js'
import { Complexity } from './complexity.js'
import { Comprehensiveness } from './comprehensiveness.js'
import { Deletion } from './deletion.js'
import { FaithfulnessCorrelation, faithfulnessCorrelationOptions } from './faithfulnessCorrelation.js'
import { featuresOption } from './faithfulnessMetric.js'
import { Infidelity, infidelityOptions } from './infidelity.js'
import { Insertion } from './insertion.js'
import { Localisation, localisationOptions } from './localisationMetric.js'
import type { Metric } from './metric.js'
import { MuFidelity, muFidelityOptions } from './muFidelity.js'
import { PixelFlipping, pixelFlippingOptions } from './pixelFlipping.js'
import { RandomLogit, randomLogitOptions } from './randomLogit.js'
import { curveOptions } from './removalCurve.js'
import { Road, roadOptions } from './road.js'
import { SensitivityMax, sensitivityMaxOptions } from './sensitivityMax.js'
import { Sparseness } from './sparseness.js'
import { Sufficiency } from './sufficiency.js'

/** One metric, as the command line and the documentation find it. */
export interface MetricEntry {
  /** Its class's name. */
  readonly name: string
  readonly summary: string
  readonly source: string
  /** Which way is better; a metric may only describe. */
  readonly better: 'higher' | 'lower' | 'neither'
  readonly options: OptionSchema
  /** What stands for a removed feature unless told; absent where nothing is removed. */
  readonly baseline?: '0' | 'minimum'
  /** What a sample must bring beside its input and map. */
  readonly needs?: 'mask' | 'method'
  create(model: Model, options: Record<string, unknown>): Metric
}

/** Every metric that judges maps sample by sample. */
export const metrics: readonly MetricEntry[] = [
  {
    name: 'Insertion',
    summary: 'Area under the score while features come back on the baseline, strongest first.',
    source: 'Petsiuk, Das and Saenko 2018, section 4.2',
    better: 'higher',
    options: curveOptions,
    baseline: '0',
    create: (model, options) => new Insertion(model, options),
  },
  {
    name: 'Deletion',
    summary: 'Area under the score while features are removed, strongest first.',
    source: 'Petsiuk, Das and Saenko 2018, section 4.2',
    better: 'lower',
    options: curveOptions,
    baseline: '0',
    create: (model, options) => new Deletion(model, options),
  },
  {
    name: 'PixelFlipping',
    summary:
      'Score after each step of removal and its area in steps, without the whole input, as Quantus has it.',
    source: 'Bach et al. 2015',
    better: 'lower',
    options: pixelFlippingOptions,
    baseline: 'minimum',
    create: (model, options) => new PixelFlipping(model, options),
  },
  {
    name: 'Comprehensiveness',
    summary:
      'What the score loses without the strongest 1, 5, 10, 20 and 50 % of the features, on average (AOPC) [unconfirmed bins].',
    source: 'DeYoung et al. 2020, section 4.3',
    better: 'higher',
    options: featuresOption,
    baseline: '0',
    create: (model, options) => new Comprehensiveness(model, options),
  },
  {
    name: 'Sufficiency',
    summary:
      'What the score loses with only the strongest 1, 5, 10, 20 and 50 % of the features, on average (AOPC) [unconfirmed bins].',
    source: 'DeYoung et al. 2020, section 4.3',
    better: 'lower',
    options: featuresOption,
    baseline: '0',
    create: (model, options) => new Sufficiency(model, options),
  },
  {
    name: 'Road',
    summary:
      'Whether the class stays the top one while pixels go, strongest first, and are filled from their neighbours.',
    source: 'Rong, Leemann et al. 2022, section 4.3',
    better: 'lower',
    options: roadOptions,
    create: (model, options) => new Road(model, options),
  },
  {
    name: 'Infidelity',
    summary: 'Mean squared difference between what a map says of perturbations and what they change.',
    source: 'Yeh et al. 2019, definition 2.1; perturbations of our choice',
    better: 'lower',
    options: infidelityOptions,
    baseline: '0',
    create: (model, options) => new Infidelity(model, options),
  },
  {
    name: 'MuFidelity',
    summary: "Spearman's correlation between the attribution of random cells and what their removal costs.",
    source: 'Fel et al. 2022',
    better: 'higher',
    options: muFidelityOptions,
    baseline: '0',
    create: (model, options) => new MuFidelity(model, options),
  },
  {
    name: 'FaithfulnessCorrelation',
    summary: "Pearson's correlation between the attribution of random subsets and what their removal costs.",
    source: 'Bhatt, Weller and Moura 2020, section 3.3',
    better: 'higher',
    options: faithfulnessCorrelationOptions,
    baseline: 'minimum',
    create: (model, options) => new FaithfulnessCorrelation(model, options),
  },
  {
    name: 'SensitivityMax',
    summary: 'How far the map moves, relative to its size, when the input hardly does.',
    source: 'Yeh et al. 2019, definition 2.2',
    better: 'lower',
    options: sensitivityMaxOptions,
    needs: 'method',
    create: (_, options) => new SensitivityMax(options),
  },
  {
    name: 'RandomLogit',
    summary: 'How alike the map is to that of another class: rank correlation and cosine.',
    source: 'Sixt, Granz and Landgraf 2020, section 5',
    better: 'lower',
    options: randomLogitOptions,
    needs: 'method',
    create: (_, options) => new RandomLogit(options),
  },
  {
    name: 'Localisation',
    summary: 'Relevance mass and rank accuracy and the pointing game, in the mask of each sample.',
    source: 'Arras, Osman and Samek 2022, section 3.2; Zhang et al. 2018, section 4.3',
    better: 'higher',
    options: localisationOptions,
    needs: 'mask',
    create: (_, options) => new Localisation(options),
  },
  {
    name: 'Sparseness',
    summary: 'Gini index of the sizes of the scores.',
    source: 'Chalasani et al. 2020, section 5',
    better: 'neither',
    options: featuresOption,
    create: (_, options) => new Sparseness(options),
  },
  {
    name: 'Complexity',
    summary: 'Entropy of the shares of the scores, in nats.',
    source: 'Bhatt, Weller and Moura 2020, section 3.4',
    better: 'neither',
    options: featuresOption,
    create: (_, options) => new Complexity(options),
  },
]

const folded = (name: string): string => name.toLowerCase().replace(/[-_ ]/g, '')

/**
 * Finds a metric by its name, in any spelling.
 *
 * @throws AscribeError `OPTION_RANGE`, which lists the metrics.
 */
export function findMetric(name: string): MetricEntry {
  const found = metrics.find(entry => folded(entry.name) === folded(name))
  if (found !== undefined) return found
  throw new AscribeError('OPTION_RANGE', `There is no metric called ${JSON.stringify(name.slice(0, 60))}`, {
    hint: `The metrics are ${metrics.map(entry => entry.name).join(', ')}.`,
  })
}
