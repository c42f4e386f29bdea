import { parentPort, workerData } from 'node:worker_threads'
import { createEncoder } from './createEncoder.js'

/** What the thread is asked: a text, as one of several. */
export interface EncodeRequest {
  readonly text: string
}

/** The thread of one tokenizer: says first whether the file is one, then answers text by text. */
const port = parentPort!
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
try {
  const { encoder, facts } = await createEncoder(new TextDecoder().decode(workerData as Uint8Array))
  port.on('message', ({ text }: EncodeRequest) => {
    try {
      port.postMessage({ encoding: encoder.encode(text) })
    } catch (error) {
      port.postMessage({ error: messageOf(error) })
    }
  })
  port.postMessage({ facts })
} catch (error) {
  port.postMessage({ error: messageOf(error) })
}
