import test, { type ExecutionContext } from 'ava'
import { Entailment, loadModel } from '#lib/index.js'
import { positionLimit } from '#lib/model/positionLimit.js'
import { checkpointCopy } from '../oracles/checkpointCopy.js'
import { idsOf, letterTokenizer } from '../oracles/letterTokenizer.js'
import { checkpointFolder, idsTensor } from '../oracles/recordedCheckpoints.js'

const special = (id: string) => ({ SpecialToken: { id, type_id: 0 } })
const sequence = (id: string, type = 0) => ({ Sequence: { id, type_id: type } })

/** Letters, and `<s> a </s> b </s>` for two texts, as BERT has it. */
const pairTokenizer = () => ({
  ...letterTokenizer(),
  post_processor: {
    type: 'TemplateProcessing',
    single: [special('<s>'), sequence('A'), special('</s>')],
    pair: [
      special('<s>'),
      sequence('A'),
      special('</s>'),
      sequence('B', 1),
      { SpecialToken: { id: '</s>', type_id: 1 } },
    ],
    special_tokens: Object.fromEntries(
      ['<s>', '</s>'].map((id, at) => [id, { id, ids: [1 + at], tokens: [id] }]),
    ),
  },
})

const id2label = { 0: 'CONTRADICTION', 1: 'entailment', 2: 'neutral' }

async function judgeOf(t: ExecutionContext, name: string, config: object = { id2label }) {
  const folder = await checkpointCopy(t, name, { 'tokenizer.json': pairTokenizer(), 'config.json': config })
  const model = await loadModel(folder)
  t.teardown(() => model.tokenizer?.dispose())
  return { model, make: (options = {}) => new Entailment(model, options) }
}

for (const name of ['bert-classification', 'distilbert-classification'])
  test(`${name}: probabilities of the classes of a pair, whatever pairs are beside it`, async t => {
    const { model, make } = await judgeOf(t, name)
    const pairs = [
      { premise: 'a dog', hypothesis: 'cat' },
      { premise: 'ab', hypothesis: 'cd' },
    ]
    const scores = await make().judge(pairs)
    for (const [at, { premise, hypothesis }] of pairs.entries()) {
      const [first, second] = [idsOf(premise), idsOf(hypothesis)]
      const ids = [1, ...first, 2, ...second, 2]
      const types = ids.map((_, place) => (place > first.length + 1 ? 1 : 0))
      const given = {
        input_ids: idsTensor([ids]),
        attention_mask: idsTensor([ids.map(() => 1)]),
        ...(name.startsWith('bert') ? { token_type_ids: idsTensor([types]) } : {}),
      }
      const { outputs } = await model.run(given)
      const weights = Array.from(outputs.logits!.data as Float32Array, Math.exp)
      const total = weights.reduce((a, b) => a + b)
      const { entailment, neutral, contradiction } = scores[at]!
      for (const [k, found] of [contradiction!, entailment, neutral!].entries())
        t.true(Math.abs(found - weights[k]! / total) < 1e-6)
    }
  })

test('classes are told by their labels or by the caller, and what is too long or empty is said', async t => {
  const { make } = await judgeOf(t, 'bert-classification', { id2label: { 0: 'A', 1: 'B', 2: 'C' } })
  t.throws(() => make(), { code: 'MODEL_CAPABILITY', message: /A, B, C/ })
  t.throws(() => make({ classes: { entailment: 3 } }), { code: 'OPTION_RANGE' })
  const judge = make({ classes: { entailment: 1 } })
  const [score] = await judge.judge([{ premise: 'ab', hypothesis: 'c' }])
  t.deepEqual(Object.keys(score!), ['entailment'])
  await t.throwsAsync(judge.judge([{ premise: 'a'.repeat(40), hypothesis: 'c' }]), { code: 'INPUT_SHAPE' })
  await t.throwsAsync(judge.judge([{ premise: 'a', hypothesis: '' }]), { code: 'INPUT_VALUE' })
  t.deepEqual(await judge.judge([]), [])
  const generating = await loadModel(checkpointFolder('llama'))
  t.throws(() => new Entailment(generating), { code: 'MODEL_CAPABILITY' })
  const bare = await loadModel(checkpointFolder('bert-classification'))
  await t.throwsAsync(
    new Entailment(bare, { classes: { entailment: 0 } }).judge([{ premise: 'a', hypothesis: 'b' }]),
    {
      code: 'TOKENIZER_REQUIRED',
    },
  )
})

test('a tokenizer without a form for two texts is refused: they would be one', async t => {
  const folder = await checkpointCopy(t, 'bert-classification', {
    'tokenizer.json': { ...letterTokenizer(), post_processor: null },
    'config.json': { id2label },
  })
  const model = await loadModel(folder)
  t.teardown(() => model.tokenizer?.dispose())
  await t.throwsAsync(new Entailment(model).judge([{ premise: 'ab', hypothesis: 'c' }]), {
    code: 'TOKENIZER_INVALID',
  })
})

test('a pair for RoBERTa may have two positions fewer than its table, which begins behind the padding', async t => {
  const { model, make } = await judgeOf(t, 'roberta-classification', { id2label, pad_token_id: 1 })
  const limit = positionLimit(model)!
  t.is(limit, model.checkpoint!.config.integer('max_position_embeddings') - 2)
  const judge = make()
  // <s> premise </s> hypothesis </s>
  const longest = { premise: 'a'.repeat(limit - 4), hypothesis: 'b' }
  t.is((await judge.judge([longest])).length, 1)
  await t.throwsAsync(judge.judge([{ ...longest, hypothesis: 'bc' }]), {
    code: 'INPUT_SHAPE',
    message: new RegExp(`${limit + 1} tokens.*reads ${limit}`),
  })
})
