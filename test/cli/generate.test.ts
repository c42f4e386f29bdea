import test from 'ava'
import { Generator, loadModel } from '#lib/index.js'
import { checkpointCopy } from '../oracles/checkpointCopy.js'
import { letterTokenizer } from '../oracles/letterTokenizer.js'
import { checkpointFolder } from '../oracles/recordedCheckpoints.js'
import { runCli } from './runCli.js'

const chat = "{% for m in messages %}{{ m.role + '. ' + m.content + ' ' }}{% endfor %}"

test.serial('generate writes what the generator writes, as it comes and as JSON', async t => {
  const folder = await checkpointCopy(t, 'llama', {
    'tokenizer.json': letterTokenizer(),
    'tokenizer_config.json': { chat_template: chat },
  })
  const model = await loadModel(folder)
  t.teardown(() => model.tokenizer!.dispose())
  const generator = new Generator(model)
  const options = { temperature: 0.9, topK: 9, seed: 4, maximumTokens: 12 }
  const expected = await generator.generate('abc', options)
  const flags = ['--temperature', '0.9', '--top-k', '9', '--seed', '4', '--maximum-tokens', '12']
  const plain = await runCli(['generate', folder, '--prompt', 'abc', ...flags])
  t.deepEqual([plain.code, plain.out, plain.err], [0, `abc${expected.text}\n`, ''])
  const json = await runCli(['generate', folder, '--prompt', 'abc', ...flags, '--json'])
  t.deepEqual(JSON.parse(json.out), JSON.parse(JSON.stringify(expected)))
  const said = [
    { role: 'system', content: 'be' },
    { role: 'user', content: 'hi' },
  ]
  const answer = await generator.generate(said, { maximumTokens: 5 })
  const asked = await runCli(['generate', folder, '--chat', 'hi', '--system', 'be', '--maximum-tokens', '5'])
  t.is(asked.out, `${answer.text}\n`)
})

test.serial('generate says what is wrong with flags and models', async t => {
  const failed = async (args: string[], exit: number, what: RegExp) => {
    const { code, err } = await runCli(['generate', ...args])
    t.is(code, exit)
    t.regex(err, what)
  }
  await failed([checkpointFolder('llama')], 2, /--prompt and --chat/)
  await failed([checkpointFolder('llama'), '--prompt', 'a', '--system', 'b'], 2, /--system/)
  await failed([checkpointFolder('llama'), '--prompt', 'a', '--top-k', 'x'], 2, /--top-k/)
  await failed([checkpointFolder('llama'), '--prompt', 'a'], 3, /TOKENIZER_REQUIRED/)
  await failed([checkpointFolder('vit'), '--prompt', 'a'], 3, /MODEL_CAPABILITY/)
})

test.serial('inspect says what a checkpoint is', async t => {
  const { code, out } = await runCli(['inspect', checkpointFolder('llama')])
  t.is(code, 0)
  t.regex(out, /checkpoint of type llama \(LlamaForCausalLM\), without a tokenizer/)
  t.regex(out, /generates: a vocabulary of 40, 256 tokens of context, ended by 2/)
  t.regex(out, /input_ids {2}i64 \[batch, tokens\]/)
  const json = await runCli(['inspect', checkpointFolder('bert-classification'), '--json'])
  t.deepEqual(JSON.parse(json.out).checkpoint, {
    modelType: 'bert',
    architecture: 'BertForSequenceClassification',
    tokenizer: false,
  })
})

test.serial('verify says that ONNX Runtime reads no checkpoints', async t => {
  const { code, err } = await runCli(['verify', checkpointFolder('llama')])
  t.is(code, 3)
  t.regex(err, /checkpoint.*MODEL_CAPABILITY/)
})
