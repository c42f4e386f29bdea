import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fitPreprocessing } from '#lib/data/fitPreprocessing.js'
import { preprocess } from '#lib/data/preprocess.js'
import { resolvePreprocessing } from '#lib/data/preprocessing.js'
import {
  createTensor,
  loadModel,
  type Model,
  type PreprocessingDescription,
  readImage,
  type Tensor,
} from '#lib/index.js'
import { isChosen, randomFloats } from './harness.js'

/** A trained model with real inputs, prepared as its card says. */
export interface RealModel {
  name: string
  file: string
  model: Model
  examples: { name: string; inputs: Record<string, Tensor> }[]
  /** Inputs or layers that gradients are taken in. */
  explained: string
}

export const dataRoot = process.env.ASCRIBE_SHARED_DATA ?? resolve('../shared/data')

export const photos = [
  'bird.png',
  'cat.png',
  'dog_beach.png',
  'dragonfly.png',
  'sunflower.png',
  'owl.jpg',
  'hot_dog.jpg',
]
const cifar = [
  'cifar10_00_3.png',
  'cifar10_01_8.png',
  'cifar10_03_0.png',
  'cifar10_04_6.png',
  'cifar10_11_9.png',
]

const normalised = (
  size: number,
  mean: [number, number, number],
  std: [number, number, number],
  scale = 1 / 255,
): PreprocessingDescription => ({
  resize: { width: size, height: size },
  crop: 'none',
  channelOrder: 'RGB',
  filter: 'bilinear',
  layout: 'NCHW',
  scale,
  mean,
  std,
})

/** Picture models: file, pictures, preprocessing. */
const pictureModels: [string, string, readonly string[], PreprocessingDescription | string, string][] = [
  [
    'mobilenet-v1-0.25',
    'imagenet-mobilenet-v1-0.25/mobilenet_v1_0.25_224.onnx',
    photos,
    'inception',
    'photos',
  ],
  ['mobilenet-v2', 'imagenet-mobilenet-v2/mobilenet_v2_1.0_224.onnx', photos, 'inception', 'photos'],
  [
    'squeezenet',
    'imagenet-squeezenet/squeezenet_v1.0_dc.onnx',
    photos,
    { ...normalised(227, [104, 117, 123], [1, 1, 1], 1), channelOrder: 'BGR' },
    'photos',
  ],
  [
    'darknet-tiny',
    'imagenet-darknet-tiny/darknet_tiny_224.onnx',
    photos,
    normalised(224, [0, 0, 0], [1, 1, 1]),
    'photos',
  ],
  [
    'cifar10-resnet20',
    'cifar10-resnet/cifar10_resnet20.onnx',
    cifar,
    normalised(32, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    'cifar10',
  ],
  [
    'cifar10-resnet56',
    'cifar10-resnet/cifar10_resnet56.onnx',
    cifar,
    normalised(32, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    'cifar10',
  ],
  [
    'cifar10-vit',
    'cifar10-vit/cifar10_vit.onnx',
    cifar,
    normalised(32, [0.4914, 0.4822, 0.4465], [0.247, 0.2435, 0.2616]),
    'cifar10',
  ],
  [
    'version-RFB-320',
    'third-party-onnx/version-RFB-320.onnx',
    ['grace_hopper.png', 'astronaut.png'],
    { ...normalised(320, [127, 127, 127], [128, 128, 128], 1), resize: { width: 320, height: 240 } },
    'photos',
  ],
]

async function pictures(
  model: Model,
  names: readonly string[],
  preprocessing: PreprocessingDescription | string,
  folder: string,
) {
  const input = model.inputs[0]!
  const fitted = fitPreprocessing(resolvePreprocessing(preprocessing as never), input.shape!)
  return Promise.all(
    names.map(async name => {
      const { tensor } = await preprocess(await readImage(join(dataRoot, folder, name)), fitted)
      return { name, inputs: { [input.name]: tensor as Tensor } }
    }),
  )
}

/** Every model of the shared data whose operators are in scope, with real inputs. */
export async function* realModels(quick: boolean): AsyncGenerator<RealModel> {
  if (!existsSync(dataRoot)) {
    console.log(`${dataRoot} is not there (set ASCRIBE_SHARED_DATA): nothing to compare`)
    return
  }
  const few = <T>(list: readonly T[]): readonly T[] => (quick ? list.slice(0, 1) : list)
  for (const [name, file, names, preprocessing, folder] of pictureModels) {
    if (!isChosen(name)) continue
    const model = await loadModel(join(dataRoot, file))
    yield {
      name,
      file,
      model,
      examples: await pictures(model, few(names), preprocessing, folder),
      explained: model.inputs[0]!.name,
    }
  }
  if (isChosen('opt-mnist')) {
    const file = 'third-party-onnx/opt-mnist.onnx'
    const model = await loadModel(join(dataRoot, file))
    const examples = await Promise.all(
      few(['mnist_00_7.png', 'mnist_01_2.png']).map(async name => {
        const { data } = await readImage(join(dataRoot, 'mnist', name))
        const grey = Float32Array.from({ length: 784 }, (_, at) => data[at * 3]!)
        return { name, inputs: { Input3: createTensor('f32', [1, 1, 28, 28], grey) as Tensor } }
      }),
    )
    yield { name: 'opt-mnist', file, model, examples, explained: 'Input3' }
  }
  if (isChosen('sst2-transformer')) {
    const file = 'sst2-transformer/sst2_transformer.onnx'
    const model = await loadModel(join(dataRoot, file))
    const sentences = JSON.parse(readFileSync(join(dataRoot, 'sst2-transformer/reference.json'), 'utf8')) as {
      text: string
      ids: number[]
    }[]
    const examples = few(sentences.slice(0, 5)).map(({ text, ids }) => ({
      name: text.slice(0, 24),
      inputs: {
        ids: createTensor('i64', [1, ids.length], BigInt64Array.from(ids, BigInt)) as Tensor,
        mask: createTensor('f32', [1, ids.length], new Float32Array(ids.length).fill(1)) as Tensor,
      },
    }))
    const { embeddingLookups } = await import('#lib/model/embeddings.js')
    yield { name: 'sst2-transformer', file, model, examples, explained: embeddingLookups(model)[0]!.layer }
  }
  if (isChosen('charrnn')) {
    const file = 'charrnn-shakespeare/charrnn_shakespeare.onnx'
    const model = await loadModel(join(dataRoot, file))
    const folder = join(dataRoot, 'charrnn-shakespeare')
    const vocabulary = JSON.parse(readFileSync(join(folder, 'vocab.json'), 'utf8')) as Record<string, number>
    const text = readFileSync(join(folder, 'tinyshakespeare.txt'), 'utf8')
    const examples = few([0, 5000, 100_000]).map(start => {
      const ids = BigInt64Array.from(text.slice(start, start + 50), letter => BigInt(vocabulary[letter] ?? 0))
      return { name: `letters from ${start}`, inputs: { ids: createTensor('i64', [50, 1], ids) as Tensor } }
    })
    const { embeddingLookups } = await import('#lib/model/embeddings.js')
    yield { name: 'charrnn', file, model, examples, explained: embeddingLookups(model)[0]!.layer }
  }
  if (isChosen('silero-vad')) {
    const file = 'third-party-onnx/silero_vad_16k_op15.onnx'
    const model = await loadModel(join(dataRoot, file))
    // No speech is at hand: a buzz of a voice's pitch, and breath, without which the spectrum between the harmonics is 0
    // but for rounding, and its magnitude has no derivative.
    const examples = few([110, 160, 220]).map(pitch => {
      const breath = randomFloats(576, pitch)
      const voice = breath.map((noise, at) =>
        [1, 2, 3, 4, 5, 6].reduce(
          (sum, k) => sum + (0.2 / k) * Math.sin((2 * Math.PI * pitch * k * at) / 16000),
          0.05 * noise,
        ),
      )
      const inputs: Record<string, Tensor> = {
        input: createTensor('f32', [1, 576], voice),
        state: createTensor('f32', [2, 1, 128], new Float32Array(256)),
        sr: createTensor('i64', [], BigInt64Array.of(16000n)),
      }
      return { name: `${pitch} Hz`, inputs }
    })
    yield { name: 'silero-vad', file, model, examples, explained: 'input' }
  }
}
