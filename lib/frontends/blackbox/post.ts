import { Patience } from './patience.js'
import { RequestError } from './requestError.js'

export interface PostOptions {
  headers: Readonly<Record<string, string>>
  timeoutMs: number
  /** Longer answers are refused; a compressed one counts as what it unfolds to. */
  maximumBytes: number
  signal?: AbortSignal | undefined
}

/** Longer waits than this are not worth it. */
const longestWaitMs = 60_000
/** How much of a refusal is quoted. */
const quotedCharacters = 200

const transientStatus = new Set([408, 425, 429, 500, 502, 503, 504])

/**
 * Posts a body and gives the text of the answer.
 *
 * @throws RequestError, or AscribeError `ABORTED`
 */
export async function post(url: URL, body: string, options: PostOptions): Promise<string> {
  const patience = new Patience(options.timeoutMs, options.signal)
  try {
    return await readBounded(
      await requested(url, body, 'application/json', options, patience),
      options.maximumBytes,
    )
  } catch (error) {
    throw patience.explained(error)
  } finally {
    patience.end()
  }
}

/**
 * Posts a body and gives an answer that is none of an error. Redirects are never followed: headers hold credentials, which
 * would go where the redirect points.
 */
export async function requested(
  url: URL,
  body: string,
  accept: string,
  { headers, maximumBytes }: PostOptions,
  patience: Patience,
): Promise<Response> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept, ...headers },
      body,
      redirect: 'manual',
      signal: patience.signal,
    })
    if (response.status >= 300 && response.status < 400) {
      await response.body?.cancel()
      throw new RequestError(`it answers with a redirect (${response.status}), which is not followed`, false)
    }
    if (response.ok) return response
    const quoted = (await readBounded(response, maximumBytes))
      .slice(0, quotedCharacters)
      .replace(/[^\x20-\x7e]+/g, ' ')
    throw new RequestError(
      `it answers with status ${response.status}: ${quoted}`,
      transientStatus.has(response.status),
      waitOf(response),
    )
  } catch (error) {
    patience.end()
    throw patience.explained(error)
  }
}

async function readBounded(response: Response, maximumBytes: number): Promise<string> {
  const tooLong = () => new RequestError(`its answer is longer than ${maximumBytes} bytes`, false)
  if (Number(response.headers.get('content-length')) > maximumBytes) {
    await response.body?.cancel()
    throw tooLong()
  }
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response.body ?? []) {
    length += part.length
    // Leaving the loop cancels the rest.
    if (length > maximumBytes) throw tooLong()
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function waitOf(response: Response): number | undefined {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  return seconds >= 0 ? Math.min(seconds * 1000, longestWaitMs) : undefined
}
