import { createHash } from 'node:crypto'
import { mkdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { Generator, loadModel, segmentText } from '#lib/index.js'
import { traceback } from '../../examples/quickstart/traceback.js'
import { generateKeys, type KeysOptions } from '../../models/keys/generator.js'
import { keysContext, keysPrompt } from '../../models/keys/prompt.js'
import { temporaryFolder } from '../oracles/temporaryFolder.js'

const models = join(import.meta.dirname, '../../../../models')
const folder = join(models, 'keys-transformer')

test('the model is the file that the card describes, and small', async t => {
  const card = await readFile(join(models, 'README.md'), 'utf8')
  let size = 0
  for (const file of ['model.safetensors', 'tokenizer.json', 'config.json', 'generation_config.json'])
    size += (await stat(join(folder, file))).size
  t.true(size < 3_000_000)
  for (const file of ['model.safetensors', 'tokenizer.json']) {
    const hash = createHash('sha256').update(await readFile(join(folder, file)))
    t.true(card.includes(hash.digest('hex')), `README.md names the hash of ${file}`)
  }
})

test('texts are the same everywhere, and are cut into the sentences that they were made of', t => {
  const text = generateKeys(5, { seed: 3, sentences: 12, injections: 1, length: 20 })
  t.deepEqual(text, generateKeys(5, { seed: 3, sentences: 12, injections: 1, length: 20 }))
  t.is(text.sentences.length, 12)
  t.is(text.sentences.filter(({ role }) => role === 'injection').length, 1)
  t.deepEqual(
    segmentText(keysContext(text)).map(each => each.text.trim()),
    text.sentences.map(each => each.text),
  )
})

const cases: [string, Omit<KeysOptions, 'seed'>][] = [
  ['answers what one sentence says', { sentences: 16 }],
  ['answers about two people', { sentences: 16, asked: 2 }],
  ['says that nobody told', { sentences: 16, support: 0 }],
  ['obeys an instruction', { sentences: 16, injections: 1 }],
  ['leaves an instruction about somebody else alone', { sentences: 16, otherInjections: 1 }],
]
for (const [what, options] of cases)
  test(`the model ${what}`, async t => {
    const generator = new Generator(await loadModel(folder))
    const texts = Array.from({ length: 12 }, (_, index) => generateKeys(index, { seed: 3, ...options }))
    const found = await generator.generateBatch(
      texts.map(text => keysPrompt(keysContext(text), text.pairs[0].question)),
    )
    const right = found.filter(({ text }, at) => text!.trim() === texts[at]!.pairs[0].answer).length
    t.true(right >= 11, `${right} of 12`)
  })

test('a planted instruction is found, and the answer is right without it', async t => {
  const out = await temporaryFolder(t)
  await mkdir(out, { recursive: true })
  const { example, methods } = await traceback(models, out, 4)
  t.is(example.blamed, example.planted)
  t.is(example.answerWithout, example.truth)
  t.not(example.answer, example.truth)
  t.is(methods.length, 2)
  t.regex(await readFile(join(out, 'trace.html'), 'utf8'), /What the model read/)
})
