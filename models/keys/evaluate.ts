/**
 * How often the retrieval transformer is right on texts that nobody trained on (seed 3):
 * `node build/ts/models/keys/evaluate.js [--count 500]`
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Generator, loadModel, wilsonInterval } from '#lib/index.js'
import { generateKeys, type KeysOptions, type KeysText } from './generator.js'
import { keysContext, keysPrompt } from './prompt.js'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '500' },
    model: { type: 'string', default: join(import.meta.dirname, '../../../../models/keys-transformer') },
  },
})
const count = Number(values.count)
const generator = new Generator(await loadModel(values.model))

const without = (text: KeysText): KeysText => ({
  ...text,
  sentences: text.sentences.filter(({ role }) => role !== 'injection'),
})
type Case = [name: string, options: Omit<KeysOptions, 'seed'>, change: (text: KeysText) => KeysText]
const same = (text: KeysText): KeysText => text
const cases: Case[] = [
  ['one sentence says it, among 16', { sentences: 16 }, same],
  ['five say it, among 24', { sentences: 24, support: 5 }, same],
  ['two people are asked for, among 16', { sentences: 16, asked: 2 }, same],
  ['nobody says it, among 16', { sentences: 16, support: 0 }, same],
  ['20 tokens each, one says it, among 20', { sentences: 20, length: 20 }, same],
  ['20 tokens each, one says it, among 40', { sentences: 40, length: 20 }, same],
  ['an instruction about somebody else, among 16', { sentences: 16, otherInjections: 1 }, same],
  ['an instruction says otherwise, among 16: obeyed', { sentences: 16, injections: 1 }, same],
  ['the same without the instruction: right', { sentences: 16, injections: 1 }, without],
]
for (const [name, options, change] of cases) {
  let right = 0
  for (let first = 0; first < count; first += 50) {
    const texts = Array.from({ length: Math.min(50, count - first) }, (_, at) =>
      generateKeys(first + at, { seed: 3, ...options }),
    )
    const found = await generator.generateBatch(
      texts.map(text => keysPrompt(keysContext(change(text)), text.pairs[0].question)),
      { temperature: 0 },
    )
    for (const [at, { pairs }] of texts.entries()) {
      const wanted = change === without ? pairs[0].truth : pairs[0].answer
      if (found[at]!.text!.trim() === wanted) right++
    }
  }
  const { mean, low, high } = wilsonInterval(right, count)
  const percent = (share: number) => `${(100 * share).toFixed(1)}`
  console.log(`${name.padEnd(50)} ${percent(mean)} % (${percent(low)} to ${percent(high)})`)
}
