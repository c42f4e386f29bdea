import { parentPort, workerData } from 'node:worker_threads'
import { Template } from '@huggingface/jinja'

/** What the thread is started with. */
export interface ChatTemplateRequest {
  readonly template: string
  readonly values: Readonly<Record<string, unknown>>
  readonly maximumUnits: number
}

/** What it says: that it begins with the template, and then what that writes or what is wrong. */
export interface ChatTemplateAnswer {
  readonly begins?: boolean
  readonly text?: string
  readonly error?: string
}

const { template, values, maximumUnits } = workerData as ChatTemplateRequest
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
parentPort!.postMessage({ begins: true })
try {
  const text = new Template(template).render({ ...values })
  if (text.length > maximumUnits)
    throw new Error(`it writes ${text.length} characters, more than ${maximumUnits}`)
  parentPort!.postMessage({ text })
} catch (error) {
  parentPort!.postMessage({ error: messageOf(error).slice(0, 1000) })
}
