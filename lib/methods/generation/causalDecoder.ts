import { AscribeError } from '../../errors.js'
import type { CausalDecoder } from '../../frontends/checkpoints/family.js'
import type { CheckpointWeights } from '../../frontends/checkpoints/weights.js'
import { generating } from '../../language/decoding.js'
import type { Model } from '../../model/model.js'

/** The decoder of a model that goes on from the text that it reads. @throws AscribeError MODEL_CAPABILITY */
export function causalDecoder(model: Model): { decoder: CausalDecoder; weights: CheckpointWeights } {
  const { checkpoint, decoder } = generating(model)
  if (decoder.encode !== undefined)
    throw new AscribeError(
      'MODEL_CAPABILITY',
      `Model ${model.name} reads one text and writes another, and this is for models that go on from what they read`,
      {
        hint: 'explainGeneration, with methods on gradients or attention, ReAGent or ValueZeroing, explains its generated tokens.',
      },
    )
  return { decoder, weights: checkpoint.weights }
}
