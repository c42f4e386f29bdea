import type { Units } from '../attribution/units.js'
import { fitPreprocessing } from '../data/fitPreprocessing.js'
import { Image } from '../data/image.js'
import { preprocess } from '../data/preprocess.js'
import type { Preprocessing } from '../data/preprocessing.js'
import type { Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import type { Explainable } from './explainable.js'
import type { Model, ModelInputs } from './model.js'
import { checkPositions } from './positionLimit.js'
import { textInputs } from './textInputs.js'

/** One example as the model takes it, and what is known about where it came from. */
export interface PreparedInput {
  tensors: Record<string, Tensor>
  units: Record<string, Units>
  picture?: Image
  pictureInput?: string
  preprocessing?: Preprocessing
  /** The text that the tensors were made of, as tokens. */
  text?: PreparedText
}

/** A text as a model takes it: one token for each position, fillers included. */
export interface PreparedText {
  readonly text: string
  readonly tokens: readonly string[]
  readonly offsets: readonly (readonly [number, number] | null)[]
}

/** Pictures go through the model's preprocessing, texts through its tokenizer; tensors are taken as they are. */
export async function prepareInput(
  model: Explainable,
  input: Image | string | ModelInputs,
  signal?: AbortSignal,
): Promise<PreparedInput> {
  if (input instanceof Image) return preparePicture(model, input)
  if (typeof input !== 'string') return prepareTensors(model, input)
  const { tensors, ...text } = await textInputs(model, input, signal)
  return { ...prepareTensors(model, tensors), text }
}

function prepareTensors(model: Explainable, input: ModelInputs): PreparedInput {
  const tensors = model.named(input)
  if ('graph' in model) checkPositions(model as Model, tensors)
  const units: Record<string, Units> = {}
  for (const [name, tensor] of Object.entries(tensors)) {
    if (tensor.shape[0] !== 1 && tensor.shape.length > 0 && model.batchAxis.kind !== 'none')
      throw new AscribeError('INPUT_SHAPE', `Input "${name}" holds ${tensor.shape[0]} examples, expected 1`, {
        hint: 'Give one example at a time; attributeBatch takes a list of them.',
      })
    const [, channels, height, width] = tensor.shape
    units[name] =
      tensor.shape.length === 4 && tensor.shape[0] === 1 && (channels === 1 || channels === 3)
        ? { kind: 'grid', layout: 'NCHW', channels, height: height!, width: width!, placement: null }
        : { kind: 'tensor', shape: [...tensor.shape] }
  }
  return { tensors, units }
}

async function preparePicture(model: Explainable, picture: Image): Promise<PreparedInput> {
  const target = model.inputs.filter(input => input.shape?.length === 4)
  const only = target[0]
  if (target.length !== 1 || model.inputs.length !== 1 || only?.shape === undefined)
    throw new AscribeError(
      'INPUT_MISSING',
      'The model does not take one picture; give its inputs as tensors, by name',
    )
  if (model.preprocessing === undefined)
    throw new AscribeError(
      'PREPROCESSING_REQUIRED',
      `How pictures become the input of ${model.name} is not known`,
      {
        hint: "Pass `preprocessing` to loadModel: a preset ('imagenet', 'caffe-bgr', 'clip', 'inception', 'none'), a description, or a preprocessor_config.json.",
      },
    )
  const preprocessing = fitPreprocessing(model.preprocessing, only.shape)
  const { tensor, placement } = await preprocess(picture, preprocessing)
  const [a, b, c] = tensor.shape.slice(1) as [number, number, number]
  const [channels, height, width] = preprocessing.layout === 'NCHW' ? [a, b, c] : [c, a, b]
  return {
    tensors: { [only.name]: tensor },
    units: {
      [only.name]: { kind: 'grid', layout: preprocessing.layout, channels, height, width, placement },
    },
    picture,
    pictureInput: only.name,
    preprocessing,
  }
}
