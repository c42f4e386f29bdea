import { once } from 'node:events'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { createTensor, fromHttp, type HttpOptions, ShapleyValues, Target, type Tensor } from '#lib/index.js'
import { sigmoidValue } from '../oracles/sigmoidGame.js'
import { temporaryFolder } from '../oracles/temporaryFolder.js'

interface Asked {
  inputs: { name: string; shape: number[]; datatype: string; data: number[] }[]
}

/** A server for the length of a test; `answer` gets requests with their bodies. */
async function serve(
  t: ExecutionContext,
  answer: (request: IncomingMessage, response: ServerResponse, body: Asked) => unknown,
): Promise<string> {
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    await answer(request, response, JSON.parse(Buffer.concat(parts).toString('utf8') || '{}'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v2/models/sigmoid/infer`
}

const right = ({ inputs: [input] }: Asked) => {
  const { shape, data } = input!
  const rows = shape[0]!
  const values = Array.from({ length: rows }, (_, row) => sigmoidValue(data.slice(4 * row, 4 * row + 4)))
  return JSON.stringify({ outputs: [{ name: 'output', shape: [rows, 1], datatype: 'FP64', data: values }] })
}

const box = (address: string, options: HttpOptions = {}) =>
  fromHttp(address, { inputs: [{ name: 'input', dtype: 'f64' }], backoffMs: 1, ...options })
const x = createTensor('f64', [1, 4], Float64Array.of(1, 1, 1, 1))
const target = Target.regression()
const shapley = [0.500018963, -0.145054527, 0.082950331, 0.188758951]

/** One row through the endpoint. */
const ask = (address: string, options: HttpOptions = {}, signal?: AbortSignal) =>
  box(address, options).run(x, signal ? { signal } : {})

test('Shapley values through an endpoint: batches are split, several requests are under way, never too many', async t => {
  let [requests, underWay, most, rows] = [0, 0, 0, 0]
  const address = await serve(t, async (request, response, body) => {
    requests++
    most = Math.max(most, ++underWay)
    rows = Math.max(rows, body.inputs[0]!.shape[0]!)
    t.is(request.headers.authorization, 'Bearer secret')
    await new Promise(resolve => setTimeout(resolve, 5))
    underWay--
    response.end(right(body))
  })
  const model = box(address, { batch: 2, concurrency: 3, headers: { authorization: 'Bearer secret' } })
  const attribution = await new ShapleyValues(model).attribute(x, { target })
  for (const [at, value] of shapley.entries()) t.true(Math.abs(attribution.scores().data[at]! - value) < 5e-8)
  t.is(rows, 2)
  t.true(most <= 3 && most > 1)
  // One for the class, and 16 coalitions in batches of six: three, three and two requests.
  t.is(requests, 1 + 3 + 3 + 2)
  t.false((await attribution.toJson()).includes('secret'))
})

test('what fails for a while is tried again, as long as the server says; what fails for good is not', async t => {
  let count = 0
  const address = await serve(t, (_, response, body) => {
    count++
    if (count === 1) return response.writeHead(503).end('busy')
    if (count === 2) return response.writeHead(429, { 'retry-after': '0.05' }).end()
    if (count === 3) return response.destroy()
    return response.end(right(body))
  })
  const { outputs } = await ask(address)
  t.is(count, 4)
  t.true(Math.abs((outputs.output!.data[0] as number) - 0.858148935) < 1e-9)
  count = 0
  const refusing = await serve(t, (_, response) => {
    count++
    response.writeHead(400).end('no \u0007 such model')
  })
  await t.throwsAsync(ask(refusing), { code: 'REMOTE_FAILED', message: /status 400: no {3}such model/ })
  t.is(count, 1)
  count = 0
  const down = await serve(t, (_, response) => {
    count++
    response.writeHead(500).end()
  })
  await t.throwsAsync(ask(down, { retries: 2 }), { code: 'REMOTE_FAILED' })
  t.is(count, 3)
})

test('redirects are not followed: credentials stay where they were sent', async t => {
  const seen: (string | undefined)[] = []
  const elsewhere = await serve(t, (request, response, body) => {
    seen.push(request.headers.authorization)
    response.end(right(body))
  })
  for (const status of [301, 302, 303, 307, 308]) {
    const address = await serve(t, (_, response) => response.writeHead(status, { location: elsewhere }).end())
    await t.throwsAsync(ask(address, { headers: { authorization: 'Bearer secret' } }), {
      code: 'REMOTE_FAILED',
      message: /redirect/,
    })
  }
  t.deepEqual(seen, [])
})

test('no answer in time, or one that drips, is a timeout', async t => {
  const silent = await serve(t, () => {})
  await t.throwsAsync(ask(silent, { timeoutMs: 80, retries: 1 }), {
    code: 'REMOTE_FAILED',
    message: /within 80 ms/,
  })
  const dripping = await serve(t, (_, response) => {
    response.write('{')
    const timer = setInterval(() => response.write(' '), 20)
    response.on('close', () => clearInterval(timer))
  })
  await t.throwsAsync(ask(dripping, { timeoutMs: 120, retries: 0 }), {
    code: 'REMOTE_FAILED',
    message: /within 120 ms/,
  })
})

test('answers that are too long are refused: said so, endless, and unfolding', async t => {
  const options = { maximumResponseBytes: 10_000 }
  const said = await serve(t, (_, response) =>
    response.writeHead(200, { 'content-length': '999999999' }).write('{'),
  )
  await t.throwsAsync(ask(said, options), { code: 'REMOTE_FAILED', message: /longer than 10000/ })
  const endless = await serve(t, (_, response) => {
    const timer = setInterval(() => response.write(' '.repeat(1000)), 1)
    response.on('close', () => clearInterval(timer))
  })
  await t.throwsAsync(ask(endless, options), { code: 'REMOTE_FAILED', message: /longer than 10000/ })
  const bomb = gzipSync(Buffer.alloc(50_000_000, 32))
  const unfolding = await serve(t, (_, response) =>
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
  )
  t.true(bomb.length < 60_000)
  await t.throwsAsync(ask(unfolding, { maximumResponseBytes: 100_000 }), {
    code: 'REMOTE_FAILED',
    message: /longer than 100000/,
  })
})

test('answers that cannot be used are refused with a code, and not asked for again', async t => {
  let requests = 0
  let text = ''
  const address = await serve(t, (_, response) => {
    requests++
    response.end(text)
  })
  const output = (change: object) =>
    JSON.stringify({ outputs: [{ name: 'output', shape: [1, 1], datatype: 'FP64', data: [1], ...change }] })
  const answers = [
    '',
    'not json',
    'null',
    '[]',
    '{"outputs":{}}',
    '{"outputs":[null]}',
    '{"outputs":[]}',
    '{"__proto__":{"outputs":[]},"outputs":[{"name":"__proto__"}]}',
    `{"outputs":${'['.repeat(200_000)}`,
    `{"outputs":[{"name":"output","shape":[1,1],"datatype":"FP64","data":${'['.repeat(5000)}1${']'.repeat(5000)}}]}`,
    output({ name: 'other' }),
    output({ shape: [2, 1], data: [1, 2] }),
    output({ shape: [1, 3] }),
    output({ shape: [1e9, 1e9, 1e9] }),
    output({ shape: [-1, -1] }),
    output({ shape: 'wide' }),
    output({ datatype: 'BYTES', data: ['x'] }),
    output({ datatype: 'constructor' }),
    output({ data: [null] }),
    output({ data: ['1'] }),
    output({ datatype: 'INT32', data: [0.5] }),
    output({}).replace('[1]}', '[1e400]}'),
  ]
  for (const answer of answers) {
    text = answer
    await t.throwsAsync(ask(address), { code: 'REMOTE_FAILED' }, answer.slice(0, 80))
  }
  t.is(requests, answers.length)
})

test('an abort ends requests under way', async t => {
  const address = await serve(t, () => {})
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 30)
  await t.throwsAsync(ask(address, {}, controller.signal), { code: 'ABORTED' })
})

test('kept answers are asked for once, whatever batch they come in, and are readable by their owner alone', async t => {
  let rows = 0
  const address = await serve(t, (_, response, body) => {
    rows += body.inputs[0]!.shape[0]!
    response.end(right(body))
  })
  const cache = join(await temporaryFolder(t), 'answers')
  const options = { cache, headers: { authorization: 'Bearer secret' } }
  const first = await new ShapleyValues(box(address, options)).attribute(x, { target })
  // The whole is among the coalitions.
  t.is(rows, 16)
  const again = await new ShapleyValues(box(address, { ...options, batch: 3 })).attribute(x, { target })
  t.is(rows, 16)
  t.deepEqual(again.scores(), first.scores())
  const files = await readdir(cache)
  t.is(files.length, 16)
  t.is((await stat(cache)).mode & 0o777, 0o700)
  for (const file of files) {
    t.is((await stat(join(cache, file))).mode & 0o777, 0o600)
    t.false((await readFile(join(cache, file), 'utf8')).includes('secret'))
  }
  await writeFile(join(cache, files[0]!), '[{"name":"output","dtype":"f64","shape":[9],"data":""}]')
  await writeFile(join(cache, files[1]!), 'damaged')
  t.deepEqual(
    (await new ShapleyValues(box(address, options)).attribute(x, { target })).scores(),
    first.scores(),
  )
  t.is(rows, 18)
  await box(address, { ...options, cacheVersion: '2' }).run(x)
  t.is(rows, 19)
})

test('a rate is kept: below one request a second, the second one waits', async t => {
  const times: number[] = []
  const address = await serve(t, (_, response, body) => {
    times.push(performance.now())
    response.end(right(body))
  })
  const slow = box(address, { batch: 1, requestsPerSecond: 0.9, concurrency: 3 })
  await slow.run(createTensor('f64', [2, 4], new Float64Array(8)))
  // A pause of 1.1 s lies between them; it can be longer, never this much shorter.
  t.true(times[1]! - times[0]! > 900)
})

test('numbers that JSON cannot hold, and addresses that leak, are refused', async t => {
  const given = (dtype: 'f64' | 'i64', tensor: Tensor) =>
    fromHttp('http://127.0.0.1:9', { inputs: [{ name: 'input', dtype }] }).run(tensor)
  await t.throwsAsync(given('f64', createTensor('f64', [1, 1], [Number.NaN])), { code: 'INPUT_VALUE' })
  await t.throwsAsync(given('i64', createTensor('i64', [1, 1], [2n ** 60n])), { code: 'INPUT_VALUE' })
  t.throws(() => fromHttp('ftp://host/x'), { code: 'OPTION_RANGE' })
  t.throws(() => fromHttp('http://user:secret@host/x'), { code: 'OPTION_RANGE' })
  t.throws(() => fromHttp('host'), { code: 'OPTION_RANGE' })
  t.throws(() => fromHttp('http://host', { retries: -1 }), { code: 'OPTION_RANGE' })
  t.throws(() => fromHttp('http://host', { retry: 1 } as never), { code: 'OPTION_UNKNOWN' })
  await t.throwsAsync(ask('http://127.0.0.1:9/x', { retries: 0 }), { code: 'REMOTE_FAILED' })
})
