import { AscribeError } from '../errors.js'

/**
 * The work's outcome, or ABORTED as soon as the signal fires; the work itself goes on, for others who wait for it too.
 * It does not begin where the signal has fired already.
 */
export async function abortable<T>(start: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return start()
  const aborted = () => new AscribeError('ABORTED', 'The work was aborted', { cause: signal.reason })
  if (signal.aborted) throw aborted()
  let stop = () => {}
  try {
    return await Promise.race([
      start(),
      new Promise<never>((_, reject) => {
        stop = () => reject(aborted())
        signal.addEventListener('abort', stop, { once: true })
      }),
    ])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
