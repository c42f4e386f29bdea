/**
 * Writes texts of one seed for the training script, one JSON document a line; options are drawn for each:
 * `node build/ts/models/keys/dump.js --out FILE --seed S --count N --most SENTENCES [--plain]`
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { CounterRandom } from '../scenes/random.js'
import { generateKeys, type KeysOptions } from './generator.js'

/** The stream of the options' draws; the generator has those below. */
const stream = 9

/** What a text of the training set, or one held out, looks like. */
export function drawnOptions(index: number, seed: number, most: number): KeysOptions {
  const random = new CounterRandom(seed, index, stream)
  const others = random.below(Math.max(1, Math.min(6, most >> 1))) + 1
  const room = most - others
  const asked = random.unit() < 0.3 && room >= 3 ? 2 : 1
  const support =
    random.unit() < 0.1 ? 0 : 1 + (random.unit() < 0.4 ? random.below(Math.max(1, room >> 2)) : 0)
  const injections = random.unit() < 0.4 ? 1 + random.below(Math.max(1, Math.min(3, room >> 3))) : 0
  const otherInjections = random.unit() < 0.3 && room > support * asked + injections ? 1 : 0
  const least = support * asked + others + injections + otherInjections
  const sentences = Math.max(least, 2 + random.below(Math.max(1, most - 1)))
  return { seed, sentences, support, others, injections, otherInjections, asked }
}

/** Nothing but facts: what training begins with. */
function plainOptions(index: number, seed: number, most: number): KeysOptions {
  const others = 1 + new CounterRandom(seed, index, stream).below(most - 1)
  return { seed, sentences: others + 1, others, plain: true }
}

function main(): void {
  const { values } = parseArgs({
    options: {
      out: { type: 'string' },
      seed: { type: 'string' },
      count: { type: 'string' },
      most: { type: 'string', default: '24' },
      plain: { type: 'boolean', default: false },
    },
  })
  const { out, seed, count } = values
  if (out === undefined || seed === undefined || count === undefined)
    throw new Error('--out, --seed and --count are required')
  const lines = Array.from({ length: Number(count) }, (_, at) => {
    const drawn = values.plain ? plainOptions : drawnOptions
    const { sentences, pairs } = generateKeys(at, drawn(at, Number(seed), Number(values.most)))
    const asked = pairs.map(({ question, answer }) => ({ question, answer }))
    return JSON.stringify({ sentences: sentences.map(({ text }) => text), pairs: asked })
  })
  writeFileSync(out, `${lines.join('\n')}\n`)
}

if (process.argv[1]?.endsWith('dump.js')) main()
