/**
 * What does a trace add to generation? The same text is written with and without the attention of its rows being read,
 * in turns, by a checkpoint of your own (--folder; `python bench/checkpoints/peer.py make FOLDER` makes one of 100 M
 * parameters), with a prompt of 1,024 tokens in 64 texts. Milliseconds are processor time, which others on the machine
 * distort less, and wall time; decoding is measured apart from reading the prompt.
 *
 *   node build/ts/bench/streamed-trace.bench.js --folder FOLDER [--quick]
 */
import { ContextPrompt, Generator, loadModel, StreamedTrace } from '#lib/index.js'
import { native } from '#lib/native.js'
import { flags, printTable, quick, threads } from './harness.js'

const folder = flags.folder
if (folder === undefined) {
  console.log('skipped: `python bench/checkpoints/peer.py make FOLDER` makes a checkpoint, --folder names it')
  process.exit(0)
}
native().configure({ lanes: 1, threadsPerLane: threads })
const [texts, length, count, rounds] = quick ? [8, 16, 17, 2] : [64, 16, 65, 7]
const model = await loadModel(folder)
const token = (at: number) => 5 + ((at * 7919) % 31_000)
const ids = Array.from({ length: texts * length + 8 }, (_, at) => token(at))
const spans = Array.from({ length: texts }, (_, at) => ({ start: at * length, end: (at + 1) * length }))
const options = { temperature: 0, maximumTokens: count }
const generator = new Generator(model)
const trace = await StreamedTrace.open(model, await ContextPrompt.fromTokens(model, { ids, spans }))

async function timed(stream: AsyncIterable<{ id: number }>) {
  const written: number[] = []
  let [wall, used] = [performance.now(), process.cpuUsage()]
  const parts: { wall: number; processor: number }[] = []
  const lap = () => {
    const { user, system } = process.cpuUsage(used)
    parts.push({ wall: performance.now() - wall, processor: (user + system) / 1000 })
    ;[wall, used] = [performance.now(), process.cpuUsage()]
  }
  for await (const { id } of stream) if (written.push(id) === 1) lap()
  lap()
  return { prefill: parts[0]!, decode: parts[1]!, written }
}

const runs: { plain: Awaited<ReturnType<typeof timed>>; traced: Awaited<ReturnType<typeof timed>> }[] = []
for (let round = -1; round < rounds; round++) {
  const plain = await timed(generator.stream(ids, options))
  const traced = await timed(trace.stream(options))
  if (round < 0) {
    const isSame = plain.written.every((id, at) => id === traced.written[at])
    console.log(isSame ? `the same ${plain.written.length} tokens` : 'the tokens differ')
  } else runs.push({ plain, traced })
}
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
const rows = (['prefill', 'decode'] as const).flatMap(part =>
  (['processor', 'wall'] as const).map(clock => {
    const of = (which: 'plain' | 'traced') => runs.map(run => run[which][part][clock])
    const ratios = of('traced').map((value, at) => value / of('plain')[at]!)
    const sorted = ratios.toSorted((a, b) => a - b)
    const percent = (ratio: number) => `${(100 * (ratio - 1)).toFixed(1)} %`
    return [
      `${part}, ${clock} time`,
      median(of('plain')).toFixed(1),
      median(of('traced')).toFixed(1),
      `${percent(median(ratios))} (${percent(sorted[0]!)} to ${percent(sorted.at(-1)!)})`,
    ]
  }),
)
printTable(['case', 'plain, ms', 'traced, ms', 'added'], rows)
