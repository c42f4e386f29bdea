import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { checkpointCopy } from '../oracles/checkpointCopy.js'
import { chatAnswer, languageServer } from '../oracles/languageServer.js'
import { letterTokenizer } from '../oracles/letterTokenizer.js'
import { checkpointFolder } from '../oracles/recordedCheckpoints.js'
import { temporaryFolder } from '../oracles/temporaryFolder.js'
import { runCli } from './runCli.js'

const template = ['--template', 'say [context] so [question] is ']

test.serial('trace prints the answer with its sources, writes a page and all numbers', async t => {
  const model = await checkpointCopy(t, 'llama', { 'tokenizer.json': letterTokenizer() })
  const folder = await temporaryFolder(t)
  const [first, second] = [join(folder, 'a.txt'), join(folder, 'b.txt')]
  await writeFile(first, 'ab is cd. ef is gh.')
  await writeFile(second, 'ij is kl.')
  const base = ['trace', '--model', model, '--context', first, second, '--question', 'cd?', ...template]
  const given = ['--answer', 'cd? gh.', '--method', 'single-text-contribution']
  const page = join(folder, 'trace.html')
  const plain = await runCli([...base, ...given, '--out', page])
  t.is(plain.code, 0, plain.err)
  t.regex(plain.out, /^cd\?/)
  t.regex(await readFile(page, 'utf8'), /What the model read/)
  const json = await runCli([...base, ...given, '--json'])
  const { answer, sentences, documents, attribution } = JSON.parse(json.out)
  t.is(answer, 'cd? gh.')
  t.is(sentences.length, 2)
  t.deepEqual(
    documents.map(({ name }: { name: string }) => name),
    ['a.txt', 'b.txt'],
  )
  t.is(
    attribution.texts.map(({ text }: { text: string }) => text).join(''),
    'ab is cd. ef is gh.\n\nij is kl.',
  )
  t.is(attribution.method.name, 'SingleTextContribution')
  // An answer of its own, and once more without what it stands on.
  const own = await runCli([...base, '--option', 'B=4', '--maximum-tokens', '6', '--check', '--json'])
  t.is(own.code, 0, own.out)
  const found = JSON.parse(own.out)
  t.is(found.attribution.method.options.B, 4)
  t.true(found.answer.length > 0 && found.answer.length <= 6)
  t.is(typeof found.check.removed.answer, 'string')
  t.is(found.check.kept.random.count, 20)
  t.is(found.check.whole.answer, found.answer)
  const checked = await runCli([...base, ...given, '--check', '--out', page])
  t.regex(checked.out, /Check[\s\S]*all of the context[\s\S]*without th[\s\S]* alone .*less by/)
  t.regex(await readFile(page, 'utf8'), /<h2>Check<\/h2>/)
  // Words of the answer, by hidden states and by asking the model, which writes nothing of use.
  const quote = ['--quote', 'GH', '--quote', 'cd?', '--quote-within', 'documents', '--out', page]
  const localised = await runCli([...base, ...given, ...quote, '--json'])
  t.is(localised.code, 0, localised.out)
  const { quotes } = JSON.parse(localised.out)
  t.deepEqual(
    quotes.map(({ text, start, end }: { text: string; start: number; end: number }) => [text, start, end]),
    [
      ['gh', 4, 6],
      ['cd?', 0, 3],
    ],
  )
  t.is(quotes[0].method.name, 'HiddenStateLaquer')
  for (const { spans } of quotes)
    for (const { document, start, end, text } of spans)
      t.is(['ab is cd. ef is gh.', 'ij is kl.'][document]!.slice(start, end), text)
  t.regex(await readFile(page, 'utf8'), /<mark class="q0">gh<\/mark>/)
  // The trace is not lost where the answer does not hold the words.
  await rm(page)
  const absent = await runCli([
    ...base,
    ...given,
    '--quote',
    'of a text that is not there',
    '--out',
    page,
    '--json',
  ])
  t.is(absent.code, 3)
  const [traced, refused] = absent.out
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  t.is(traced.answer, 'cd? gh.')
  t.is(traced.quotes, undefined)
  t.is(refused.error.code, 'INPUT_VALUE')
  t.notRegex(await readFile(page, 'utf8'), /<mark/)
})

test.serial(
  'an endpoint is prompted for the spans behind quoted words, with a key from the environment',
  async t => {
    const model = await checkpointCopy(t, 'llama', { 'tokenizer.json': letterTokenizer() })
    const file = join(await temporaryFolder(t), 'a.txt')
    await writeFile(file, 'ab is cd. ef is gh.')
    const { address, asked } = await languageServer(t, ({ body }) =>
      chatAnswer('response_format' in body ? JSON.stringify({ spans: ['ef is gh'] }) : 'It is gh.'),
    )
    const quote = ['--quote', 'gh', '--quote-method', 'prompt', '--quote-within', 'documents']
    const { code, out, err } = await runCli(
      [
        'trace',
        '--model',
        model,
        '--context',
        file,
        '--question',
        'cd?',
        ...template,
        '--answer',
        'gh.',
        ...quote,
      ].concat(['--endpoint', address, '--endpoint-model', 'big', '--json']),
      { environment: { ASCRIBE_ENDPOINT_KEY: 'secret' } },
    )
    t.is(code, 0, err)
    const [{ claim, spans }] = JSON.parse(out).quotes
    t.is(claim, 'It is gh.')
    t.deepEqual(
      spans.map(({ start, end, text }: { start: number; end: number; text: string }) => [start, end, text]),
      [[10, 18, 'ef is gh']],
    )
    t.deepEqual(
      asked.map(({ headers, body }) => [headers.authorization, body.model]),
      [
        ['Bearer secret', 'big'],
        ['Bearer secret', 'big'],
      ],
    )
    t.false(out.includes('secret'))
  },
)

test.serial(
  '--stream tells sentences with their sources as they end, for people and as lines of JSON',
  async t => {
    const model = await checkpointCopy(t, 'llama', { 'tokenizer.json': letterTokenizer() })
    const folder = await temporaryFolder(t)
    const file = join(folder, 'a.txt')
    await writeFile(file, 'ab is cd. ef is gh.')
    const page = join(folder, 'trace.html')
    const asked = ['trace', '--model', model, '--context', file, '--question', 'cd?', ...template, '--stream']
    const base = [...asked, '--maximum-tokens', '8', '--option', 'avgK=2']
    const { code, out } = await runCli([...base, '--json', '--check', '--out', page])
    t.is(code, 0, out)
    const events = out
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line))
    const kinds = events.map(({ kind }: { kind: string }) => kind)
    t.is(kinds.at(-1), 'end')
    const { answer, sentences, attribution, check } = events.at(-1)
    const texts = events.flatMap(event => (event.kind === 'text' ? [event.text] : []))
    t.is(texts.join(''), answer)
    t.is(kinds.filter((kind: string) => kind === 'sentence').length, sentences.length)
    t.deepEqual(attribution.method.options, { avgK: 2, topK: 5 })
    t.is(typeof check.removed.drop, 'number')
    t.regex(await readFile(page, 'utf8'), /What the model read/)
    const plain = await runCli(base)
    t.is(plain.code, 0, plain.err)
    t.true(plain.out.replaceAll('\n', ' ').includes(answer.trim().slice(0, 4)))
    t.regex(plain.out, /\[1\][\s\S]*\n\nSources \(StreamedTrace, mean attention weight\):\n {2}\[1\]/)
    for (const flags of [
      ['--answer', 'cd.'],
      ['--method', 'ContextCite'],
      ['--option', 'B=4'],
    ]) {
      const refused = await runCli([...asked, ...flags])
      t.is(refused.code, 2, refused.err)
    }
  },
)

test.serial('trace says what is wrong with flags, files and models', async t => {
  const model = await checkpointCopy(t, 'llama', { 'tokenizer.json': letterTokenizer() })
  const folder = await temporaryFolder(t)
  const [file, empty] = [join(folder, 'a.txt'), join(folder, 'empty.txt')]
  await writeFile(file, 'ab is cd.')
  await writeFile(empty, ' \n')
  const failed = async (args: string[], exit: number, what: RegExp) => {
    const { code, err } = await runCli(['trace', '--question', 'q', ...args])
    t.is(code, exit, err)
    t.regex(err, what)
  }
  const with_ = (...args: string[]) => [
    '--model',
    model,
    '--context',
    file,
    ...template,
    '--answer',
    'cd.',
    ...args,
  ]
  await failed(['--model', model], 2, /--context/)
  await failed(with_('--method', 'Lime'), 2, /OPTION_RANGE[\s\S]*ContextCite/)
  await failed(with_('--out', 'a.png'), 2, /--out/)
  await failed(with_('--quote', 'none of it'), 3, /does not hold "none of it" \[INPUT_VALUE\]/)
  await failed(with_('--quote-method', 'states'), 2, /--quote/)
  await failed(with_('--quote', 'cd', '--quote-method', 'guess'), 2, /states/)
  await failed(with_('--quote', 'cd', '--endpoint', 'http://a/v1', '--endpoint-model', 'b'), 2, /go together/)
  await failed(with_('--option', 'B'), 2, /NAME=VALUE/)
  await failed(with_('--option', 'B=x'), 2, /OPTION_TYPE|OPTION_RANGE/)
  await failed(with_('--option', 'colour=red'), 2, /OPTION_UNKNOWN/)
  await failed(with_('--unit', 'letters'), 2, /OPTION_RANGE/)
  await failed(['--model', model, '--context', join(folder, 'none.txt')], 3, /FILE_NOT_FOUND/)
  await failed(['--model', model, '--context', empty, ...template], 3, /INPUT_VALUE/)
  await failed(['--model', model, '--context', file, ...template, '--answer', ''], 3, /INPUT_VALUE/)
  await failed(
    ['--model', checkpointFolder('llama'), '--context', file, '--answer', 'a'],
    3,
    /TOKENIZER_REQUIRED/,
  )
  await failed(
    ['--model', checkpointFolder('vit'), '--context', file, '--answer', 'a'],
    3,
    /MODEL_CAPABILITY/,
  )
})
