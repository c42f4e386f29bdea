import { createTensor, type Tensor } from '../../data/tensor.js'
import { type PredictionName, predictionReads } from '../../graph/predictionTarget.js'
import type { Model } from '../../model/model.js'
import type { AttributeOptions } from '../inputs/gradientMethod.js'
import type { ExplainedSequence } from './explainedSequence.js'
import type { Contrasts } from './generationContrasts.js'
import type { ExplainGenerationOptions } from './generationOptions.js'
import type { StepDistribution } from './predictionScores.js'

/** Everything that is known of the steps before a method is asked. */
export interface Course {
  readonly model: Model
  readonly sequence: ExplainedSequence
  /** Places of the explained tokens among all. */
  readonly positions: readonly number[]
  readonly of: PredictionName
  readonly contrasts: Contrasts
  readonly distributions: readonly StepDistribution[]
  readonly options: ExplainGenerationOptions
}

const integers = (shape: number[], values: readonly number[]): Tensor =>
  createTensor('i64', shape, BigInt64Array.from(values, BigInt))

/** What a model reads of a sequence: one text, or where an encoder reads the first part and a decoder the rest, both. */
function readText({
  ids,
  sourceTokens,
}: Pick<ExplainedSequence, 'ids' | 'sourceTokens'>): Record<string, Tensor> {
  const all = (list: readonly number[]) => integers([1, list.length], list)
  if (sourceTokens === 0) return { input_ids: all(ids) }
  const source = ids.slice(0, sourceTokens)
  return {
    input_ids: all(source),
    attention_mask: all(source.map(() => 1)),
    decoder_input_ids: all(ids.slice(sourceTokens)),
  }
}

/** What one step gives the model that is explained. */
export function stepInputs({ sequence, positions, of, contrasts, distributions }: Course, at: number) {
  const reads = predictionReads(of)
  const { token, contrast, noisy } = distributions[at]!
  const reference = contrasts.logits?.[at]
  return {
    ...readText(sequence),
    row: integers([1], [positions[at]! - 1 - sequence.sourceTokens]),
    ...(reads === 'token' || reads === 'contrast' ? { token: integers([1, 1], [token]) } : {}),
    ...(reads === 'contrast' ? { contrast: integers([1, 1], [contrast]) } : {}),
    ...(of === 'mcDropoutProbability' && noisy
      ? {
          noisy_mean: createTensor('f32', [1], Float32Array.of(noisy.mean)),
          noisy_deviation: createTensor('f32', [1], Float32Array.of(noisy.deviation)),
        }
      : {}),
    ...(reference && (reads === 'contrast' || reads === 'distributions')
      ? { reference: createTensor('f32', [1, reference.length], reference.slice()) }
      : {}),
  }
}

/** Texts have padding in place of their tokens, where the tokenizer has any; see `explainedValues`. */
export function baselineOf({ model, sequence, options }: Course): AttributeOptions['baseline'] {
  const padding = model.tokenizer?.padding
  if (options.baseline !== undefined || padding === undefined) return options.baseline
  const ids = sequence.ids.map((id, at) => (sequence.offsets?.[at] === null ? id : padding))
  const { attention_mask: _, ...absent } = readText({ ...sequence, ids })
  return absent
}
