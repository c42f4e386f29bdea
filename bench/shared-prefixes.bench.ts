/**
 * What does it save to read once what texts begin with in common? Log-odds, log-probabilities and rows of attention of
 * texts that are read together, against the same texts each by itself (in batches of like length), in turns, on a
 * checkpoint of your own (--folder; `python bench/checkpoints/peer.py make FOLDER` makes one of 124 M parameters).
 * The values of both must agree.
 *
 *   node build/ts/bench/shared-prefixes.bench.js --folder FOLDER [--quick] [--only TEXT]
 */
import { traceRows, wholeRows } from '#lib/context/tracedRows.js'
import { loadModel } from '#lib/index.js'
import { headWeightsOf } from '#lib/language/headWeights.js'
import type { TextRows } from '#lib/language/textRows/planPacked.js'
import { textStates } from '#lib/language/textRows/textStates.js'
import { wholeStates } from '#lib/language/textRows/wholeTexts.js'
import { drawSubsets } from '#lib/methods/context/subsets.js'
import { native } from '#lib/native.js'
import { flags, printTable, quick, threads } from './harness.js'

const folder = flags.folder
if (folder === undefined) {
  console.log('skipped: `python bench/checkpoints/peer.py make FOLDER` makes a checkpoint, --folder names it')
  process.exit(0)
}
native().configure({ lanes: 1, threadsPerLane: threads })
const model = await loadModel(folder)
const weights = headWeightsOf(model)
const rounds = quick ? 1 : 3
const token = (at: number) => 5 + ((at * 7919) % 31_000)
const part = (length: number, seed: number) =>
  Array.from({ length }, (_, at) => token(at * 31 + seed * 1009 + 1))

/** Prompts that keep some of the texts, and a response of 16 tokens. */
function prompts(
  before: number,
  texts: number,
  length: number,
  sets: readonly (readonly number[])[],
): TextRows[] {
  const [front, back, answer] = [part(before, 1), part(16, 2), part(16, 3)]
  const pieces = Array.from({ length: texts }, (_, at) => part(length, 10 + at))
  return sets.map(kept => {
    const ids = [...front, ...kept.flatMap(at => pieces[at]!), ...back, ...answer]
    return { ids, firstRow: ids.length - 17, endRow: ids.length - 1 }
  })
}

const drawn = (texts: number, q: number, B: number) =>
  drawSubsets(texts, { q, B, seed: 1, stratified: false, guards: true })
const all = (count: number) => Array.from({ length: count }, (_, at) => at)
const scale = quick ? 4 : 1
const answers = (count: number, before: number): TextRows[] => {
  const given = part(before, 1)
  return all(count).map(at => {
    const ids = [...given, ...part(8 + (at % 9), 40 + at)]
    return { ids, firstRow: given.length - 1, endRow: ids.length - 1 }
  })
}
const without = (texts: number) => [-1, ...all(texts)].map(left => all(texts).filter(at => at !== left))
const cases: { name: string; texts: TextRows[]; attention: boolean }[] = [
  {
    name: 'leave-one-out, 16 texts of 50',
    texts: prompts(32, 16, 50 / scale, without(16)),
    attention: false,
  },
  {
    name: 'ContextCite, 32 halves of 16 texts of 25, 400 before',
    texts: prompts(400 / scale, 16, 24, drawn(16, 0.5, 32)),
    attention: false,
  },
  { name: 'one prompt of 500, 32 answers of 8 to 16', texts: answers(32, 500 / scale), attention: false },
  {
    name: 'AttnTrace, 12 subsets of 40 texts of 50, 32 before',
    texts: prompts(32, 40, 50 / scale, drawn(40, 0.4, 12)),
    attention: true,
  },
  {
    name: 'AttnTrace, the same, 400 before',
    texts: prompts(400 / scale, 40, 50 / scale, drawn(40, 0.4, 12)),
    attention: true,
  },
  { name: 'AttnTrace, one subset of 3,200', texts: prompts(32, 64, 50, [all(64)]), attention: true },
]

/** Runs one case. @returns tokens, or what is filled up among them. */
async function run({ texts, attention }: (typeof cases)[number], shared: boolean, found: Float32Array[]) {
  if (attention) {
    const take = (at: number, rows: Float32Array, stride: number) => {
      const { ids, firstRow, endRow } = texts[at]!
      const own = new Float32Array(ids.length * (endRow - firstRow))
      for (let row = 0; row < endRow - firstRow; row++)
        own.set(rows.subarray(row * stride, row * stride + endRow), row * ids.length)
      found[at] = own
    }
    return (shared ? traceRows : wholeRows)(model, texts, weights, take)
  }
  const { states, tokens } = shared
    ? await textStates(model, texts)
    : {
        states: await wholeStates(model, texts),
        tokens: texts.reduce((sum, { ids }) => sum + ids.length, 0),
      }
  found.push(...states)
  return tokens
}

function difference(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  let [most, greatest] = [0, 0]
  for (const [at, values] of a.entries())
    for (const [k, value] of values.entries()) {
      most = Math.max(most, Math.abs(value - b[at]![k]!))
      greatest = Math.max(greatest, Math.abs(value))
    }
  return most / greatest
}

const rows: string[][] = []
for (const each of cases) {
  if (flags.only !== undefined && !each.name.includes(flags.only)) continue
  const times: { wall: number; processor: number }[][] = [[], []]
  const tokens = [0, 0]
  let apart = 0
  for (let round = -1; round < rounds; round++) {
    const found: Float32Array[][] = [[], []]
    for (const way of [0, 1]) {
      const [wall, used] = [performance.now(), process.cpuUsage()]
      tokens[way] = await run(each, way === 0, found[way]!)
      const { user, system } = process.cpuUsage(used)
      if (round >= 0) times[way]!.push({ wall: performance.now() - wall, processor: (user + system) / 1000 })
    }
    apart = Math.max(apart, difference(found[0]!, found[1]!))
  }
  const ratios = (clock: 'wall' | 'processor') =>
    times[0]!.map((time, at) => times[1]![at]![clock] / time[clock]).toSorted((a, b) => a - b)
  const median = (values: readonly number[]) =>
    values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
  const shown = (clock: 'wall' | 'processor') => {
    const sorted = ratios(clock)
    return `${median(sorted).toFixed(2)} (${sorted[0]!.toFixed(2)} to ${sorted.at(-1)!.toFixed(2)})`
  }
  rows.push([
    each.name,
    `${tokens[0]} of ${tokens[1]}`,
    median(times[0]!.map(({ wall }) => wall)).toFixed(0),
    median(times[1]!.map(({ wall }) => wall)).toFixed(0),
    shown('wall'),
    shown('processor'),
    apart.toExponential(1),
  ])
}
printTable(
  ['case', 'tokens read', 'together, ms', 'apart, ms', 'ratio', 'of processor time', 'differ by'],
  rows,
)
