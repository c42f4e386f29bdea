import test from 'ava'
import { ggufTokenizer } from '#lib/frontends/checkpoints/gguf/ggufTokenizer.js'
import { GgufMetadata } from '#lib/frontends/checkpoints/gguf/metadata.js'
import { Generator, loadModel, loadTokenizer } from '#lib/index.js'
import { chatPrompt } from '#lib/language/chatPrompt.js'
import { ggufPath, recordedGguf } from '../../oracles/recordedGguf.js'

test('byte pairs: the tokens of the tokenizer that the file was written from', async t => {
  const model = await loadModel(ggufPath('llama-half'))
  const { texts } = recordedGguf('llama-half')
  t.true(texts!.length > 3)
  for (const { text, ids } of texts!) t.deepEqual((await model.tokenizer!.encode(text)).ids, ids, text)
  t.is(await model.tokenizer!.decode(texts![2]!.ids), texts![2]!.text)
  await model.tokenizer!.dispose()
})

test('the chat template of the file writes a conversation', async t => {
  const model = await loadModel(ggufPath('llama-half'))
  const text = await chatPrompt(model, [
    { role: 'user', content: 'hello' },
    { role: 'assistant', content: 'yes' },
  ])
  t.is(text, '<|begin|>[user] hello<|end|>[assistant] yes<|end|>')
})

test('a text ends at the token that the file names', async t => {
  const model = await loadModel(ggufPath('llama-half'))
  t.deepEqual(model.checkpoint?.generation?.endTokens, [1])
  const { ids } = await new Generator(model).generate([3, 5, 8], { maximumTokens: 5 })
  t.true(ids.length > 0)
})

const bytes = Array.from({ length: 256 }, (_, at) => `<0x${at.toString(16).toUpperCase().padStart(2, '0')}>`)

/** Pieces with scores behind the three special tokens and the bytes. */
function pieces(list: readonly (readonly [string, number])[], more: Record<string, boolean> = {}) {
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, ...list.map(([text]) => text)]
  const entries = {
    'tokenizer.ggml.model': 'llama',
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.scores': [...new Array<number>(259).fill(0), ...list.map(([, score]) => score)],
    'tokenizer.ggml.token_type': [2, 3, 3, ...new Array<number>(256).fill(6), ...list.map(() => 1)],
    'tokenizer.ggml.bos_token_id': 1,
    'tokenizer.ggml.eos_token_id': 2,
    ...more,
  }
  return new GgufMetadata({ metadata: new Map(Object.entries(entries)), tensors: [] }, 'file')
}

test('pieces: the best pair goes first, a mark stands for a space, bytes where no piece is', async t => {
  const list = [
    ['a', -9],
    ['b', -9],
    ['c', -9],
    ['▁', -9],
    ['ab', -2],
    ['bc', -1],
    ['▁a', -3],
    ['abc', -4],
  ] as const
  const [begin, a, mark, bc, markA] = [1, 259, 262, 264, 265]
  const tokenizer = await loadTokenizer(ggufTokenizer(pieces(list))!)
  t.teardown(() => tokenizer.dispose())
  t.deepEqual((await tokenizer.encode('abc')).ids, [begin, markA, bc])
  t.deepEqual((await tokenizer.encode('é', { specials: false })).ids, [mark, 3 + 0xc3, 3 + 0xa9])
  t.is(await tokenizer.decode([begin, markA, bc, mark, a, 3 + 0xc3, 3 + 0xa9]), 'abc aé')
  const bare = await loadTokenizer(
    ggufTokenizer(
      pieces(list, { 'tokenizer.ggml.add_space_prefix': false, 'tokenizer.ggml.add_bos_token': false }),
    )!,
  )
  t.teardown(() => bare.dispose())
  t.deepEqual((await bare.encode('a abc')).ids, [a, markA, bc])
})

test('what a file says of its tokens is checked', t => {
  const metadata = (entries: Record<string, string | string[] | number[] | number>) =>
    new GgufMetadata({ metadata: new Map(Object.entries(entries)), tensors: [] }, 'file')
  const code = (entries: Parameters<typeof metadata>[0]) =>
    t.throws(() => ggufTokenizer(metadata(entries))) as { code?: string } | undefined
  const tokens = ['a', 'b', 'ab']
  t.is(
    code({ 'tokenizer.ggml.model': 'bert', 'tokenizer.ggml.tokens': tokens })?.code,
    'MODEL_UNSUPPORTED_OP',
  )
  t.is(code({ 'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.tokens': tokens })?.code, 'MODEL_INVALID')
  t.is(
    code({ 'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.tokens': tokens, 'tokenizer.ggml.merges': ['a'] })
      ?.code,
    'MODEL_INVALID',
  )
  t.is(
    code({ 'tokenizer.ggml.model': 'llama', 'tokenizer.ggml.tokens': tokens, 'tokenizer.ggml.scores': [1] })
      ?.code,
    'MODEL_INVALID',
  )
  t.is(
    code({
      'tokenizer.ggml.model': 'llama',
      'tokenizer.ggml.tokens': tokens,
      'tokenizer.ggml.scores': [0, 0, 0],
      'tokenizer.ggml.bos_token_id': 3,
    })?.code,
    'MODEL_INVALID',
  )
  t.is(ggufTokenizer(metadata({})), undefined)
})
