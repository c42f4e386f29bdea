import { Worker } from 'node:worker_threads'
import { AscribeError } from '../errors.js'
import type { ChatTemplateAnswer, ChatTemplateRequest } from './chatTemplateThread.js'

/** The longest template, and the longest text that one may write, in UTF-16 units. */
const maximumTemplateUnits = 1 << 20
const maximumUnits = 4_000_000
const maximumHeapMegabytes = 256
const usualDeadlineMs = 5_000

/**
 * Renders a chat template (Jinja) in a thread of its own, which ends after the deadline or where it takes too much
 * memory: templates come with files.
 *
 * @throws AscribeError CHAT_TEMPLATE_INVALID where it is malformed, refuses the messages or writes too much;
 *   DEADLINE_EXCEEDED; ABORTED.
 */
export async function renderChatTemplate(
  template: string,
  values: Readonly<Record<string, unknown>>,
  { signal, deadlineMs = usualDeadlineMs }: { signal?: AbortSignal | undefined; deadlineMs?: number } = {},
): Promise<string> {
  if (template.length > maximumTemplateUnits)
    throw new AscribeError(
      'CHAT_TEMPLATE_INVALID',
      `The chat template has ${template.length} characters, more than ${maximumTemplateUnits}`,
    )
  if (signal?.aborted) throw new AscribeError('ABORTED', 'The work was aborted', { cause: signal.reason })
  const request: ChatTemplateRequest = { template, values, maximumUnits }
  const worker = new Worker(new URL('./chatTemplateThread.js', import.meta.url), {
    workerData: request,
    resourceLimits: { maxOldGenerationSizeMb: maximumHeapMegabytes },
  })
  let timer: NodeJS.Timeout | undefined
  let abort: (() => void) | undefined
  try {
    return await new Promise<string>((resolve, reject) => {
      const invalid = (message: string) =>
        reject(new AscribeError('CHAT_TEMPLATE_INVALID', `The chat template: ${message}`))
      const late = () =>
        reject(new AscribeError('DEADLINE_EXCEEDED', `The chat template took more than ${deadlineMs} ms`))
      abort = () => reject(new AscribeError('ABORTED', 'The work was aborted', { cause: signal?.reason }))
      // A thread takes a while to begin on a busy machine, which is not the template's doing.
      timer = setTimeout(late, Math.max(deadlineMs, usualDeadlineMs))
      signal?.addEventListener('abort', abort, { once: true })
      worker.on('message', ({ begins, text, error }: ChatTemplateAnswer) => {
        if (begins) {
          clearTimeout(timer)
          timer = setTimeout(late, deadlineMs)
        } else if (text === undefined) invalid(error ?? '')
        else resolve(text)
      })
      worker.on('error', error => invalid(error.message))
      worker.on('exit', () => invalid('its thread ended'))
    })
  } finally {
    clearTimeout(timer)
    if (abort) signal?.removeEventListener('abort', abort)
    void worker.terminate()
  }
}
