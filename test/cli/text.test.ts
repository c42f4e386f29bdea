import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { floats, valueInfo, writeModel } from '../oracles/onnxWriter.js'
import { repositoryRoot } from '../oracles/repository.js'
import { temporaryFolder } from '../oracles/temporaryFolder.js'
import { runCli } from './runCli.js'

const tokenizer = join(repositoryRoot, 'test/fixtures/tokenizers/words.json')

const writeBag = async (folder: string): Promise<string> => {
  const path = join(folder, 'bag.onnx')
  const bytes = writeModel({
    opset: 17,
    nodes: [
      { op: 'Gather', inputs: ['table', 'input_ids'], outputs: ['rows'] },
      { op: 'ReduceMean', inputs: ['rows'], outputs: ['mean'], attributes: { axes: [1], keepdims: 0 } },
      { op: 'MatMul', inputs: ['mean', 'v'], outputs: ['y'] },
    ],
    tensors: [floats('table', [200, 3], Math.sin), floats('v', [3, 2], index => index + 1)],
    inputs: [valueInfo('input_ids', ['N', 'T'], 7)],
    outputs: [valueInfo('y', ['N', 2])],
  })
  await writeFile(path, bytes)
  return path
}

test.serial('texts are explained word by word, from the command line and from files', async t => {
  const folder = await temporaryFolder(t)
  const args = [
    'explain',
    await writeBag(folder),
    '--tokenizer',
    tokenizer,
    '--method',
    'input-x-gradient',
    '--target',
    '1',
  ]
  const { code, out } = await runCli([...args, '--text', 'The dog, the shells.'])
  t.is(code, 0)
  t.regex(out, /^\[START\]\[[^\]]+\] The\[[^\]]+\] dog\[[^\]]+\], the\[[^\]]+\] shells\[[^\]]+\]\.$/m)
  const file = join(folder, 'text.txt')
  await writeFile(file, 'sea shells')
  const page = join(folder, 'page.html')
  t.is((await runCli([...args, file, '--group', 'sentence', '--out', page])).code, 0)
  t.regex(await readFile(page, 'utf8'), />sea shells<\/span>/)
  const drawn = join(folder, 'out')
  t.is((await runCli([...args, '--text', 'sea', '--text', 'dog', '--out', drawn, '--format', 'svg'])).code, 0)
  t.regex(await readFile(join(drawn, 'text-2.svg'), 'utf8'), />dog<\/text>/)
})

test.serial('texts without a tokenizer, and two kinds of input at once, are refused', async t => {
  const folder = await temporaryFolder(t)
  const model = await writeBag(folder)
  const without = await runCli(['explain', model, '--text', 'a dog', '--json'])
  t.is(JSON.parse(without.out).error.code, 'TOKENIZER_REQUIRED')
  const both = await runCli(['explain', model, '--tokenizer', tokenizer, '--text', 'a', tokenizer, '--json'])
  t.is(JSON.parse(both.out).error.code, 'INPUT_MISSING')
  const grouped = ['explain', model, '--tokenizer', tokenizer, '--text', 'a dog', '--group', 'line', '--json']
  t.is(JSON.parse((await runCli(grouped)).out).error.code, 'OPTION_RANGE')
})
