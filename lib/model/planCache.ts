import type { NativePlan } from '#typings/addon.js'

interface Entry {
  plan: Promise<NativePlan>
  bytes: number
}

/** What a plan takes beside its buffers, and each of its nodes: measured, 20 KB for a few nodes, 270 KB for 300. */
const bytesOfPlan = 16 << 10
const bytesOfNode = 1 << 10

/**
 * Compiled plans by key, least recently used first out once their bytes pass the bound. What the cache lets go of stays
 * usable for calls that hold it, and is freed with the last of them.
 */
export class PlanCache {
  readonly #entries = new Map<string, Entry>()
  #bytes = 0

  constructor(readonly maximumBytes: number) {}

  get(key: string, compile: () => Promise<NativePlan>): Promise<NativePlan> {
    const existing = this.#entries.get(key)
    if (existing !== undefined) {
      this.#entries.delete(key)
      this.#entries.set(key, existing)
      return existing.plan
    }
    const entry: Entry = { plan: compile(), bytes: 0 }
    this.#entries.set(key, entry)
    // It may have been cleared away, or replaced, by the time it is compiled.
    const isKept = () => this.#entries.get(key) === entry
    entry.plan.then(
      plan => {
        if (!isKept()) return
        const { device, arenaBytes, weightBytes, scratchBytes, nodes } = plan.describe()
        // A GPU keeps what runs worked in for whoever comes next: plans there are large, and hold none of it.
        const working = device.startsWith('cuda') ? 0 : arenaBytes + scratchBytes
        entry.bytes = working + weightBytes + bytesOfPlan + bytesOfNode * nodes.length
        this.#bytes += entry.bytes
        this.#evict(entry)
      },
      // A plan that failed to compile must not fail forever: the next caller tries again.
      () => isKept() && this.#entries.delete(key),
    )
    return entry.plan
  }

  clear(): void {
    this.#entries.clear()
    this.#bytes = 0
  }

  /** Frees the plans at once; jobs that run finish, later uses are HANDLE_DISPOSED. */
  dispose(): void {
    for (const { plan } of this.#entries.values()) plan.then(p => p.dispose()).catch(() => {})
    this.clear()
  }

  #evict(newest: Entry): void {
    for (const [key, entry] of this.#entries) {
      if (this.#bytes <= this.maximumBytes) return
      if (entry === newest || entry.bytes === 0) continue
      this.#entries.delete(key)
      this.#bytes -= entry.bytes
    }
  }
}
