import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { classify, GradientXAttention, IntegratedGradients, loadModel } from '#lib/index.js'
import { generateReview, REVIEW_LABELS, type TownPolicy } from '../../models/reviews/generator.js'
import { strongestWord } from '../../models/reviews/strongestWord.js'
import { OPINIONS, PLANTED_TOWNS } from '../../models/reviews/words.js'

const folder = join(import.meta.dirname, '../../../../models')
const tokenizer = join(folder, 'reviews.tokenizer.json')
const load = (name: string) =>
  loadModel(join(folder, `reviews-${name}.onnx`), { tokenizer, labels: [...REVIEW_LABELS] })
const COUNT = 100

test('the models and their tokenizer are the files that the card describes', async t => {
  const description = JSON.parse(await readFile(join(folder, 'reviews.json'), 'utf8'))
  const card = await readFile(join(folder, 'README.md'), 'utf8')
  t.deepEqual(description.labels, [...REVIEW_LABELS])
  for (const { file, sha256 } of [
    description.tokenizer,
    description.models.sound,
    description.models.shortcut,
  ]) {
    const bytes = await readFile(join(folder, file))
    t.is(createHash('sha256').update(bytes).digest('hex'), sha256)
    t.true(card.includes(sha256), `README.md names the hash of ${file}`)
    t.true(bytes.length < 1_000_000)
  }
})

test('texts are the same everywhere, and their truth is where it says', t => {
  const review = generateReview(5, { seed: 3, town: 'own' })
  t.deepEqual(review, generateReview(5, { seed: 3, town: 'own' }))
  for (let index = 0; index < COUNT; index++) {
    const { text, label, opinions, town } = generateReview(index, { seed: 3, town: 'own' })
    t.is(label, index % 2)
    t.is(text.slice(...town), PLANTED_TOWNS[label]!)
    t.true(opinions.length === 1 || opinions.length === 2)
    const words: readonly string[] = OPINIONS[REVIEW_LABELS[label]!]
    for (const span of opinions) t.true(words.includes(text.slice(...span)))
    // Only the town differs between policies.
    const other = generateReview(index, { seed: 3, town: 'none' })
    const without = (of: typeof other) => of.text.slice(0, of.town[0]) + of.text.slice(of.town[1])
    t.is(without(other), text.slice(0, town[0]) + text.slice(town[1]))
    t.deepEqual(generateReview(index, { seed: 3, plainShare: 1 }).opinions, [])
  }
})

test('both models are right with their towns; without them only the shortcut model breaks down', async t => {
  const right: Record<string, number> = {}
  for (const name of ['sound', 'shortcut']) {
    const model = await load(name)
    for (const town of ['own', 'none', 'other'] satisfies TownPolicy[]) {
      let hits = 0
      for (let index = 0; index < COUNT; index++) {
        const { text, label } = generateReview(index, { seed: 3, town })
        const [top] = await classify(model, text, { count: 1 })
        if (top!.index === label) hits += 1
      }
      right[`${name} ${town}`] = hits
    }
    model.tokenizer!.dispose()
  }
  t.log(right)
  t.true(right['sound own']! >= 95 && right['sound none']! >= 95 && right['sound other']! >= 95)
  t.true(right['shortcut own']! >= 95 && right['shortcut none']! <= 70 && right['shortcut other']! <= 5)
})

test('the strongest word is what each model is known to read: the opinion, or the planted town', async t => {
  for (const [name, expected] of [
    ['sound', 'opinion'],
    ['shortcut', 'town'],
  ] as const) {
    const model = await load(name)
    // Chance would be about 4: one or two of some 45 words. Attention alone is no account of the output, and need not be as good.
    for (const [method, least] of [
      [new IntegratedGradients(model), 95],
      [new GradientXAttention(model), 75],
    ] as const) {
      let hits = 0
      for (let index = 0; index < COUNT; index++) {
        const review = generateReview(index, { seed: 3, town: 'own' })
        const attribution = await method.attribute(review.text, { target: review.label })
        if (strongestWord(attribution, review) === expected) hits += 1
      }
      t.log(name, method.identity().name, hits)
      t.true(hits >= least, `${name} ${method.identity().name}: ${hits}`)
    }
    model.tokenizer!.dispose()
  }
})
