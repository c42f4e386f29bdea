import { Lines } from './lines.js'
import { Patience } from './patience.js'
import { type PostOptions, requested } from './post.js'
import { RequestError } from './requestError.js'

/** What a line of an event stream may be long; longer ones are damage, or meant to fill the memory. */
const maximumLine = 1 << 20

/**
 * Posts a body and gives the data of the server-sent events of the answer, one after the other.
 *
 * @returns once the answer has begun: what went wrong before may be tried again.
 * @throws RequestError, or AscribeError `ABORTED`; for what comes later too.
 */
export async function postForEvents(
  url: URL,
  body: string,
  options: PostOptions,
): Promise<AsyncGenerator<string>> {
  const patience = new Patience(options.timeoutMs, options.signal)
  const response = await requested(url, body, 'text/event-stream', options, patience)
  const type = response.headers.get('content-type') ?? ''
  if (!/^text\/event-stream\b/i.test(type)) {
    patience.end()
    await response.body?.cancel()
    const named = type.slice(0, 60).replace(/[^\x20-\x7e]+/g, ' ')
    throw new RequestError(`it answers with ${named || 'no content type'}, expected text/event-stream`, false)
  }
  return eventsOf(response, options, patience)
}

/** The data of events: lines of one event are put together by line breaks, comments and other fields are passed over. */
async function* eventsOf(
  response: Response,
  { maximumBytes }: PostOptions,
  patience: Patience,
): AsyncGenerator<string> {
  const lines = new Lines()
  let length = 0
  let data: string[] = []
  try {
    for await (const part of response.body ?? []) {
      patience.renew()
      length += part.length
      // Leaving the loop cancels the rest.
      if (length > maximumBytes)
        throw new RequestError(`its answer is longer than ${maximumBytes} bytes`, false)
      for (const line of lines.take(part)) {
        if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5))
        else if (line === '' && data.length > 0) {
          const event = data.join('\n')
          data = []
          // Whoever reads slowly does not use up the server's time.
          patience.end()
          yield event
          patience.renew()
        }
      }
      if (lines.open > maximumLine)
        throw new RequestError(`its answer has a line of more than ${maximumLine} characters`, false)
    }
  } catch (error) {
    throw patience.explained(error)
  } finally {
    patience.end()
  }
}
