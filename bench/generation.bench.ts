/**
 * How fast is text written, and in how much memory? Prefill and decode of a llama of 124 M parameters with random
 * weights, in f32, bf16 (products of f32, as by default, and of bf16, as PyTorch's are), Q8_0 and Q4_K (products of f32, and of int8,
 * as llama.cpp's are), against transformers (PyTorch) and llama.cpp (node-llama-cpp) at the same storage, on
 * the same two threads, in turns.
 *
 *   python bench/checkpoints/peer.py make FOLDER
 *   ASCRIBE_PYTHON=python node build/ts/bench/generation.bench.js --folder FOLDER [--quick] [--only f32-f32]
 *
 * ASCRIBE_BENCH_DEVICE=cuda puts the first two on the GPU. ASCRIBE_NODE_LLAMA_CPP names the folder of node-llama-cpp
 * (3.22.1), which is not installed with the project. Without
 * a folder the short form writes text with a small checkpoint of the tests, so that it runs everywhere.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { type ComputePrecision, Generator, loadModel, type Model } from '#lib/index.js'
import { native, settle } from '#lib/native.js'
import { flags, isChosen, printTable, quick, threads } from './harness.js'

interface Timing {
  readonly prefill: number
  readonly decode: number
  readonly ids: readonly number[]
}
/** Goes on from a prompt by so many tokens; milliseconds of both parts. */
type Writer = (prompt: readonly number[], count: number) => Promise<Timing>

native().configure({ lanes: 1, threadsPerLane: threads })

const ours =
  (model: Model): Writer =>
  async (prompt, count) => {
    const start = performance.now()
    let middle = start
    const ids: number[] = []
    for await (const { id } of new Generator(model).stream(prompt, { temperature: 0, maximumTokens: count }))
      if (ids.push(id) === 1) middle = performance.now()
    return { prefill: middle - start, decode: performance.now() - middle, ids }
  }

interface Peer {
  readonly name: string
  readonly write: Writer
  end(): void
}

/** `cuda`: ours and PyTorch on the same GPU, with ASCRIBE_BENCH_DEVICE. */
const device = process.env.ASCRIBE_BENCH_DEVICE ?? 'cpu'

/** PyTorch in a process of its own; undefined where Python has no transformers. */
async function transformers(folder: string, dtype: string): Promise<Peer | undefined> {
  const peer = spawn(
    process.env.ASCRIBE_PYTHON ?? 'python3',
    [resolve('bench/checkpoints/peer.py'), 'serve', folder, dtype, device],
    { stdio: ['pipe', 'pipe', 'ignore'] },
  )
  peer.on('error', () => undefined)
  peer.stdin.on('error', () => undefined)
  const lines = createInterface({ input: peer.stdout })[Symbol.asyncIterator]()
  const nextLine = async () => (await lines.next()).value as string | undefined
  if ((await nextLine()) !== 'ready') return undefined
  const write: Writer = async (prompt, count) => {
    peer.stdin.write(`${prompt.length} ${count}\n`)
    const [prefill, decode, ...ids] = (await nextLine())!.split(' ').map(Number)
    return { prefill: prefill!, decode: decode!, ids }
  }
  return { name: 'PyTorch', write, end: () => peer.stdin.end() }
}

/** What of node-llama-cpp is used here. */
interface LlamaSequence {
  evaluate(tokens: readonly number[], options: { temperature: number }): AsyncGenerator<number>
  clearHistory(): Promise<void>
}
interface LlamaModule {
  getLlama(options: object): Promise<{
    loadModel(
      options: object,
    ): Promise<{ createContext(options: object): Promise<{ getSequence(): LlamaSequence }> }>
  }>
}

async function llamaCpp(path: string): Promise<Peer | undefined> {
  const folder = process.env.ASCRIBE_NODE_LLAMA_CPP
  if (folder === undefined || device !== 'cpu' || !existsSync(path)) return undefined
  const { getLlama } = (await import(
    pathToFileURL(join(resolve(folder), 'dist/index.js')).href
  )) as LlamaModule
  const llama = await getLlama({ gpu: false, build: 'never', maxThreads: threads, logLevel: 'error' })
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 })
  const context = await model.createContext({ contextSize: 1024, batchSize: 512, threads })
  const sequence = context.getSequence()
  const write: Writer = async (prompt, count) => {
    await sequence.clearHistory()
    const start = performance.now()
    let middle = start
    const ids: number[] = []
    for await (const id of sequence.evaluate(prompt, { temperature: 0 })) {
      if (ids.push(id) === 1) middle = performance.now()
      if (ids.length === count) break
    }
    return { prefill: middle - start, decode: performance.now() - middle, ids }
  }
  return { name: 'llama.cpp', write, end: () => undefined }
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
const promptOf = (length: number) => Array.from({ length }, (_, at) => 5 + ((at * 97) % 30_000))

/** Megabytes that belong to no file; NaN where the system does not say. */
const anonymous = () => {
  const status = existsSync('/proc/self/status') ? readFileSync('/proc/self/status', 'utf8') : ''
  return Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1024
}

async function peakMemory(
  path: string,
  precision: ComputePrecision,
): Promise<{ peak: number; model: Model }> {
  const before = anonymous()
  let peak = 0
  const watch = setInterval(() => {
    peak = Math.max(peak, anonymous() - before)
  }, 5)
  const model = await loadModel(path, { precision, device })
  await ours(model)(promptOf(512), 9)
  clearInterval(watch)
  return { peak, model }
}

if (flags.folder === undefined) {
  console.log('skipped: `python bench/checkpoints/peer.py make FOLDER` makes a checkpoint, --folder names it')
  const model = await loadModel(resolve('test/fixtures/gguf/llama-blocks.gguf'))
  const { ids } = await ours(model)(
    Array.from({ length: 16 }, (_, at) => 3 + at),
    9,
  )
  console.log(`a small checkpoint of the tests writes ${ids.length} tokens`)
  process.exit(0)
}
const { folder } = flags

const { gflops, bf16Gflops, gigabytesPerSecond } = await settle(() => native().probe())
/** Sums of products of bytes have four times as many terms in an instruction as multiply-adds of f32 (avx512_vnni). */
const peaks = { f32: gflops, bf16: bf16Gflops ?? Number.NaN, int8: 4 * gflops }
const rounds = quick ? 2 : 5
const lengths = quick
  ? [[64, 17]]
  : [
      [64, 65],
      [512, 65],
    ]
const rows: string[][] = []
const memory: string[][] = []
for (const [dtype, path, precision] of [
  ['f32', join(folder, 'f32'), 'f32'],
  ['bf16', join(folder, 'bf16'), 'f32'],
  ['bf16', join(folder, 'bf16'), 'bf16'],
  ['q8_0', join(folder, 'q8_0.gguf'), 'f32'],
  ['q8_0', join(folder, 'q8_0.gguf'), 'int8'],
  ['q4_k', join(folder, 'q4_k.gguf'), 'f32'],
  ['q4_k', join(folder, 'q4_k.gguf'), 'int8'],
] as const) {
  const title = dtype === 'bf16' || precision === 'int8' ? `${dtype}, products of ${precision}` : dtype
  // Names are apart, so that --only asks for one of them.
  if (
    !existsSync(path) ||
    !isChosen(`${dtype}-${precision}`) ||
    !native().engine().precisions.includes(precision)
  )
    continue
  const { peak, model } = await peakMemory(path, precision)
  const stored = model.parameters.list().reduce((sum, { bytes }) => sum + bytes, 0)
  // What a token reads: all but the table of embeddings; only the last of a prompt goes through the vocabulary.
  const list = model.parameters.list()
  const read = list
    .filter(({ name }) => !name.includes('embed_tokens'))
    .reduce((sum, { bytes }) => sum + bytes, 0)
  const elements = list
    .filter(({ name }) => name.includes('layers'))
    .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
  memory.push([title, (stored / 2 ** 20).toFixed(0), peak.toFixed(0)])
  const peers = [
    dtype.startsWith('q') ? undefined : await transformers(folder, dtype),
    await llamaCpp(join(folder, `${dtype}.gguf`)),
  ].filter(peer => peer !== undefined)
  if (peers.length === 0) console.log(`${dtype}: no peer; see ASCRIBE_PYTHON and ASCRIBE_NODE_LLAMA_CPP`)
  for (const [length, count] of lengths) {
    const prompt = promptOf(length!)
    const runs: Timing[][] = [ours(model), ...peers.map(({ write }) => write)].map(() => [])
    for (let round = -1; round < rounds; round++)
      for (const [at, write] of [ours(model), ...peers.map(peer => peer.write)].entries()) {
        const timing = await write(prompt, count!)
        if (round >= 0) runs[at]!.push(timing)
      }
    for (const [part, tokens] of [
      ['prefill', length!],
      ['decode', count! - 1],
    ] as const) {
      const speeds = runs.map(each => (1000 * tokens) / median(each.map(run => run[part])))
      const own = speeds[0]!
      const share =
        part === 'prefill'
          ? (2e-9 * elements * own) / peaks[precision]
          : (1e-9 * read * own) / gigabytesPerSecond
      rows.push([
        `${title}, ${part}, prompt of ${length}`,
        own.toFixed(1),
        `${(100 * share).toFixed(0)} %`,
        ...['PyTorch', 'llama.cpp'].flatMap(name => {
          const at = peers.findIndex(peer => peer.name === name)
          if (at < 0) return ['', '']
          const ratios = runs[0]!.map((run, round) => runs[at + 1]![round]![part] / run[part])
          return [speeds[at + 1]!.toFixed(1), median(ratios).toFixed(2)]
        }),
      ])
    }
    const first = runs.map(each => each[0]!.ids)
    for (const [at, { name }] of peers.entries()) {
      const other = first[at + 1]!.findIndex((id, k) => id !== first[0]![k])
      console.log(
        `${title}, prompt of ${length}: ${other < 0 ? 'the same tokens as' : `from token ${other} on not`} ${name}`,
      )
    }
  }
  for (const peer of peers) peer.end()
  model.dispose()
}
printTable(['case', 'tokens/s', 'of the peak', 'PyTorch', 'ratio', 'llama.cpp', 'ratio'], rows)
printTable(['weights', 'MiB as stored', 'peak MiB of no file'], memory)
process.exit(0)
