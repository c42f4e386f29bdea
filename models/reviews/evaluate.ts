/**
 * Measures both review models on held-out texts and writes models/reviews.json:
 * `node build/ts/models/reviews/evaluate.js`. Accuracy by town, and how often the word with the greatest integrated
 * gradient is one that the label follows from (sound) or the town (shortcut).
 */
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { classify, IntegratedGradients, loadModel, type Model, wilsonInterval } from '#lib/index.js'
import { generateReview, REVIEW_LABELS, type TownPolicy } from './generator.js'
import { strongestWord } from './strongestWord.js'

const SEED = 3
const COUNT = 1000
const EXPLAINED = 200
const folder = join(import.meta.dirname, '../../../../models')
const tokenizer = join(folder, 'reviews.tokenizer.json')

const share = (hits: number, n: number) => {
  const { low, high } = wilsonInterval(hits, n)
  const round = (value: number) => Number(value.toFixed(4))
  return { share: round(hits / n), low: round(low), high: round(high), n }
}

async function accuracy(model: Model, town: TownPolicy) {
  let hits = 0
  for (let index = 0; index < COUNT; index++) {
    const { text, label } = generateReview(index, { seed: SEED, town })
    const [top] = await classify(model, text, { count: 1 })
    if (top!.index === label) hits += 1
  }
  return share(hits, COUNT)
}

async function strongest(model: Model) {
  const method = new IntegratedGradients(model)
  const hits = { opinion: 0, town: 0 }
  for (let index = 0; index < EXPLAINED; index++) {
    const review = generateReview(index, { seed: SEED, town: 'own' })
    const kind = strongestWord(await method.attribute(review.text, { target: review.label }), review)
    if (kind !== undefined) hits[kind] += 1
  }
  return { opinion: share(hits.opinion, EXPLAINED), town: share(hits.town, EXPLAINED) }
}

const models: Record<string, object> = {}
for (const name of ['sound', 'shortcut']) {
  const file = `reviews-${name}.onnx`
  const model = await loadModel(join(folder, file), { tokenizer })
  models[name] = {
    file,
    sha256: createHash('sha256')
      .update(await readFile(join(folder, file)))
      .digest('hex'),
    accuracy: {
      own: await accuracy(model, 'own'),
      none: await accuracy(model, 'none'),
      other: await accuracy(model, 'other'),
    },
    strongestWord: await strongest(model),
  }
  model.tokenizer!.dispose()
}
const description = {
  labels: REVIEW_LABELS,
  tokenizer: {
    file: 'reviews.tokenizer.json',
    sha256: createHash('sha256')
      .update(await readFile(tokenizer))
      .digest('hex'),
  },
  inputs: ['input_ids', 'attention_mask'],
  output: { name: 'logits', shape: ['batch', 2] },
  seeds: { train: 1, validation: 2, test: SEED, examples: 4 },
  models,
}
await writeFile(join(folder, 'reviews.json'), `${JSON.stringify(description, null, 2)}\n`)
