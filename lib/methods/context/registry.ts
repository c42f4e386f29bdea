import type { ContextAttribution } from '../../context/contextAttribution.js'
import type { ContextPrompt, ContextRequest } from '../../context/contextPrompt.js'
import { AscribeError } from '../../errors.js'
import type { Model } from '../../model/model.js'
import { expectString } from '../../validate.js'
import type { OptionSchema } from '../options.js'
import { foldedName } from '../registry.js'
import { at2Options } from './at2.js'
import { attnTraceOptions, type TraceOptions } from './attnTrace.js'
import { perturbedContextEntries } from './perturbedContextEntries.js'
import { selfCitationOptions } from './selfCitation.js'

/** What every method that traces contexts offers. */
export interface ContextMethod {
  readonly model: Model
  /** Scores of the texts of a context. */
  attribute(given: ContextRequest | ContextPrompt, options?: TraceOptions): Promise<ContextAttribution>
}

/** One method that traces contexts, as the command line, a server or an evaluation finds it. */
export interface ContextMethodEntry {
  /** Its published name, which is its class's. */
  readonly name: string
  readonly summary: string
  /** The paper it comes from. */
  readonly source: string
  readonly options: OptionSchema
  /** Loads its class. */
  load(): Promise<(model: Model, options: Record<string, unknown>) => ContextMethod>
}

/** All of them, each under its published name. */
export const contextMethods: readonly ContextMethodEntry[] = [
  {
    name: 'AttnTrace',
    summary:
      "Mean of each text's most read tokens in the attention of the response's rows, over all heads and layers, averaged over random subsets of the texts: one forward pass a subset, no gradients.",
    source:
      'Wang, Geng, Chen and Jia, arXiv 2508.03793; numbers of its code, the body of the paper [unconfirmed]',
    options: attnTraceOptions,
    load: async () => {
      const { AttnTrace } = await import('./attnTrace.js')
      return (model, options) => new AttnTrace(model, options)
    },
  },
  {
    name: 'At2',
    summary:
      "Sum of each text's attention, weighed by weights that heads have learnt (`At2.fit`), or their mean: one forward pass.",
    source: 'Cohen-Wang, Chuang and Madry 2025, arXiv 2504.13752; numbers of its code',
    options: at2Options,
    load: async () => {
      const { At2 } = await import('./at2.js')
      return (model, options) => new At2(model, options)
    },
  },
  ...perturbedContextEntries,
  {
    name: 'SelfCitation',
    summary:
      'Points of the texts that the model names when it is asked which ones, under numbers, an answer stands on: one written answer.',
    source: 'baseline of "TracLLM" (arXiv 2506.04202) and AttnTrace; the prompt is our own [unconfirmed]',
    options: selfCitationOptions,
    load: async () => {
      const { SelfCitation } = await import('./selfCitation.js')
      return (model, options) => new SelfCitation(model, options)
    },
  },
]

/** @throws AscribeError OPTION_RANGE for a name that is none. */
export function findContextMethod(name: string): ContextMethodEntry {
  expectString('method', name)
  const found = contextMethods.find(entry => foldedName(entry.name) === foldedName(name))
  if (found === undefined)
    throw new AscribeError(
      'OPTION_RANGE',
      `There is no method called ${JSON.stringify(name)} that traces contexts`,
      {
        hint: `They are ${contextMethods.map(entry => entry.name).join(', ')}.`,
      },
    )
  return found
}
