import { setImmediate } from 'node:timers/promises'
import { AscribeError } from '../errors.js'

/** A computation in pieces: it yields how many operations it did since it was last asked, and returns its result. */
export type Sliced<T> = Generator<number, T, void>

/** Operations after which the event loop gets its turn: some milliseconds. */
export const sliceOperations = 2_000_000

/** The whole computation, without a pause. */
export function atOnce<T>(work: Sliced<T>): T {
  for (;;) {
    const step = work.next()
    if (step.done) return step.value
  }
}

/** Operations since the event loop had its last turn; one for computations that follow each other. */
export interface Slice {
  operations: number
}

/**
 * The whole computation, with turns of the event loop in between, so that nothing else waits long.
 *
 * @throws AscribeError `ABORTED`
 */
export async function inSlices<T>(
  work: Sliced<T>,
  signal?: AbortSignal,
  slice: Slice = { operations: 0 },
): Promise<T> {
  for (;;) {
    const step = work.next()
    if (step.done) return step.value
    slice.operations += step.value
    if (slice.operations < sliceOperations) continue
    slice.operations = 0
    await setImmediate()
    if (signal?.aborted) throw new AscribeError('ABORTED', 'The work was aborted', { cause: signal.reason })
  }
}
