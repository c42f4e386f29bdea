import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel, type Model, type Tensor } from '#lib/index.js'
import { flags, isChosen, quick, randomFloats } from '../harness.js'
import { startPeer, type TorchPeer } from './peer.js'

/** What is raced, smallest first. */
export const netNames = [
  'squeezenet',
  'mobilenet-v2',
  'efficientnet-b0',
  'deit-tiny',
  'minilm',
  'resnet-50',
  'vgg-19',
  'vit-b16',
  'bert-base',
] as const

/** The class whose score is explained. */
export const target = 7

export interface NetCase {
  name: string
  batch: number
  file: string
  folder: string
  model: Model
  input: Tensor
  peer: TorchPeer
}

/**
 * The nets with a peer that has them too; nothing, and a line that says why, where there is no peer or the bench is to
 * be short.
 *
 * `--batch 1` and `--batch 8` pick one of both.
 */
export async function* netCases(batches: readonly number[] = [1, 8]): AsyncGenerator<NetCase> {
  const python = process.env.ASCRIBE_TORCH_PYTHON
  if (quick || python === undefined) {
    console.log(
      'PyTorch is not raced: needs ASCRIBE_TORCH_PYTHON (torch, torchvision, timm, transformers, onnx, captum), and no --quick.',
    )
    return
  }
  const folder = process.env.ASCRIBE_BENCH_NETS ?? join(tmpdir(), 'ascribe-nets')
  await mkdir(folder, { recursive: true })
  const peer = await startPeer(python, folder)
  console.log(
    `torch ${peer.versions.torch}, captum ${peer.versions.captum ?? 'absent'}, onnxruntime-node beside them`,
  )
  try {
    for (const name of netNames) {
      if (!isChosen(name)) continue
      const { file, shape } = await peer.load(name)
      const model = await loadModel(file)
      for (const batch of batches) {
        if (flags.batch !== undefined && Number(flags.batch) !== batch) continue
        const data = randomFloats(batch * shape.reduce((a, b) => a * b, 1))
        const at = join(folder, `x-${name}-${batch}.f32`)
        if (!existsSync(at)) await writeFile(at, data)
        const input: Tensor = { dtype: 'f32', shape: [batch, ...shape], data }
        yield { name, batch, file, folder, model, input, peer }
      }
      model.dispose()
    }
  } finally {
    peer.end()
  }
}

/** `1.23 [1.20, 1.27]` */
export const ratioText = ({ ratio, low, high }: { ratio: number; low: number; high: number }): string =>
  `${ratio.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`

export const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)
