import test, { type ExecutionContext } from 'ava'
import { continuation } from '#lib/data/tokenizer/continuation.js'
import { ContextPrompt, loadModel, type Model, Scorer } from '#lib/index.js'
import { checkpointCopy } from '../oracles/checkpointCopy.js'
import { idsOf, letterTokenizer } from '../oracles/letterTokenizer.js'

/** Letters, `ts` as one token, and a space in front of every text, as tokenizers of words have it. */
async function spaced(t: ExecutionContext): Promise<Model> {
  const plain = letterTokenizer() as { model: { vocab: Record<string, number> } }
  const tokenizer = {
    ...plain,
    normalizer: { type: 'Prepend', prepend: ' ' },
    model: { ...plain.model, vocab: { ...plain.model.vocab, ts: 40 }, merges: [['t', 's']] },
  }
  const model = await loadModel(await checkpointCopy(t, 'llama', { 'tokenizer.json': tokenizer }))
  t.teardown(() => model.tokenizer!.dispose())
  return model
}

const prompt = 'the cat sat'
const text = ' on the mat'

test('a text behind a prompt is the tokens of both together, for the scorer and for contexts alike', async t => {
  const model = await spaced(t)
  const tokenizer = model.tokenizer!
  const { ids: before } = await tokenizer.encode(prompt, { specials: true })
  const { ids: both } = await tokenizer.encode(prompt + text, { specials: true })
  t.deepEqual(both.slice(0, before.length), before)
  const behind = both.slice(before.length)
  t.deepEqual(behind, idsOf(text))
  // By itself this tokenizer puts a space in front, so that there would be two.
  const alone = (await tokenizer.encode(text, { specials: false })).ids
  t.deepEqual(alone, idsOf(` ${text}`))

  const score = await new Scorer(model).score({ given: prompt, text })
  t.deepEqual([...score.ids], behind)
  const same = await new Scorer(model).score({ given: before, text: behind })
  t.deepEqual(score.logProbabilities, same.logProbabilities)

  const context = await ContextPrompt.create(model, {
    context: prompt,
    response: text,
    chat: false,
    template: '[context]',
  })
  t.deepEqual([...context.response.ids], behind)
  t.is(context.response.text, text)
  for (const [at, span] of context.response.spans!.entries())
    t.true(
      span !== null &&
        span.end <= text.length &&
        (at === 0 || span.start >= context.response.spans![at - 1]!.start),
    )
  const later = await context.withResponse(' on it')
  t.deepEqual(
    [...later.response.ids],
    (await tokenizer.encode(`${prompt} on it`, { specials: true })).ids.slice(before.length),
  )
  // The reference writes each part by itself.
  const apart = await ContextPrompt.create(model, {
    context: prompt,
    response: text,
    chat: false,
    template: '[context]',
    tokenisation: 'apart',
  })
  t.deepEqual([...apart.response.ids], alone)
})

test('a text that changes the tokens before it is written by itself', async t => {
  const model = await spaced(t)
  const tokenizer = model.tokenizer!
  const { ids } = await tokenizer.encode('cat', { specials: true })
  const before = { text: 'cat', ids, specials: true }
  // Together they are ` ca`, `ts` and `!`: the prompt's last token is gone.
  t.deepEqual((await tokenizer.encode('cats!', { specials: true })).ids, [
    1,
    ...idsOf(' ca'),
    40,
    ...idsOf('!'),
  ])
  t.deepEqual((await continuation(tokenizer, before, 's!')).ids, idsOf(' s!'))
  t.deepEqual((await continuation(tokenizer, before, '!')).ids, idsOf('!'))
  // Where only tokens are known, and where nothing is written.
  t.deepEqual(
    (await continuation(tokenizer, undefined, text)).ids,
    (await tokenizer.encode(text, { specials: false })).ids,
  )
  t.deepEqual(
    (await continuation(tokenizer, before, '')).ids,
    (await tokenizer.encode('', { specials: false })).ids,
  )
})
