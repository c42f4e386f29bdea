import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { isChosen } from './harness.js'
import { resnet50 } from './models/resnet50.js'

export interface BenchModel {
  name: string
  bytes: Uint8Array
  /** Of its one input. */
  shape: number[]
  output: 'classes' | 'boxes'
}

const shared: readonly [name: string, file: string, shape: number[]][] = [
  ['squeezenet', 'imagenet-squeezenet/squeezenet_v1.0_dc.onnx', [1, 3, 227, 227]],
  ['mobilenet-v1-0.25', 'imagenet-mobilenet-v1-0.25/mobilenet_v1_0.25_224.onnx', [1, 3, 224, 224]],
  ['mobilenet-v2', 'imagenet-mobilenet-v2/mobilenet_v2_1.0_224.onnx', [1, 3, 224, 224]],
  ['darknet-tiny', 'imagenet-darknet-tiny/darknet_tiny_224.onnx', [1, 3, 224, 224]],
  ['cifar10-resnet20', 'cifar10-resnet/cifar10_resnet20.onnx', [1, 3, 32, 32]],
  ['cifar10-resnet56', 'cifar10-resnet/cifar10_resnet56.onnx', [1, 3, 32, 32]],
  ['version-RFB-320', 'third-party-onnx/version-RFB-320.onnx', [1, 3, 240, 320]],
  ['opt-mnist', 'third-party-onnx/opt-mnist.onnx', [1, 1, 28, 28]],
]

/** The convolution nets that benches run: the shared real ones, else the repository's own; and a ResNet-50. */
export async function convolutionNets(): Promise<BenchModel[]> {
  const root = process.env.ASCRIBE_SHARED_DATA ?? resolve('../shared/data')
  const out: BenchModel[] = []
  if (existsSync(root)) {
    for (const [name, file, shape] of shared)
      if (isChosen(name) && existsSync(join(root, file)))
        out.push({
          name,
          bytes: await readFile(join(root, file)),
          shape,
          output: file.includes('RFB') ? 'boxes' : 'classes',
        })
  } else {
    console.log(`${root} is not there (set ASCRIBE_SHARED_DATA): the models of this repository stand in`)
    for (const name of ['scenes-sound', 'scenes-shortcut'])
      if (isChosen(name))
        out.push({
          name,
          bytes: await readFile(`models/${name}.onnx`),
          shape: [1, 3, 128, 128],
          output: 'classes',
        })
  }
  if (isChosen('resnet50'))
    out.push({ name: 'resnet50', bytes: resnet50(), shape: [1, 3, 224, 224], output: 'classes' })
  return out
}
