import { AscribeError } from '../../errors.js'
import type { Explainable } from '../../model/explainable.js'
import { Model } from '../../model/model.js'
import { BlackBox } from './blackBox.js'

/** Refuses what is neither a model nor a black box; a promise of one is what is given most often. */
export function expectExplainable(model: Explainable): void {
  if (model instanceof Model || model instanceof BlackBox) return
  throw new AscribeError('OPTION_TYPE', 'Expected a Model or a black box to explain', {
    hint: 'loadModel gives models; fromFunction, fromOnnxRuntime and fromHttp black boxes. Await what is promised.',
  })
}
