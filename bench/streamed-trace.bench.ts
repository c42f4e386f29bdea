/**
 * What does a trace add to generation? The same text is written with and without the attention of its rows being read, in one
 * process, token by token in turns (the first of each pair alternates), so that whatever else the machine does falls on both alike;
 * by a checkpoint of your own (--folder; `python bench/checkpoints/peer.py make FOLDER` makes one of 124 M parameters), with a
 * prompt of 1,032 tokens in 64 texts. What is added is the ratio of sums over pieces of eight tokens, with a 95 % bootstrap
 * interval over them; reading the prompt is a piece of its own in every round.
 *
 *   node build/ts/bench/streamed-trace.bench.js --folder FOLDER [--quick]
 */
import { ContextPrompt, type GenerationPiece, Generator, loadModel, StreamedTrace } from '#lib/index.js'
import { native } from '#lib/native.js'
import { flags, printTable, quick, threads } from './harness.js'

const folder = flags.folder
if (folder === undefined) {
  console.log('skipped: `python bench/checkpoints/peer.py make FOLDER` makes a checkpoint, --folder names it')
  process.exit(0)
}
native().configure({ lanes: 1, threadsPerLane: threads })
const [texts, length, count, rounds] = quick ? [8, 16, 65, 2] : [64, 16, 257, 4]
const model = await loadModel(folder)
const token = (at: number) => 5 + ((at * 7919) % 31_000)
const ids = Array.from({ length: texts * length + 8 }, (_, at) => token(at))
const spans = Array.from({ length: texts }, (_, at) => ({ start: at * length, end: (at + 1) * length }))
const options = { temperature: 0, maximumTokens: count }
const generator = new Generator(model)
const trace = await StreamedTrace.open(model, await ContextPrompt.fromTokens(model, { ids, spans }))

interface Laps {
  wall: number[]
  processor: number[]
  readonly written: number[]
}
const laps = (): Laps => ({ wall: [], processor: [], written: [] })

/** Writes one token, and tells what it took. */
async function step(stream: AsyncIterator<GenerationPiece>, own: Laps): Promise<void> {
  const [wall, used] = [performance.now(), process.cpuUsage()]
  const { value } = await stream.next()
  const { user, system } = process.cpuUsage(used)
  own.wall.push(performance.now() - wall)
  own.processor.push((user + system) / 1000)
  own.written.push((value as GenerationPiece).id)
}

const pieceTokens = 8
type Pieces = { plain: number[]; traced: number[] }
const decode = { wall: { plain: [], traced: [] } as Pieces, processor: { plain: [], traced: [] } as Pieces }
const prefill = { wall: { plain: [], traced: [] } as Pieces, processor: { plain: [], traced: [] } as Pieces }
for (let round = -1; round < rounds; round++) {
  const [plain, traced] = [laps(), laps()]
  const streams = [generator.stream(ids, options), trace.stream(options)] as const
  for (let at = 0; at < count; at++)
    for (const which of (at + round) % 2 === 0 ? [0, 1] : [1, 0])
      await step(streams[which]!, which === 0 ? plain : traced)
  if (plain.written.some((id, at) => id !== traced.written[at])) console.log('the tokens differ')
  if (round < 0) continue
  for (const clock of ['wall', 'processor'] as const)
    for (const [name, own] of [
      ['plain', plain],
      ['traced', traced],
    ] as const) {
      prefill[clock][name].push(own[clock][0]!)
      for (let at = 1; at + pieceTokens <= count; at += pieceTokens)
        decode[clock][name].push(own[clock].slice(at, at + pieceTokens).reduce((a, b) => a + b))
    }
}

/** A small generator of its own, so that the interval is the same each time. */
let state = 1
const random = (below: number) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.floor((state / 2 ** 32) * below)
}
const added = ({ plain, traced }: Pieces, chosen: readonly number[]) =>
  chosen.reduce((sum, at) => sum + traced[at]!, 0) / chosen.reduce((sum, at) => sum + plain[at]!, 0) - 1
const percent = (share: number) => `${(100 * share).toFixed(2)} %`
const rows = Object.entries({ prefill, decode }).flatMap(([part, clocks]) =>
  Object.entries(clocks).map(([clock, pieces]) => {
    const all = pieces.plain.map((_, at) => at)
    const draws = Array.from({ length: 2000 }, () =>
      added(
        pieces,
        all.map(() => random(all.length)),
      ),
    )
    draws.sort((a, b) => a - b)
    const mean = (values: readonly number[]) =>
      values.reduce((a, b) => a + b) / values.length / (part === 'decode' ? pieceTokens : 1)
    return [
      `${part}, ${clock} time`,
      String(all.length),
      mean(pieces.plain).toFixed(2),
      mean(pieces.traced).toFixed(2),
      `${percent(added(pieces, all))} (${percent(draws[50]!)} to ${percent(draws[1949]!)})`,
    ]
  }),
)
printTable(['case', 'pieces', 'plain, ms', 'traced, ms', 'added'], rows)
