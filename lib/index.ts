export { Image } from './data/image.js'
export { type ReadNpyOptions, readNpy, writeNpy } from './data/npy.js'
export type { Pixels } from './data/png.js'
export { type ReadImageOptions, readImage } from './data/readImage.js'
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
