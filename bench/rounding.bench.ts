/**
 * How far are single-precision gradients of convolution nets from those of double precision, ours and PyTorch's? ReLUs whose
 * operand is nearly 0 and maxima that are nearly equal fall on the other side in any rounding, and move the gradient by
 * far more than the rounding.
 *
 *   python bench/nets/rounding.py NETS FOLDER > FOLDER/peer.jsonl      # PyTorch, in double and in single
 *   node build/ts/bench/rounding.bench.js --folder NETS --results FOLDER [--only NAME]
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createTensor, loadModel, type Model, type Tensor } from '#lib/index.js'
import { relativeDistance } from '../test/oracles/gradientOf.js'
import { flags, isChosen, printTable } from './harness.js'
import { inputGradient } from './inputGradient.js'

interface Errors {
  forward: number
  gradient: number
  flipped: number
}
interface Peer {
  net: string
  picture: number
  gates: number
  plain: Errors
  channels_last: Errors
}

const { folder: nets, results: folder } = flags
if (nets === undefined || folder === undefined) {
  console.log(
    'compared with PyTorch only: --folder NETS --results FOLDER, see the head of this file; nothing to do',
  )
  process.exit(0)
}
const peers = (await readFile(join(folder, 'peer.jsonl'), 'utf8'))
  .split('\n')
  .flatMap(line => (line.startsWith('{') ? [JSON.parse(line) as Peer] : []))
  .filter(({ net }) => isChosen(net))

/** Ways to make the same numbers, each with other sums. */
const ways: [string, string[]][] = [
  ['ascribe', []],
  ['ascribe, plain layouts', ['assign-layouts']],
]

async function bytes(name: string): Promise<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = await readFile(join(folder!, name))
  return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer
}

/** Which ReLUs and clips are open, in the order of the graph. */
async function openGates(model: Model, input: Tensor): Promise<boolean[]> {
  const { nodes, values } = model.graph
  const gates = nodes.filter(({ op }) => op === 'relu' || op === 'clip')
  const names = gates.map(({ outputs }) => values[outputs[0]!]!.name!)
  const { outputs } = await model.run({ [model.inputs[0]!.name]: input }, { outputs: names })
  return gates.flatMap(({ attributes }, at) => {
    const max = (attributes as { max?: number }).max ?? Number.POSITIVE_INFINITY
    return Array.from(outputs[names[at]!]!.data as Float32Array, y => y > 0 && y < max)
  })
}

async function ours(model: Model, { net, picture }: Peer): Promise<Errors> {
  const name = `${net}-${picture}`
  const input = createTensor('f32', [1, 3, 224, 224], new Float32Array(await bytes(`${name}.x`)))
  const logits = (await model.run({ [model.inputs[0]!.name]: input })).outputs[model.outputs[0]!.name]!
  const { outputs } = await (await inputGradient(model, input))()
  const gates = new Uint8Array(await bytes(`${name}.gates`))
  const open = await openGates(model, input)
  return {
    forward: relativeDistance(logits.data as Float32Array, new Float64Array(await bytes(`${name}.logits`))),
    gradient: relativeDistance(
      outputs[0]!.data as Float32Array,
      new Float64Array(await bytes(`${name}.gradient`)),
    ),
    flipped: open.reduce((sum, isOpen, at) => sum + (isOpen === (gates[at] === 1) ? 0 : 1), 0),
  }
}

const format = (errors: readonly Errors[]): string[] => {
  const list = (key: 'forward' | 'gradient') => errors.map(each => each[key].toExponential(1)).join(', ')
  return [list('forward'), list('gradient'), errors.map(({ flipped }) => flipped).join(', ')]
}
const rows: string[][] = []
for (const net of new Set(peers.map(each => each.net))) {
  const own = peers.filter(each => each.net === net)
  for (const [way, withoutPasses] of ways) {
    const model = await loadModel(join(nets, `${net}.onnx`), { withoutPasses })
    const errors: Errors[] = []
    for (const peer of own) errors.push(await ours(model, peer))
    rows.push([net, way, ...format(errors), String(own[0]!.gates)])
    model.dispose()
  }
  rows.push([net, 'PyTorch', ...format(own.map(each => each.plain)), ''])
  rows.push([net, 'PyTorch, channels_last', ...format(own.map(each => each.channels_last)), ''])
}
console.log('relative L2 against PyTorch in double, for each picture')
printTable(['net', 'engine', 'forward', 'gradient of logit 7', 'gates flipped', 'gates'], rows)
