/**
 * How fast is text written? Prefill and decode of a llama of 100 M parameters with random weights, f32, against
 * transformers (PyTorch) on the same two threads, in turns. The tokens of both must be the same.
 *
 *   python bench/checkpoints/peer.py make FOLDER
 *   ASCRIBE_PYTHON=python node build/ts/bench/generation.bench.js --folder FOLDER [--quick]
 */
import { spawn } from 'node:child_process'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { Generator, loadModel } from '#lib/index.js'
import { native } from '#lib/native.js'
import { flags, printTable, quick, threads } from './harness.js'

const folder = flags.folder
if (folder === undefined) {
  console.log('skipped: `python bench/checkpoints/peer.py make FOLDER` makes a checkpoint, --folder names it')
  process.exit(0)
}
native().configure({ lanes: 1, threadsPerLane: threads })

const peer = spawn(
  process.env.ASCRIBE_PYTHON ?? 'python3',
  [resolve('bench/checkpoints/peer.py'), 'serve', folder],
  {
    stdio: ['pipe', 'pipe', 'ignore'],
  },
)
const lines = createInterface({ input: peer.stdout })[Symbol.asyncIterator]()
const nextLine = async () => {
  const { value, done } = await lines.next()
  if (done) throw new Error('the peer ended; set ASCRIBE_PYTHON to a Python with torch and transformers')
  return value as string
}
await nextLine()

const model = await loadModel(join(folder))
const generator = new Generator(model)

async function ours(prompt: readonly number[], count: number) {
  const start = performance.now()
  let middle = start
  const ids: number[] = []
  for await (const { id } of generator.stream(prompt, { temperature: 0, maximumTokens: count }))
    if (ids.push(id) === 1) middle = performance.now()
  return { prefill: middle - start, decode: performance.now() - middle, ids }
}

async function theirs(prompt: readonly number[], count: number) {
  peer.stdin.write(`${prompt.length} ${count}\n`)
  const [prefill, decode, ...ids] = (await nextLine()).split(' ').map(Number)
  return { prefill: prefill!, decode: decode!, ids }
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
const rounds = quick ? 2 : 7
const rows: string[][] = []
for (const [length, count] of quick
  ? [[64, 17]]
  : [
      [64, 65],
      [512, 65],
    ]) {
  const prompt = Array.from({ length: length! }, (_, at) => 5 + ((at * 97) % 30_000))
  const [mine, other]: Awaited<ReturnType<typeof ours>>[][] = [[], []]
  for (let round = -1; round < rounds; round++) {
    const [a, b] = [await ours(prompt, count!), await theirs(prompt, count!)]
    if (round < 0) {
      const at = a.ids.findIndex((id, k) => id !== b.ids[k])
      console.log(
        `prompt of ${length}: ${at < 0 ? `the same ${count} tokens` : `tokens differ from ${at} on`}`,
      )
      continue
    }
    mine!.push(a)
    other!.push(b)
  }
  for (const [part, tokens] of [
    ['prefill', length!],
    ['decode', count! - 1],
  ] as const) {
    const [a, b] = [mine!, other!].map(runs => (1000 * tokens) / median(runs.map(run => run[part])))
    const ratios = mine!.map((run, at) => other![at]![part] / run[part]).toSorted((x, y) => x - y)
    rows.push([
      `${part}, prompt of ${length}`,
      a!.toFixed(1),
      b!.toFixed(1),
      `${median(ratios).toFixed(2)} (${ratios[0]!.toFixed(2)} to ${ratios.at(-1)!.toFixed(2)})`,
    ])
  }
}
peer.stdin.end()
printTable(['case', 'tokens/s', 'transformers', 'ratio'], rows)
