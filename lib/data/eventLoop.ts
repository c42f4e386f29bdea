import { setImmediate as nextTurn } from 'node:timers/promises'

/** The longest time that work on the JavaScript thread goes on before others have their turn. */
const sliceMilliseconds = 5

/**
 * Lets long loops share the JavaScript thread: call the function that this returns now and then, and await it. It
 * gives way to timers and connections once it has been busy for 5 ms, and costs nothing before.
 */
export function createYielder(): () => Promise<void> | undefined {
  let started = performance.now()
  return () => {
    if (performance.now() - started < sliceMilliseconds) return undefined
    return nextTurn().then(() => {
      started = performance.now()
    })
  }
}
