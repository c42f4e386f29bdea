import { appendFile, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { LanguageEndpoint, RemoteGenerator } from '#lib/index.js'
import { chatAnswer, languageServer } from '../../oracles/languageServer.js'
import { temporaryFolder } from '../../oracles/temporaryFolder.js'

const generatorFor = (address: string, recording: string, more: object = {}) =>
  new RemoteGenerator(
    new LanguageEndpoint(address, {
      model: 'small',
      headers: { authorization: 'Bearer secret' },
      recording,
      backoffMs: 1,
      ...more,
    }),
  )

test('what was recorded is replayed without the server, the same question as often as it was asked', async t => {
  const file = join(await temporaryFolder(t), 'answers.jsonl')
  let count = 0
  const { address, asked } = await languageServer(t, () => chatAnswer(`answer ${++count}`))
  const first = generatorFor(address, file)
  const texts = []
  for (const prompt of ['a', 'a', 'b']) texts.push((await first.generate(prompt)).text)
  t.deepEqual(texts, ['answer 1', 'answer 2', 'answer 3'])
  t.is((await stat(file)).mode & 0o777, 0o600)
  const kept = await readFile(file, 'utf8')
  t.false(kept.includes('secret'))
  t.is(kept.trimEnd().split('\n').length, 3)
  const again = generatorFor(address, file, { recordingMode: 'replay', budget: { requests: 0 } })
  const replayed = []
  for (const prompt of ['a', 'b', 'a']) replayed.push(await again.generate(prompt))
  t.deepEqual(
    replayed.map(({ text, isReplayed }) => [text, isReplayed]),
    [
      ['answer 1', true],
      ['answer 3', true],
      ['answer 2', true],
    ],
  )
  t.is(again.endpoint.usage.requests, 0)
  t.is(asked.length, 3)
  await t.throwsAsync(again.generate('a'), { code: 'REPLAY_MISSING' })
  await t.throwsAsync(again.generate('c'), { code: 'REPLAY_MISSING' })
  await t.throwsAsync(
    generatorFor(address, file, { recordingMode: 'replay', model: 'other' }).generate('a'),
    {
      code: 'REPLAY_MISSING',
    },
  )
  const rest = generatorFor(address, file)
  t.is((await rest.generate('b')).text, 'answer 3')
  t.is((await rest.generate('c')).text, 'answer 4')
  t.is((await generatorFor(address, file, { recordingMode: 'record' }).generate('a')).text, 'answer 5')
})

test('failures are not recorded, and a recorded answer is checked as any other', async t => {
  const file = join(await temporaryFolder(t), 'answers.jsonl')
  let count = 0
  const { address } = await languageServer(t, (_, response) =>
    ++count === 1 ? void response.writeHead(400).end() : { choices: [] },
  )
  const generator = generatorFor(address, file)
  await t.throwsAsync(generator.generate('a'), { code: 'REMOTE_FAILED', message: /400/ })
  await t.throwsAsync(stat(file), { code: 'ENOENT' })
  await t.throwsAsync(generatorFor(address, file).generate('a'), {
    code: 'REMOTE_FAILED',
    message: /choices/,
  })
  const replay = generatorFor(address, file, { recordingMode: 'replay' })
  await t.throwsAsync(replay.generate('a'), { code: 'REMOTE_FAILED', message: /choices/ })
})

test('a damaged recording is FILE_CORRUPT; a line that was being written is asked for again', async t => {
  const folder = await temporaryFolder(t)
  const { address } = await languageServer(t, () => chatAnswer('x'))
  const file = join(folder, 'half.jsonl')
  await generatorFor(address, file).generate('a')
  await appendFile(file, '{"key": "ab')
  const generator = generatorFor(address, file)
  t.true((await generator.generate('a')).isReplayed)
  t.false((await generator.generate('b')).isReplayed)
  const replay = generatorFor(address, file, { recordingMode: 'replay' })
  t.is((await replay.generate('b')).text, 'x')
  for (const content of ['no JSON\n', '{"key": 1}\n', 'null\n', '[]\n']) {
    const broken = join(folder, 'broken.jsonl')
    await writeFile(broken, content)
    await t.throwsAsync(generatorFor(address, broken).generate('a'), {
      code: 'FILE_CORRUPT',
      message: /line 1/,
    })
  }
  await t.throwsAsync(
    generatorFor(address, join(folder, 'none'), { recordingMode: 'replay' }).generate('a'),
    {
      code: 'FILE_NOT_FOUND',
    },
  )
  await t.throwsAsync(generatorFor(address, join(folder, 'no', 'folder')).generate('a'), {
    code: 'FILE_WRITE',
  })
})

test('an answer that came after a failure is found again by who asks once', async t => {
  const file = join(await temporaryFolder(t), 'answers.jsonl')
  let count = 0
  const { address } = await languageServer(t, () =>
    ++count === 1 ? 'no JSON' : chatAnswer(`answer ${count}`),
  )
  const first = generatorFor(address, file)
  await t.throwsAsync(first.generate('a'), { code: 'REMOTE_FAILED' })
  t.is((await first.generate('a')).text, 'answer 2')
  const again = generatorFor(address, file, { recordingMode: 'replay' })
  t.is((await again.generate('a')).text, 'answer 2')
})
