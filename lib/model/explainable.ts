import type { GraphDescription } from '#typings/addon.js'
import type { Tokenizer } from '../data/tokenizer/tokenizer.js'
import type { Model } from './model.js'

/** What methods that only run a model need of it: a {@link Model}, or a black box that is run elsewhere. */
export type Explainable = Pick<
  Model,
  'name' | 'inputs' | 'outputs' | 'labels' | 'preprocessing' | 'batchAxis' | 'named' | 'hash' | 'run'
> & {
  /** Where texts are given. */
  readonly tokenizer?: Tokenizer | undefined
  /** Where the inside of the model is known. */
  readonly graph?: GraphDescription
}
