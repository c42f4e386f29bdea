import { contextCiteOptions } from './contextCite.js'
import { contextShapleyOptions } from './contextShapley.js'
import { denoisedShapleyOptions } from './denoisedShapley.js'
import type { ContextMethodEntry } from './registry.js'
import { tracLlmOptions } from './tracLlm.js'

const tracLlm = 'Wang et al. 2025, "TracLLM" (arXiv 2506.04202)'

/** Methods that leave texts of a context out, in the order in which they are listed. */
export const perturbedContextEntries: readonly ContextMethodEntry[] = [
  {
    name: 'ContextCite',
    summary:
      "A sparse linear surrogate of the response's log-odds over random subsets of the texts: what keeping each adds.",
    source: 'Cohen-Wang, Shah, Georgiev and Madry 2024',
    options: contextCiteOptions,
    load: async () => {
      const { ContextCite } = await import('./contextCite.js')
      return (model, options) => new ContextCite(model, options)
    },
  },
  {
    name: 'TracLLM',
    summary:
      'The few texts that matter most, by halving the context and keeping the best parts; the greatest of three scores for each.',
    source: tracLlm,
    options: tracLlmOptions,
    load: async () => {
      const { TracLLM } = await import('./tracLlm.js')
      return (model, options) => new TracLLM(model, options)
    },
  },
  {
    name: 'SingleTextContribution',
    summary: 'How much likelier each text by itself makes the response than no text does.',
    source: tracLlm,
    options: {},
    load: async () => {
      const { SingleTextContribution } = await import('./singleTextContribution.js')
      return (model, options) => new SingleTextContribution(model, options)
    },
  },
  {
    name: 'ContextLeaveOneOut',
    summary:
      'How much less likely the response is without each text; blind where several texts say the same.',
    source: tracLlm,
    options: {},
    load: async () => {
      const { ContextLeaveOneOut } = await import('./contextLeaveOneOut.js')
      return (model, options) => new ContextLeaveOneOut(model, options)
    },
  },
  {
    name: 'ContextShapley',
    summary: "Shapley values of the texts in the game of the response's log-probability, by random orders.",
    source: 'Shapley 1953; 20 orders as TracLLM',
    options: contextShapleyOptions,
    load: async () => {
      const { ContextShapley } = await import('./contextShapley.js')
      return (model, options) => new ContextShapley(model, options)
    },
  },
  {
    name: 'DenoisedShapley',
    summary: 'The mean of the greatest contributions of each text over random orders.',
    source: tracLlm,
    options: denoisedShapleyOptions,
    load: async () => {
      const { DenoisedShapley } = await import('./denoisedShapley.js')
      return (model, options) => new DenoisedShapley(model, options)
    },
  },
]
