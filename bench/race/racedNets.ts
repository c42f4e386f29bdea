import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as ort from 'onnxruntime-node'
import { convolutionNets } from '../convolutionNets.js'
import { flags, isChosen, quick, randomFloats } from '../harness.js'
import { netNames } from '../nets/nets.js'
import { startPeer, type TorchPeer } from '../nets/peer.js'

export interface OpenedNet {
  file?: string
  bytes: Uint8Array
  /** Of one example. */
  shape: readonly number[]
  /** Where the peer's numbers are. */
  folder: string
  peer?: TorchPeer
}

export interface RacedNet {
  name: string
  batches: readonly number[]
  /** 10^9 operations of one forward pass, about: how long a round will take. */
  gigaflops: number
  open(): Promise<OpenedNet>
}

export interface RacedNets {
  nets: RacedNet[]
  versions: Record<string, string>
  /** Without PyTorch there are forward passes against ONNX Runtime alone. */
  hasPeer: boolean
  end(): void
}

const isBatchChosen = (batch: number) => flags.batch === undefined || Number(flags.batch) === batch

const gigaflops: Record<(typeof netNames)[number], number> = {
  squeezenet: 0.7,
  'mobilenet-v2': 0.6,
  'efficientnet-b0': 0.8,
  'deit-tiny': 2.5,
  minilm: 2.8,
  'resnet-50': 8.2,
  'vgg-19': 39,
  'vit-b16': 35,
  'bert-base': 22,
}

/** Where PyTorch is: its nine nets. */
async function withPeer(python: string): Promise<RacedNets> {
  const folder = process.env.ASCRIBE_BENCH_NETS ?? join(tmpdir(), 'ascribe-nets')
  await mkdir(folder, { recursive: true })
  const peer = await startPeer(python, folder)
  const batches = [1, 8].filter(isBatchChosen)
  const nets = netNames.filter(isChosen).map(name => ({
    name,
    batches,
    gigaflops: gigaflops[name],
    async open() {
      const { file, shape } = await peer.load(name)
      for (const batch of [...new Set([1, ...batches])]) {
        const at = join(folder, `x-${name}-${batch}.f32`)
        if (!existsSync(at)) await writeFile(at, randomFloats(batch * shape.reduce((a, b) => a * b, 1)))
        if (!existsSync(join(folder, `gradient-${name}-${batch}.f32`)))
          await peer.values({ net: name, batch })
      }
      return { file, shape, folder, peer, bytes: await readFile(file) }
    },
  }))
  const { torch = '', captum = 'absent' } = peer.versions
  return { nets, versions: { torch, captum }, hasPeer: true, end: () => peer.end() }
}

/** The nets at hand, forwards: small enough for a smoke run. */
async function withoutPeer(): Promise<RacedNets> {
  const found = await convolutionNets()
  const nets = found.map(({ name, bytes, shape }) => ({
    name,
    batches: [1, 8].filter(isBatchChosen),
    gigaflops: 1,
    open: async () => ({ bytes, shape: shape.slice(1), folder: '' }),
  }))
  return { nets: quick ? nets.slice(0, 3) : nets, versions: {}, hasPeer: false, end: () => {} }
}

/** Where `ASCRIBE_TORCH_PYTHON` names a Python with PyTorch, and the race is not to be short. */
export const hasTorch = (): boolean => !quick && process.env.ASCRIBE_TORCH_PYTHON !== undefined

/** What is raced, with PyTorch where it is. */
export async function racedNets(): Promise<RacedNets> {
  const raced = hasTorch() ? await withPeer(process.env.ASCRIBE_TORCH_PYTHON!) : await withoutPeer()
  raced.versions['onnxruntime-node'] = ort.env.versions.node ?? 'unknown'
  return raced
}
