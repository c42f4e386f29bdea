import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ExecutionContext } from 'ava'

/** What a server was asked. */
export interface Asked {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Record<string, unknown>
}

/**
 * An endpoint for the length of a test. `answer` gives a value, which is sent as JSON, a text, which is sent as it is, or
 * nothing where it answers by itself.
 */
export async function languageServer(
  t: ExecutionContext,
  answer: (asked: Asked, response: ServerResponse) => unknown,
): Promise<{ address: string; asked: Asked[] }> {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const one: Asked = {
      path: request.url!,
      headers: request.headers,
      body: JSON.parse(Buffer.concat(parts).toString('utf8')) as Asked['body'],
    }
    asked.push(one)
    const value = await answer(one, response)
    if (value !== undefined) response.end(typeof value === 'string' ? value : JSON.stringify(value))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, asked }
}

/** A chat answer as the protocol has it. */
export const chatAnswer = (content: string, more: Record<string, unknown> = {}) => ({
  choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop', ...more }],
  usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
})
