import { parentPort, workerData } from 'node:worker_threads'
import { createEncoder } from './createEncoder.js'

/** What the thread is asked: to write a text as tokens, or tokens as a text. `specials`: with those that the text itself
 * does not have; in the other direction, whether they are shown. */
export type TokenizerRequest =
  | { readonly text: string; readonly specials: boolean }
  | { readonly text: string; readonly pair: string }
  | { readonly vocabulary: true }
  | { readonly ids: readonly number[]; readonly specials: boolean }

/** The thread of one tokenizer: says first whether the file is one, then answers text by text. */
const port = parentPort!
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
try {
  const { encoder, facts } = await createEncoder(new TextDecoder().decode(workerData as Uint8Array))
  port.on('message', (request: TokenizerRequest) => {
    try {
      if ('ids' in request) port.postMessage({ text: encoder.decode(request.ids, request.specials) })
      else if ('pair' in request) port.postMessage({ pair: encoder.encodePair(request.text, request.pair) })
      else if ('vocabulary' in request) port.postMessage({ vocabulary: encoder.vocabulary() })
      else port.postMessage({ encoding: encoder.encode(request.text, request.specials) })
    } catch (error) {
      port.postMessage({ error: messageOf(error) })
    }
  })
  port.postMessage({ facts })
} catch (error) {
  port.postMessage({ error: messageOf(error) })
}
