import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import test from 'ava'
import { AscribeError, LanguageEndpoint, RemoteGenerator, type RemotePiece } from '#lib/index.js'
import { languageServer } from '../../oracles/languageServer.js'
import { temporaryFolder } from '../../oracles/temporaryFolder.js'

const options = { model: 'small', backoffMs: 1, retries: 0 }

/** One event of the protocol. */
const event = (delta: object, more: object = {}) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, ...more }] })}\n\n`
const end = event({}, { finish_reason: 'stop' })
const usage = `data: ${JSON.stringify({ choices: [], usage: { prompt_tokens: 7, completion_tokens: 3 } })}\n\n`
const done = 'data: [DONE]\n\n'

const begin = (response: ServerResponse) =>
  response.setHeader('content-type', 'text/event-stream; charset=utf-8')

async function all(pieces: AsyncIterable<RemotePiece>): Promise<RemotePiece[]> {
  const found: RemotePiece[] = []
  for await (const piece of pieces) found.push(piece)
  return found
}

test('pieces come as they are written, wherever the bytes are cut; what was used is counted', async t => {
  const logprobs = { content: [{ token: 'é', logprob: -0.5, top_logprobs: [] }] }
  const text = [
    ': a comment\r\n\r\n',
    event({ role: 'assistant', content: '' }),
    event({ content: 'Caf' }),
    event({ content: 'é 😀' }, { logprobs }).replaceAll('\n', '\r\n'),
    end,
    usage,
    done,
  ].join('')
  const { address, asked } = await languageServer(t, async (_, response) => {
    begin(response)
    for (const byte of Buffer.from(text)) response.write(Buffer.of(byte))
    response.end()
  })
  const endpoint = new LanguageEndpoint(address, { ...options, budget: { tokens: 1000 } })
  const pieces = await all(
    new RemoteGenerator(endpoint).stream('Where?', { maximumTokens: 9, logProbabilities: 0 }),
  )
  t.deepEqual(
    pieces.map(piece => [piece.text, piece.finish]),
    [
      ['Caf', undefined],
      ['é 😀', undefined],
      ['', 'end'],
    ],
  )
  t.is(pieces[1]!.tokens![0]!.logProbability, -0.5)
  t.like(asked[0]!.body, {
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: 9,
    model: 'small',
  })
  t.deepEqual(endpoint.usage, { requests: 1, promptTokens: 7, answerTokens: 3, cost: 0 })
})

test('the first piece is there before the last one is written', async t => {
  let go = () => {}
  const { address } = await languageServer(t, async (_, response) => {
    begin(response)
    response.write(event({ content: 'One' }))
    await new Promise<void>(resolve => {
      go = resolve
    })
    response.end(event({ content: ' two' }) + end + done)
  })
  const texts: string[] = []
  for await (const { text } of new RemoteGenerator(new LanguageEndpoint(address, options)).stream('Count.')) {
    texts.push(text)
    // The server goes on only once this was read.
    if (texts.length === 1) go()
  }
  t.is(texts.join(''), 'One two')
})

test('hostile and broken streams are refused, bounded', async t => {
  const endless = (response: ServerResponse, part: string) => {
    const more = () => {
      while (!response.destroyed && response.write(part));
      if (!response.destroyed) response.once('drain', more)
    }
    more()
  }
  const cases: [name: string, send: (response: ServerResponse) => unknown, what: RegExp][] = [
    [
      'a line without end',
      response => endless(response, 'x'.repeat(1 << 16)),
      /a line of more than 1048576 characters/,
    ],
    [
      'events without end',
      response => endless(response, event({ content: 'x'.repeat(1000) })),
      /longer than 3000000 bytes/,
    ],
    [
      'comments without end',
      response => endless(response, `: ${'x'.repeat(1000)}\n`),
      /longer than 3000000 bytes/,
    ],
    ['no JSON', response => response.end('data: {]\n\n'), /no JSON/],
    ['no object', response => response.end('data: null\n\n'), /expected an object/],
    ['no choices', response => response.end('data: {}\n\n'), /choices/],
    ['an error', response => response.end(`data: {"error":{"message":"no"}}\n\n`), /expected no error/],
    ['a refusal', response => response.end(event({ refusal: 'No.' })), /expected no refusal/],
    ['an end in the middle', response => response.end(event({ content: 'a' })), /ended in the middle/],
    ['no reason', response => response.end(event({ content: 'a' }) + done), /does not say why it ended/],
    [
      'more behind the end',
      response => response.end(end + event({ content: 'a' }) + done),
      /nothing behind the end/,
    ],
    ['a text that is a number', response => response.end(event({ content: 3 })), /delta\.content/],
    ['an unknown reason', response => response.end(event({}, { finish_reason: 'mood' })), /finish_reason/],
  ]
  for (const [name, send, what] of cases) {
    const { address } = await languageServer(t, (_, response) => {
      begin(response)
      send(response)
    })
    const endpoint = new LanguageEndpoint(address, { ...options, maximumResponseBytes: 3_000_000 })
    const error = await t.throwsAsync(
      all(new RemoteGenerator(endpoint).stream('x')),
      { code: 'REMOTE_FAILED' },
      name,
    )
    t.regex(error.message, what, name)
  }
  const { address } = await languageServer(t, () => ({ choices: [] }))
  const plain = new RemoteGenerator(new LanguageEndpoint(address, options))
  await t.throwsAsync(all(plain.stream('x')), { message: /expected text\/event-stream/ })
  const silent = await languageServer(t, (_, response) => {
    begin(response)
    response.write(event({ content: 'a' }))
  })
  const impatient = new RemoteGenerator(new LanguageEndpoint(silent.address, { ...options, timeoutMs: 100 }))
  await t.throwsAsync(all(impatient.stream('x')), { message: /no answer within 100 ms/ })
  await t.throwsAsync(all(plain.stream('x', { schema: {} } as never)), { code: 'OPTION_RANGE' })
})

test.serial('an answer that is no stream leaves no timer behind', async t => {
  const { address } = await languageServer(t, () => ({ choices: [] }))
  const timers = () => process.getActiveResourcesInfo().filter(each => each === 'Timeout').length
  const before = timers()
  const generator = new RemoteGenerator(new LanguageEndpoint(address, { ...options, timeoutMs: 600_000 }))
  await t.throwsAsync(all(generator.stream('x')), { message: /expected text\/event-stream/ })
  t.is(timers(), before)
})

test('an abort is one too where many events wait to be read', async t => {
  const { address } = await languageServer(t, (_, response) => {
    begin(response)
    for (let at = 0; at < 500; at++) response.write(event({ content: 'a' }))
  })
  const controller = new AbortController()
  const read = async () => {
    const stream = new RemoteGenerator(new LanguageEndpoint(address, options)).stream('x', {
      signal: controller.signal,
    })
    for await (const _ of stream) {
      // The rest has come by now, and waits.
      await new Promise(resolve => setTimeout(resolve, 100))
      controller.abort()
    }
  }
  await t.throwsAsync(read(), { instanceOf: AscribeError, code: 'ABORTED' })
})

test('what is aborted or left ends the request, and gives its place to the next one', async t => {
  const closed: Promise<unknown>[] = []
  const { address } = await languageServer(t, (_, response) => {
    begin(response)
    closed.push(once(response, 'close'))
    response.write(event({ content: 'a' }))
  })
  const endpoint = new LanguageEndpoint(address, { ...options, concurrency: 1 })
  const generator = new RemoteGenerator(endpoint)
  for await (const { text } of generator.stream('x')) {
    t.is(text, 'a')
    break
  }
  await closed[0]
  const controller = new AbortController()
  const aborted = async () => {
    for await (const _ of generator.stream('x', { signal: controller.signal })) controller.abort()
  }
  await t.throwsAsync(aborted(), { code: 'ABORTED' })
  await closed[1]
  await t.throwsAsync(all(generator.stream('x', { signal: AbortSignal.abort() })), { code: 'ABORTED' })
  t.is(endpoint.usage.answerTokens, 2, 'what was read of streams that were left counts')
})

test('what fails before the stream begins is tried again; what fails later is not', async t => {
  let count = 0
  let cut = () => {}
  const { address } = await languageServer(t, (_, response) => {
    count++
    if (count === 1) {
      response.statusCode = 503
      response.end('busy')
      return
    }
    begin(response)
    response.write(event({ content: 'a' }))
    if (count === 2) response.end(end + done)
    else cut = () => response.destroy()
  })
  const generator = new RemoteGenerator(new LanguageEndpoint(address, { ...options, retries: 2 }))
  t.is((await all(generator.stream('x')))[0]!.text, 'a')
  t.is(count, 2)
  const broken = async () => {
    for await (const _ of generator.stream('x')) cut()
  }
  await t.throwsAsync(broken(), { code: 'REMOTE_FAILED' })
  t.is(count, 3)
})

test('a recording keeps whole streams and replays them; a budget counts them', async t => {
  const recording = join(await temporaryFolder(t), 'recorded.jsonl')
  const { address, asked } = await languageServer(t, (_, response) => {
    begin(response)
    response.write(event({ content: 'Emma' }))
    // The first stream goes on without end.
    if (asked.length > 1) response.end(event({ content: ' did.' }) + end + usage + done)
  })
  const first = new RemoteGenerator(new LanguageEndpoint(address, { ...options, recording }))
  for await (const _ of first.stream('Who?')) break
  t.is(await readFile(recording, 'utf8').catch(() => ''), '', 'a stream that was left is not kept')
  const written = await all(first.stream('Who?'))
  const endpoint = new LanguageEndpoint(address, { ...options, recording, recordingMode: 'replay' })
  const replayed = await all(new RemoteGenerator(endpoint).stream('Who?'))
  t.deepEqual(
    replayed,
    written.map(piece => ({ ...piece, isReplayed: true })),
  )
  t.is(asked.length, 2)
  t.is(endpoint.usage.requests, 0)
  await t.throwsAsync(all(new RemoteGenerator(endpoint).stream('Who else?')), { code: 'REPLAY_MISSING' })
  const spent = new LanguageEndpoint(address, { ...options, budget: { requests: 1 } })
  await all(new RemoteGenerator(spent).stream('x'))
  await t.throwsAsync(all(new RemoteGenerator(spent).stream('x')), { code: 'BUDGET_SPENT' })
})
