import { setImmediate as nextTurn } from 'node:timers/promises'

const sliceMs = 4

/** Gives the event loop a turn whenever a long import has run for a few milliseconds. */
export class Pace {
  #since = performance.now()

  async breathe(): Promise<void> {
    if (performance.now() - this.#since < sliceMs) return
    await nextTurn()
    this.#since = performance.now()
  }
}
