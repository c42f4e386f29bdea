/**
 * How much memory does the trace of a long context take? A whole context is read once (`AttnTrace`, q: 1) by a checkpoint of
 * your own (--folder; `python bench/context/peer.py make FOLDER` makes a llama of 0.4 B parameters), and the greatest memory that
 * belongs to no file is held against one copy of the weights as they are stored, and keys and values of all tokens, and 15 %.
 *
 *   node build/ts/bench/long-context.bench.js --folder FOLDER [--texts 80 (of 100 tokens)] [--precision bf16]
 */
import { readFileSync } from 'node:fs'
import { AttnTrace, ContextPrompt, loadModel } from '#lib/index.js'
import { native } from '#lib/native.js'
import { longPrompt } from './context/longPrompt.js'
import { flags, printTable, quick, threads } from './harness.js'

const { folder } = flags
if (folder === undefined) {
  console.log('skipped: `python bench/context/peer.py make FOLDER` makes a checkpoint, --folder names it')
  process.exit(0)
}
native().configure({ lanes: 1, threadsPerLane: threads })
const [texts, length, answer] = [Number(flags.texts ?? (quick ? 4 : 80)), 100, 32]
const { ids, spans, response } = longPrompt(texts, length, answer)

/** Mebibytes of this process that /proc tells. */
const memory = (name: string) =>
  Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024
const precision = flags.precision === 'bf16' ? 'bf16' : 'f32'
const model = await loadModel(folder, { precision })
const prompt = await ContextPrompt.fromTokens(model, { ids, spans, response })
let peak = 0
const watch = setInterval(() => {
  peak = Math.max(peak, memory('RssAnon'))
}, 20)
const began = performance.now()
const { cost, scores } = await new AttnTrace(model, { q: 1, B: 1 }).attribute(prompt)
const seconds = (performance.now() - began) / 1000
clearInterval(watch)
if (!scores.every(Number.isFinite)) throw new Error('A score is no number')
const stored = model.parameters.list().reduce((sum, { bytes }) => sum + bytes, 0) / 2 ** 20
const config = JSON.parse(readFileSync(`${folder}/config.json`, 'utf8')) as Record<string, number>
const size = config.head_dim ?? config.hidden_size! / config.num_attention_heads!
const caches = (8 * config.num_hidden_layers! * config.num_key_value_heads! * size * cost.tokens) / 2 ** 20
const mib = (value: number) => `${value.toFixed(0)} MiB`
printTable(
  ['tokens', 'weights', 'keys and values', 'bound', 'peak of no file', 'peak in all', 'seconds'],
  [
    [
      String(cost.tokens),
      mib(stored),
      mib(caches),
      mib(1.15 * (stored + caches)),
      mib(peak),
      mib(memory('VmHWM')),
      seconds.toFixed(1),
    ],
  ],
)
