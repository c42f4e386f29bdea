import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import {
  classify,
  createTensor,
  findMethod,
  GradientXAttention,
  InputXGradient,
  IntegratedGradients,
  loadModel,
  Saliency,
  Target,
  type TokenUnits,
} from '#lib/index.js'
import { AttnLrp, LayerwiseRelevance } from '#lib/relevance.js'
import { floats, type ModelGiven, tensor, valueInfo, writeModel } from '../oracles/onnxWriter.js'
import { repositoryRoot } from '../oracles/repository.js'
import { sharedData } from '../oracles/sharedData.js'

const folder = join(repositoryRoot, 'test/fixtures/tokenizers')
const target = Target.regression()
const value = (index: number) => Math.sin(index * 1.3)
const weight = (feature: number) => feature + 1
/** What a token adds to y. */
const worth = (id: number) =>
  [0, 1, 2].reduce((sum, k) => sum + Math.fround(value(id * 3 + k)) * weight(k), 0)

/** y = mean over positions of E[ids] v: what each token adds can be read off. */
const bag = (
  length: number | string,
  tokenizer: string | null = 'words.json',
  change = (_: ModelGiven) => {},
) => {
  const given: ModelGiven = {
    opset: 17,
    nodes: [
      { op: 'Gather', inputs: ['table', 'input_ids'], outputs: ['rows'] },
      { op: 'ReduceMean', inputs: ['rows'], outputs: ['mean'], attributes: { axes: [1], keepdims: 0 } },
      { op: 'MatMul', inputs: ['mean', 'v'], outputs: ['y'] },
    ],
    tensors: [floats('table', [200, 3], value), floats('v', [3, 1], weight)],
    inputs: [valueInfo('input_ids', ['N', length], 7)],
    outputs: [valueInfo('y', ['N', 1])],
  }
  change(given)
  return loadModel(writeModel(given), tokenizer === null ? {} : { tokenizer: join(folder, tokenizer) })
}
const ids = (of: string[]) => {
  const { vocab } = JSON.parse(readFileSync(join(folder, 'words.json'), 'utf8')).model as {
    vocab: Record<string, number>
  }
  return of.map(token => vocab[token]!)
}
const close = (actual: ArrayLike<number>, expected: readonly number[]) =>
  actual.length === expected.length && expected.every((each, at) => Math.abs(actual[at]! - each) < 1e-5)

test('a text goes through the tokenizer, and every token gets what it adds', async t => {
  const model = await bag('T')
  const text = 'The dog, the Zebra.'
  const tokens = ['[START]', 'the', 'dog', 'the', '[UNK]']
  const attribution = await new InputXGradient(model).attribute(text, { target })
  const units = attribution.inputs[0]!.units as TokenUnits
  t.deepEqual(units.tokens, tokens)
  t.is(units.text, text)
  t.deepEqual(
    units.offsets!.map(place => place && text.slice(...place)),
    [null, 'The', 'dog', 'the', 'Zebra'],
  )
  const expected = ids(tokens).map(id => worth(id) / 5)
  t.true(close(attribution.aggregate().scores().data, expected))
  // A text has no padding in it: absence is padding in place of its own tokens.
  const path = await new IntegratedGradients(model, { steps: 4 }).attribute(text, { target })
  t.true(
    close(
      path.aggregate().scores().data,
      ids(tokens).map((id, at) => (at === 0 ? 0 : worth(id) - worth(0)) / 5),
    ),
  )
  const zero = await new IntegratedGradients(model, { steps: 4 }).attribute(text, { target, baseline: 0 })
  t.true(close(zero.aggregate().scores().data, expected))
})

test('a model of fixed length gets padding behind the text, and a mask where it takes one', async t => {
  const attribution = await new InputXGradient(await bag(8)).attribute('the dog', { target })
  const expected = ids(['[START]', 'the', 'dog', '[PAD]', '[PAD]', '[PAD]', '[PAD]', '[PAD]']).map(
    id => worth(id) / 8,
  )
  t.true(close(attribution.aggregate().scores().data, expected))
  t.regex(attribution.toText(), /\[PAD\] \u00d75/)
  const masked = await bag(8, 'words.json', given => {
    given.nodes.splice(
      1,
      1,
      { op: 'Cast', inputs: ['attention_mask'], outputs: ['real'], attributes: { to: 1 } },
      { op: 'Unsqueeze', inputs: ['real', 'last'], outputs: ['column'] },
      { op: 'Mul', inputs: ['rows', 'column'], outputs: ['kept'] },
      { op: 'ReduceMean', inputs: ['kept'], outputs: ['mean'], attributes: { axes: [1], keepdims: 0 } },
    )
    given.tensors!.push(tensor('last', [1], BigInt64Array.of(2n)))
    given.inputs!.push(valueInfo('attention_mask', ['N', 8], 7))
  })
  const { data } = (await new InputXGradient(masked).attribute('the dog', { target })).aggregate().scores()
  t.true(close(data, [...expected.slice(0, 3), 0, 0, 0, 0, 0]))
  await t.throwsAsync(new Saliency(masked).attribute('the '.repeat(8), { target }), { code: 'INPUT_SHAPE' })
  const endless = await bag(8, 'split_bytes.json')
  await t.throwsAsync(new Saliency(endless).attribute('the', { target }), { code: 'INPUT_SHAPE' })
})

test('texts without a tokenizer, and models whose inputs are no text, are refused', async t => {
  await t.throwsAsync(new Saliency(await bag('T', null)).attribute('the dog', { target }), {
    code: 'TOKENIZER_REQUIRED',
  })
  const strange = await bag('T', 'words.json', given => {
    given.inputs!.push(valueInfo('temperature', ['N', 1]))
    given.nodes.push({ op: 'Add', inputs: ['y', 'temperature'], outputs: ['z'] })
    given.outputs = [valueInfo('z', ['N', 1])]
  })
  await t.throwsAsync(new Saliency(strange).attribute('the dog', { target }), { code: 'INPUT_MISSING' })
  await t.throwsAsync(
    new Saliency(await bag('T', 'unigram.json')).attribute('', { target, tokens: ['a', 'b'] }),
    {
      code: 'INPUT_SHAPE',
    },
  )
  const none = await bag('T', 'split_bytes.json')
  await t.throwsAsync(new Saliency(none).attribute('', { target }), { code: 'INPUT_VALUE' })
})

const withEncoder = async (t: Parameters<typeof sharedData>[0]) => {
  const path = sharedData(t, 'sst2-transformer', 'sst2_transformer.onnx')
  const tokenizer = sharedData(t, 'sst2-transformer', 'tokenizer.json')
  return path && tokenizer ? loadModel(path, { tokenizer, labels: ['negative', 'positive'] }) : undefined
}

test('a trained encoder: tokens and logits of a text are those of the reference, cut where the words are', async t => {
  const model = await withEncoder(t)
  const reference = sharedData(t, 'sst2-transformer', 'reference.json')
  if (model === undefined || reference === undefined) return
  const examples = JSON.parse(readFileSync(reference, 'utf8')) as {
    text: string
    tokens: string[]
    logits: [number, number]
  }[]
  for (const { text, tokens, logits } of examples) {
    const said = await classify(model, text)
    for (const { index, value: logit } of said) t.true(Math.abs(logit - logits[index]!) < 1e-4)
    const attribution = await new InputXGradient(model).attribute(text)
    t.deepEqual((attribution.inputs[0]!.units as TokenUnits).tokens, tokens)
    // These texts have spaces between all words: those are what words of the grouping are.
    const grouped = attribution.group('whitespace').inputs[0]!.units as TokenUnits
    t.deepEqual(grouped.tokens, ['[CLS]', ...text.trim().split(/\s+/), '[SEP]'])
  }
})

const onTokens = [
  'Saliency',
  'InputXGradient',
  'IntegratedGradients',
  'GuidedIntegratedGradients',
  'Idgi',
  'GradientShap',
  'DeepLift',
  'DeepLiftShap',
  'SmoothGrad',
  'SmoothGradSquared',
  'VarGrad',
  'RawAttention',
  'AttentionRollout',
  'GradientXAttention',
  'LeGrad',
]

test('every method that works on embeddings or attention explains a text; completeness holds where it should', async t => {
  const model = await withEncoder(t)
  if (model === undefined) return
  const text = 'a dull , overlong script'
  for (const name of onTokens) {
    const entry = findMethod(name)
    const method = (await entry.load())(model, {})
    // That one wants several baselines: here embeddings of the eight tokens.
    const several = createTensor(
      'f32',
      [2, 8, 64],
      Float32Array.from({ length: 1024 }, (_, at) => Math.sin(at) / 8),
    )
    const baseline = entry.name === 'DeepLiftShap' ? { baseline: several } : {}
    const attribution = await method.attribute(text, { target: 'negative', ...baseline })
    const { units, scores } = attribution.aggregate().inputs[0]!
    t.is((units as TokenUnits).text, text, entry.name)
    t.true(
      Array.from(scores.data, Math.abs).some(score => score > 0),
      entry.name,
    )
  }
  for (const method of [new AttnLrp(model), new LayerwiseRelevance(model)]) {
    const attribution = await method.attribute(text, { target: 'negative' })
    t.is((attribution.inputs[0]!.units as TokenUnits).text, text)
  }
  const path = await new IntegratedGradients(model).attribute(text, { target: 'negative' })
  t.true(path.checks.completeness![0]!.relative! < 1e-5)
  t.is(path.group().top(1, { by: 'positive' })[0]!.token, 'dull')
  const relevant = await new GradientXAttention(model).attribute(text, { target: 'negative' })
  t.true(['dull', 'overlong'].includes(relevant.group().top(1)[0]!.token!))
})

test('averaged embeddings of a shipped model: what a word adds is found in a review', async t => {
  const path = sharedData(t, 'text-avgemb-imdb', 'movie_review.onnx')
  const words = sharedData(t, 'text-avgemb-imdb', 'vocab.json')
  if (path === undefined || words === undefined) return
  const vocab = JSON.parse(readFileSync(words, 'utf8')) as Record<string, number>
  const entries = Object.entries({ '<PAD>': 0, '<START>': 1, '<UNKNOWN>': 2, ...vocab })
  const description = {
    model: { type: 'WordLevel', vocab: Object.fromEntries(entries), unk_token: '<UNKNOWN>' },
    normalizer: { type: 'Lowercase' },
    pre_tokenizer: { type: 'Split', pattern: { Regex: "[^\\w']+" }, behavior: 'Removed', invert: false },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<START>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { '<START>': { id: '<START>', ids: [1], tokens: ['<START>'] } },
    },
    padding: { pad_id: 0 },
  }
  const model = await loadModel(path, {
    tokenizer: new TextEncoder().encode(JSON.stringify(description)),
    labels: ['negative', 'positive'],
  })
  const attribution = await new IntegratedGradients(model).attribute(
    'A wonderful film, and an awful, boring ending.',
    {
      target: Target.difference('positive', 'negative'),
    },
  )
  t.true(attribution.checks.completeness![0]!.relative! < 1e-2)
  const scores = attribution.group()
  t.is(scores.top(1, { by: 'positive' })[0]!.token, 'wonderful')
  t.true(['awful', 'boring'].includes(scores.top(1, { by: 'negative' })[0]!.token!))
})
