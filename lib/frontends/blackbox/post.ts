import { AscribeError } from '../../errors.js'

export interface PostOptions {
  headers: Readonly<Record<string, string>>
  timeoutMs: number
  /** Longer answers are refused; a compressed one counts as what it unfolds to. */
  maximumBytes: number
  signal?: AbortSignal | undefined
}

/** What went wrong with a request, and whether to try again. */
export class RequestError extends Error {
  constructor(
    message: string,
    readonly isTransient: boolean,
    /** What the server asked to wait. */
    readonly waitMs?: number,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause })
  }
}

/** Longer waits than this are not worth it. */
const longestWaitMs = 60_000
/** How much of a refusal is quoted. */
const quotedCharacters = 200

const transientStatus = new Set([408, 425, 429, 500, 502, 503, 504])

/**
 * Posts a body and gives the text of the answer. Redirects are never followed: headers hold credentials, which would go
 * where the redirect points.
 *
 * @throws RequestError, or AscribeError `ABORTED`
 */
export async function post(url: URL, body: string, options: PostOptions): Promise<string> {
  const { headers, timeoutMs, maximumBytes, signal } = options
  const timeout = AbortSignal.timeout(timeoutMs)
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
      body,
      redirect: 'manual',
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    })
    if (response.status >= 300 && response.status < 400) {
      await response.body?.cancel()
      throw new RequestError(`it answers with a redirect (${response.status}), which is not followed`, false)
    }
    const text = await readBounded(response, maximumBytes)
    if (response.ok) return text
    const quoted = text.slice(0, quotedCharacters).replace(/[^\x20-\x7e]+/g, ' ')
    throw new RequestError(
      `it answers with status ${response.status}: ${quoted}`,
      transientStatus.has(response.status),
      waitOf(response),
    )
  } catch (error) {
    if (error instanceof RequestError) throw error
    if (signal?.aborted) throw new AscribeError('ABORTED', 'The work was aborted', { cause: signal.reason })
    if (timeout.aborted)
      throw new RequestError(`it gave no answer within ${timeoutMs} ms`, true, undefined, error)
    const reason = (error as { cause?: Error }).cause?.message ?? (error as Error).message
    throw new RequestError(`it cannot be reached: ${reason}`, true, undefined, error)
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
