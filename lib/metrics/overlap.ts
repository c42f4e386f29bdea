/**
 * Work of which one piece runs natively while JavaScript makes the next. A piece begins when the one before is done, so
 * that no more than one holds working memory.
 */
export class Overlap {
  #running: Promise<void> = Promise.resolve()

  /** Waits for the piece before, and begins this one. Throws what the piece before threw. */
  async begin(piece: () => Promise<void>): Promise<void> {
    await this.#running
    this.#running = piece()
    // Whoever makes the next piece may take a while, or fail: nobody listens until then.
    this.#running.catch(() => {})
  }

  /** Runs `work`, which begins pieces, and waits for the last of them, also where something fails. */
  static async of(work: (overlap: Overlap) => Promise<void>): Promise<void> {
    const overlap = new Overlap()
    try {
      await work(overlap)
      await overlap.#running
    } finally {
      await Promise.allSettled([overlap.#running])
    }
  }
}
