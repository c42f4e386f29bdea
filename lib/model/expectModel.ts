import { AscribeError } from '../errors.js'
import { describeValue } from '../validate.js'
import { Model } from './model.js'

/** Refuses what is no model; a promise of one is what is given most often. @throws AscribeError OPTION_TYPE */
export function expectModel(model: unknown): Model {
  if (model instanceof Model) return model
  throw new AscribeError('OPTION_TYPE', `expected a model, received ${describeValue(model)}`, {
    hint: 'loadModel gives models. Await what is promised.',
  })
}
