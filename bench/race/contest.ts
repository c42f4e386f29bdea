import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as ort from 'onnxruntime-node'
import type { Model, Tensor } from '#lib/index.js'
import { relativeDistance } from '../../test/oracles/gradientOf.js'
import { type Contender, timed } from '../harness.js'
import { target } from '../nets/nets.js'
import type { PeerWay, TorchPeer } from '../nets/peer.js'
import type { Library } from './library.js'
import type { CaseResult, Kind, Round, Side } from './results.js'

/** Gradients of integrated gradients and SmoothGrad. */
export const steps = 50

export interface Entrants {
  library: Library
  model: Model
  session: ort.InferenceSession
  peer?: TorchPeer
  /** Where the peer leaves its numbers. */
  folder: string
}

/** One case, ready to be run by every side. */
export interface Contest {
  sides: Partial<Record<Side, Contender>>
  gigaflops?: number
  error?: number
}

async function forward({ model, session }: Entrants, input: Tensor): Promise<Contest> {
  const inputs = { [model.inputs[0]!.name]: input }
  const data = input.data as Float32Array
  const feeds = { [session.inputNames[0]!]: new ort.Tensor('float32', data, input.shape) }
  const theirs = Object.values(await session.run(feeds))[0]!.data as Float32Array
  const { outputs, profile = [] } = await model.run(inputs, { profile: true })
  const mine = Object.values(outputs)[0]!.data as Float32Array
  const scale = theirs.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  return {
    sides: { ours: () => model.run(inputs), onnxruntime: () => session.run(feeds) },
    gigaflops: profile.reduce((sum, node) => sum + node.flops, 0) / 1e9,
    error: mine.reduce((most, value, at) => Math.max(most, Math.abs(value - theirs[at]!)), 0) / scale,
  }
}

async function gradient(
  { library, model, folder }: Entrants,
  net: string,
  batch: number,
  input: Tensor,
): Promise<Contest> {
  const { name } = model.inputs[0]!
  const output = model.outputs[0]!
  const classes = output.shape!.at(-1) as number
  const seed = library.createTensor('f32', [batch, classes])
  for (let example = 0; example < batch; ++example) seed.data[example * classes + target] = 1
  const run = () => library.vectorJacobianProduct(model, { [name]: input }, { [output.name]: seed }, [name])
  const bytes = await readFile(join(folder, `gradient-${net}-${batch}.f32`))
  const theirs = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  return { sides: { ours: run }, error: relativeDistance((await run())[name]!.data as Float32Array, theirs) }
}

function ensemble({ library, model }: Entrants, kind: 'integrated' | 'smooth', input: Tensor): Contest {
  const method =
    kind === 'integrated'
      ? new library.IntegratedGradients(model, { steps })
      : new library.SmoothGrad(model, { samples: steps, sigma: 0.3 })
  return { sides: { ours: () => method.attribute(input, { target }) } }
}

/** Ours, and ONNX Runtime forwards; PyTorch comes in when its best way is known. */
export function enter(
  entrants: Entrants,
  { kind, net, batch }: CaseResult,
  input: Tensor,
): Promise<Contest> | Contest {
  if (kind === 'forward') return forward(entrants, input)
  return kind === 'gradient' ? gradient(entrants, net, batch, input) : ensemble(entrants, kind, input)
}

export const peerContender =
  (peer: TorchPeer, kind: Kind, net: string, batch: number, way: PeerWay): Contender =>
  () =>
    peer.run(kind, { net, batch, steps, ...way })

/** What takes less finds its weights gone from the caches, and its threads asleep, when its turn comes. */
const shortMs = 30
const turnMs = 40

/** A turn of one side, after a pause: one run, or of short ones the median of as many as fill the turn behind a first. */
async function turn(run: Contender): Promise<number> {
  const first = await timed(run)
  if (first >= shortMs) return first
  const times: number[] = []
  const start = performance.now()
  do times.push(await timed(run, 0))
  while (performance.now() - start < turnMs)
  return times.toSorted((a, b) => a - b)[times.length >> 1]!
}

/** All sides one after the other. */
export async function runRound(sides: Contest['sides']): Promise<Round> {
  const round: Record<string, number> = {}
  for (const [side, run] of Object.entries(sides)) round[side] = Number((await turn(run)).toPrecision(4))
  return round as Round
}
