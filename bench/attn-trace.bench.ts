/**
 * How fast are the texts of a long context ranked? A llama of 0.4 B parameters with random weights, a context of 8,000
 * tokens in 80 texts, a response of 32 tokens, two threads, in f32 or (`--precision bf16`) with products of bf16; against the procedure of AttnTrace's code in PyTorch
 * (bench/context/peer.py), in turns, subset by subset. The scores of both must agree. PyTorch computes in f32 unless `--peer bf16` says otherwise. With products
 * of bf16 the scores of f32 are computed too, and compared.
 *
 *   python bench/context/peer.py make FOLDER
 *   ASCRIBE_PYTHON=python node build/ts/bench/attn-trace.bench.js --folder FOLDER [--quick] [--batch SUBSETS] [--precision bf16] [--peer bf16] [--texts 80]
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { AttnTrace, ContextPrompt, loadModel } from '#lib/index.js'
import { drawSubsets } from '#lib/methods/context/subsets.js'
import { native } from '#lib/native.js'
import { longPrompt } from './context/longPrompt.js'
import { flags, printTable, quick, threads } from './harness.js'

const folder = flags.folder
if (folder === undefined) {
  console.log('skipped: `python bench/context/peer.py make FOLDER` makes a checkpoint, --folder names it')
  process.exit(0)
}
native().configure({ lanes: 1, threadsPerLane: threads })
const [texts, length, answer] = quick ? [10, 40, 8] : [Number(flags.texts ?? 80), 100, 32]
const passes = Number(flags.batch ?? (quick ? 2 : 3))
const { ids, spans, response } = longPrompt(texts, length, answer)
const avgK = 5

/** ASCRIBE_BENCH_DEVICE=cuda puts both sides on the same GPU. */
const device = process.env.ASCRIBE_BENCH_DEVICE ?? 'cpu'
const peer = spawn(
  process.env.ASCRIBE_PYTHON ?? 'python3',
  [resolve('bench/context/peer.py'), 'serve', folder, flags.peer ?? 'f32', device],
  {
    stdio: ['pipe', 'pipe', 'inherit'],
  },
)
const lines = createInterface({ input: peer.stdout })[Symbol.asyncIterator]()
const nextLine = async () => {
  const { value, done } = await lines.next()
  if (done) throw new Error('the peer ended; set ASCRIBE_PYTHON to a Python with torch and transformers')
  return value as string
}
await nextLine()

const anonymous = () => Number(/RssAnon:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024
const precision = flags.precision === 'bf16' ? 'bf16' : 'f32'
const model = await loadModel(folder, { precision, device })
const prompt = await ContextPrompt.fromTokens(model, { ids, spans, response })
let peak = 0
const watch = setInterval(() => {
  peak = Math.max(peak, anonymous())
}, 20)

/** How far scores are from others, and how far the orders agree. */
function agreement(scores: readonly number[], others: readonly number[]) {
  const most = Math.max(...scores.map((score, at) => Math.abs(score - others[at]!))) / Math.max(...others)
  let concordant = 0
  for (let i = 0; i < scores.length; i++)
    for (let j = 0; j < i; j++) concordant += Math.sign((scores[i]! - scores[j]!) * (others[i]! - others[j]!))
  const order = (of: readonly number[]) => of.map((_, at) => at).toSorted((a, b) => of[b]! - of[a]!)
  const first = new Set(order(others).slice(0, 5))
  return {
    most,
    tau: concordant / ((scores.length * (scores.length - 1)) / 2),
    top: order(scores)
      .slice(0, 5)
      .filter(at => first.has(at)).length,
  }
}

interface Theirs {
  milliseconds: number
  scores: number[]
  peakMegabytes: number
}
const traced: { seed: number; scores: number[] }[] = []
const rows: { ours: number; theirs: number }[] = []
let [difference, greatest] = [0, 0]
let theirPeak = 0
for (let round = 0; round < passes; round++) {
  const [kept] = drawSubsets(texts, { q: 0.4, B: 1, seed: round, stratified: false, guards: true })
  const tokens = await prompt.tokens(kept!)
  const request = {
    ids: [...tokens.ids, ...response],
    first: tokens.ids.length - 1,
    spans: tokens.spans.map(({ start, end }) => [start, end]),
    avgK,
  }
  peer.stdin.write(`${JSON.stringify(request)}\n`)
  const other = JSON.parse(await nextLine()) as Theirs
  theirPeak = other.peakMegabytes
  const found = await new AttnTrace(model, { avgK, B: 1, seed: round }).attribute(prompt)
  for (const [at, text] of kept!.entries()) {
    difference = Math.max(difference, Math.abs(found.scores[text]! - other.scores[at]!))
    greatest = Math.max(greatest, other.scores[at]!)
  }
  traced.push({ seed: round, scores: kept!.map(text => found.scores[text]!) })
  rows.push({ ours: found.cost.milliseconds, theirs: other.milliseconds })
  console.log(
    `subset ${round}: ${request.ids.length} tokens, ours ${(found.cost.milliseconds / 1000).toFixed(2)} s, PyTorch ${(other.milliseconds / 1000).toFixed(2)} s`,
  )
}
clearInterval(watch)
peer.stdin.end()
if (precision === 'bf16') {
  // What rounding does to the ranks: the same subsets in f32.
  model.dispose()
  const exact = await loadModel(folder, { device })
  const same = await ContextPrompt.fromTokens(exact, { ids, spans, response })
  for (const { seed, scores } of traced) {
    const [kept] = drawSubsets(texts, { q: 0.4, B: 1, seed, stratified: false, guards: true })
    const found = await new AttnTrace(exact, { avgK, B: 1, seed }).attribute(same)
    const reference = kept!.map(text => found.scores[text]!)
    const { most, tau, top } = agreement(scores, reference)
    console.log(
      `subset ${seed}, bf16 against f32: greatest difference ${most.toExponential(1)} of the greatest score, Kendall's tau ${tau.toFixed(4)}, ${top} of the first 5 texts the same`,
    )
  }
}
// The first of each side warms up: plans, packed weights, allocators.
const counted = rows.slice(1)
const ratios = counted.map(({ ours, theirs }) => theirs / ours).toSorted((a, b) => a - b)
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
printTable(
  [
    'case',
    'ours, s a subset',
    'PyTorch',
    'ratio',
    'peak memory, MB',
    'PyTorch',
    'greatest difference of scores',
  ],
  [
    [
      `${texts} texts of ${length} tokens, ${counted.length} subsets`,
      (median(counted.map(({ ours }) => ours)) / 1000).toFixed(2),
      (median(counted.map(({ theirs }) => theirs)) / 1000).toFixed(2),
      `${median(ratios).toFixed(2)} (${ratios[0]!.toFixed(2)} to ${ratios.at(-1)!.toFixed(2)})`,
      peak.toFixed(0),
      theirPeak.toFixed(0),
      (difference / greatest).toExponential(1),
    ],
  ],
)
