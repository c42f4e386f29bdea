import type { AnswerSimilarity } from '../../context/answerSimilarity.js'
import { AscribeError } from '../../errors.js'
import { generating } from '../../language/decoding.js'
import { RemoteGenerator } from '../../language/remote/remoteGenerator.js'
import type { TextGenerator } from '../../language/services.js'
import { Model } from '../../model/model.js'
import { typeError } from '../../validate.js'

/** A model of this process that writes text; or, for an {@link AnswerSimilarity} alone, anything that writes texts. */
export type PerturbedModel = Model | TextGenerator

/** @throws AscribeError MODEL_CAPABILITY for models that do not predict tokens one by one; OPTION_TYPE */
export function checkedSubject(subject: PerturbedModel): PerturbedModel {
  if (subject instanceof Model) generating(subject)
  else if (typeof subject?.generate !== 'function')
    throw typeError('model', 'a Model, or something that generates texts', subject)
  return subject
}

/** @throws AscribeError MODEL_CAPABILITY for a method that was made for a generator, with what that lacks. */
export function modelOf(subject: PerturbedModel, lacking = ''): Model {
  if (subject instanceof Model) return subject
  throw new AscribeError('MODEL_CAPABILITY', `The method was made for a generator${lacking}`, {
    hint: 'It traces an AnswerSimilarity of that generator.',
  })
}

/** @throws AscribeError OPTION_RANGE for answers of another generator. */
export function checkAnswersOf({ generator }: AnswerSimilarity, subject: PerturbedModel): void {
  if (generator !== subject)
    throw new AscribeError(
      'OPTION_RANGE',
      'The answers are those of another generator than the method is made for',
    )
}

/** How a generator stands in results: nothing is known of what is inside. */
export const generatorIdentity = (generator: TextGenerator): { name: string; hash: string } => ({
  name: generator instanceof RemoteGenerator ? generator.endpoint.model : 'a generator',
  hash: 'unknown',
})
