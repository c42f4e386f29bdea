import type { Target } from '../../graph/target.js'
import type { Model } from '../../model/model.js'
import type { Explained } from '../inputs/gradientMethod.js'
import type { OptionSchema } from '../options.js'
import type { Capability } from '../registry.js'
import { type TcavExamples, type TcavResult, tcavOptions } from './tcav.js'

/** What every method that tests concepts in a layer offers. */
export interface ConceptTest {
  readonly layer: string
  test(
    inputs: readonly Explained[],
    target: Target | number | string,
    examples: TcavExamples,
  ): Promise<TcavResult>
}

/** One method on concepts, as the command line, a server or an evaluation finds it. */
export interface ConceptMethodEntry {
  /** Its published name, which is its class's. */
  readonly name: string
  readonly role: 'test'
  readonly summary: string
  /** The paper it comes from. */
  readonly source: string
  readonly requires: readonly Capability[]
  readonly options: OptionSchema
  /** Loads its class. */
  load(): Promise<(model: Model, layer: string, options: Record<string, unknown>) => ConceptTest>
}

/** All of them. */
export const conceptMethods: readonly ConceptMethodEntry[] = [
  {
    name: 'Tcav',
    role: 'test',
    summary:
      'How much a target rises as a layer moves towards a concept that examples define, and whether that is more than chance: `ascribe tcav`.',
    source: 'Kim et al. 2018, sections 3.2 to 3.5; the test of significance [unconfirmed]',
    requires: ['gradients'],
    options: tcavOptions,
    load: async () => {
      const { Tcav } = await import('./tcav.js')
      return (model, layer, options) => new Tcav(model, { ...options, layer })
    },
  },
]
