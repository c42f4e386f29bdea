import type { Preprocessing } from './preprocessing.js'

const shared = {
  resize: { shortestEdge: 256 },
  filter: 'bilinear',
  crop: { width: 224, height: 224 },
  resizeRounding: 'down',
  cropRounding: 'down',
  scale: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  channelOrder: 'RGB',
  layout: 'NCHW',
  followsModel: true,
} as const satisfies Omit<Preprocessing, 'name'>

/**
 * The preprocessings that have a name.
 *
 * - `imagenet`: torchvision's; shorter side 256, centre crop 224, x/255, ImageNet mean and standard deviation.
 * - `caffe-bgr`: Caffe's; shorter side 256, centre crop 224, BGR, 0..255 less (104, 117, 123).
 * - `clip`: OpenAI CLIP's; bicubic, shorter side 224, centre crop 224, CLIP mean and standard deviation.
 * - `inception`: TensorFlow's for Inception and MobileNet; shorter side 256, centre crop 224, x/127.5 - 1.
 * - `none`: RGB values 0..255 as they are, at the picture's own size.
 *
 * All sizes follow the model's fixed input; see `fitPreprocessing`.
 */
export const preprocessingPresets = {
  imagenet: {
    ...shared,
    name: 'imagenet',
    cropRounding: 'even',
    scale: 1 / 255,
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  },
  'caffe-bgr': {
    ...shared,
    name: 'caffe-bgr',
    resizeRounding: 'nearest',
    channelOrder: 'BGR',
    mean: [104, 117, 123],
  },
  clip: {
    ...shared,
    name: 'clip',
    resize: { shortestEdge: 224 },
    filter: 'bicubic',
    cropRounding: 'even',
    scale: 1 / 255,
    mean: [0.48145466, 0.4578275, 0.40821073],
    std: [0.26862954, 0.26130258, 0.27577711],
  },
  inception: { ...shared, name: 'inception', resizeRounding: 'nearest', scale: 1 / 127.5, mean: [1, 1, 1] },
  none: { ...shared, name: 'none', resize: 'none', crop: 'none' },
} as const satisfies Record<string, Preprocessing>

/** The name of a preprocessing preset. */
export type PreprocessingPreset = keyof typeof preprocessingPresets
