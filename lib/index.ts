export { fitPreprocessing, type ModelDimension } from './data/fitPreprocessing.js'
export { parsePreprocessorConfig, readPreprocessorConfig } from './data/huggingFacePreprocessing.js'
export { Image } from './data/image.js'
export { type ReadNpyOptions, readNpy, writeNpy } from './data/npy.js'
export type { Placement } from './data/placement.js'
export type { Pixels } from './data/png.js'
export { type PreprocessedImage, preprocess } from './data/preprocess.js'
export {
  type Preprocessing,
  type PreprocessingDescription,
  type PreprocessingOption,
  resolvePreprocessing,
  type Size,
} from './data/preprocessing.js'
export { type PreprocessingPreset, preprocessingPresets } from './data/preprocessingPresets.js'
export { type ReadImageOptions, readImage } from './data/readImage.js'
export type { ResampleFilter } from './data/resample.js'
export {
  createTensor,
  type DType,
  type Tensor,
  type TensorArrays,
  tensorFrom,
  validateTensor,
} from './data/tensor.js'
export { AscribeError, type ErrorCode, errorCodes } from './errors.js'
export { libraryVersion } from './version.js'
