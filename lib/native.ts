import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'
import type { NativeAddon, NativeJob } from '#typings/addon.js'
import { AscribeError, type ErrorCode, errorCodes } from './errors.js'

let loaded: NativeAddon | undefined

/** The addon: built here (build/Release), or the prebuilt one of this platform. Loaded on first use. */
export function native(): NativeAddon {
  if (loaded === undefined) {
    const require = createRequire(import.meta.url)
    const root = dirname(dirname(fileURLToPath(import.meta.url)))
    try {
      const addon = require('node-gyp-build')(root) as NativeAddon
      loaded = addon
      // Before exit() itself, which destroys what libraries made on first use while a lane may still be inside one.
      // Workers that end have their jobs released by Node.
      if (isMainThread) process.once('exit', () => addon.halt())
    } catch (cause) {
      throw new AscribeError(
        'BACKEND_UNAVAILABLE',
        `The native addon could not be loaded: ${(cause as Error).message}`,
        {
          hint: 'There is no prebuilt binary for this platform; build it with `npm run build:native`.',
          cause,
        },
      )
    }
  }
  return loaded
}

/** Native errors carry a code and perhaps a hint; this makes AscribeErrors of them, with the caller's stack. */
export function typed(error: unknown, caller?: Error): unknown {
  if (error instanceof AscribeError || !(error instanceof Error)) return error
  const { code, hint } = error as Error & { code?: string; hint?: string }
  if (code === undefined || !Object.hasOwn(errorCodes, code)) return error
  const result = new AscribeError(code as ErrorCode, error.message, {
    ...(hint ? { hint } : {}),
    cause: error,
  })
  if (caller?.stack !== undefined)
    result.stack = `${result.name}: ${result.message}\n${caller.stack.split('\n').slice(2).join('\n')}`
  return result
}

/** Calls into the addon with its errors typed. */
export function call<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw typed(error)
  }
}

/** What a plan is like. @throws AscribeError HANDLE_DISPOSED where its model was disposed meanwhile. */
export const describePlan = <D>(plan: { describe(): D }): D => call(() => plan.describe())

/** Waits for a native job; an abort cancels it at its next node. */
export async function settle<T>(start: () => NativeJob<T>, signal?: AbortSignal): Promise<T> {
  const caller = new Error()
  const aborted = () => new AscribeError('ABORTED', 'The work was aborted', { cause: signal?.reason })
  if (signal?.aborted) throw aborted()
  const job = call(start)
  const cancel = () => job.cancel()
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    return await job.promise
  } catch (error) {
    if (signal?.aborted) throw aborted()
    throw typed(error, caller)
  } finally {
    signal?.removeEventListener('abort', cancel)
  }
}
