import type { Span } from '../../regions/spans.js'

/** A text as tokens, and the rows of it that are wanted. */
export interface TextRows {
  readonly ids: readonly number[]
  /** Positions of the first row and behind the last; tokens behind it are not read. */
  readonly firstRow: number
  readonly endRow: number
  /** What an encoder reads, where the model has one: the text is then its decoder's. */
  readonly source?: readonly number[]
}

/** Tokens of one text that follow each other in a run. */
export interface PackedSegment {
  /** Its first token's place in the run. */
  readonly at: number
  readonly ids: readonly number[]
  /** Position of its first token in the text. */
  readonly position: number
  /** Slots of what stands before it, in order. */
  readonly before: readonly Span[]
}

/** A row that is wanted of a text, and the token of a run that gives it. */
export interface PackedRow {
  readonly text: number
  readonly position: number
  readonly at: number
}

/** Tokens that go through the model at once. They take the slots from `first` on, in their order. */
export interface PackedRun {
  readonly first: number
  readonly tokens: number
  readonly segments: readonly PackedSegment[]
  readonly rows: readonly PackedRow[]
}

export interface PackedPlan {
  readonly runs: readonly PackedRun[]
  /** Tokens of all runs: those of a beginning that texts share are counted once. */
  readonly tokens: number
  /** Slots that the runs take. */
  readonly slots: number
}

/** Tokens that a text and the one before it begin with together. */
function sharedLength(a: TextRows, b: TextRows): number {
  const end = Math.min(a.endRow, b.endRow)
  let at = 0
  while (at < end && a.ids[at] === b.ids[at]) at++
  return at
}

/** In the order of their tokens, so that texts that begin alike follow each other. */
function inOrder(texts: readonly TextRows[]): number[] {
  return texts
    .map((_, at) => at)
    .sort((a, b) => {
      const shared = sharedLength(texts[a]!, texts[b]!)
      const [own, other] = [texts[a]!, texts[b]!].map(({ ids, endRow }) =>
        shared < endRow ? ids[shared]! : -1,
      )
      return own! - other! || a - b
    })
}

class Packing {
  readonly runs: PackedRun[] = []
  tokens = 0
  slots = 0
  #segments: PackedSegment[] = []
  #rows: PackedRow[] = []
  #count = 0
  #first = 0
  /** Slots of the beginning that is being gone on from. */
  #path: Span[] = []
  readonly #order: readonly number[]
  /** What each text in order shares with the one before it. */
  readonly #shared: readonly number[]

  constructor(
    private readonly texts: readonly TextRows[],
    private readonly chunk: number,
    private readonly widthOf: (tokens: number) => number,
  ) {
    this.#order = inOrder(texts)
    this.#shared = this.#order.map((text, at) =>
      at === 0 ? 0 : sharedLength(texts[this.#order[at - 1]!]!, texts[text]!),
    )
  }

  pack(): PackedPlan {
    this.#visit(0, this.texts.length, 0)
    this.#flush()
    return { runs: this.runs, tokens: this.tokens, slots: this.slots }
  }

  /** Texts [from, to) in order, whose first `depth` tokens are the path. */
  #visit(from: number, to: number, depth: number): void {
    const before = this.#path
    if (to - from === 1) {
      this.#append(from, to, depth, this.texts[this.#order[from]!]!.endRow)
      this.#path = before
      return
    }
    let end = Number.POSITIVE_INFINITY
    for (let at = from + 1; at < to; at++) end = Math.min(end, this.#shared[at]!)
    this.#append(from, to, depth, end)
    const parts: [number, number][] = []
    for (let at = from; at < to; ) {
      let next = at + 1
      while (next < to && this.#shared[next]! > end) next++
      // A text that ends here is read already; so is one that is equal to it.
      if (this.texts[this.#order[at]!]!.endRow > end) parts.push([at, next])
      at = next
    }
    // What many go on from comes first, right behind what it stands on: ends of single texts are overwritten.
    parts.sort(([a, b], [c, d]) => d - c - (b - a) || a - c)
    for (const [first, last] of parts) this.#visit(first, last, end)
    this.#path = before
  }

  /** Puts tokens [begin, end) of the texts [from, to) in order behind the path, which they are part of from here on. */
  #append(from: number, to: number, begin: number, end: number): void {
    for (let at = begin; at < end; ) {
      const free = this.#path.at(-1)?.end ?? 0
      if (this.#count === 0) this.#first = free
      // Slots of others that lie between are lost as long as this path is.
      else if (this.#first + this.#count - at > 2 * this.chunk) this.#flush()
      if (this.#count === 0) this.#first = free
      const taken = Math.min(end - at, this.chunk - this.#count)
      const slot = this.#first + this.#count
      const { ids } = this.texts[this.#order[from]!]!
      this.#segments.push({
        at: this.#count,
        ids: ids.slice(at, at + taken),
        position: at,
        before: this.#path,
      })
      for (const text of this.#order.slice(from, to)) {
        const { firstRow, endRow } = this.texts[text]!
        for (let row = Math.max(at, firstRow); row < Math.min(at + taken, endRow); row++)
          this.#rows.push({ text, position: row, at: this.#count + row - at })
      }
      const last = this.#path.at(-1)
      this.#path =
        last?.end === slot
          ? [...this.#path.slice(0, -1), { start: last.start, end: slot + taken }]
          : [...this.#path, { start: slot, end: slot + taken }]
      this.#count += taken
      this.tokens += taken
      at += taken
      if (this.#count === this.chunk) this.#flush()
    }
  }

  #flush(): void {
    if (this.#count === 0) return
    this.runs.push({
      first: this.#first,
      tokens: this.#count,
      segments: this.#segments,
      rows: this.#rows,
    })
    this.slots = Math.max(this.slots, this.#first + this.widthOf(this.#count))
    this.#segments = []
    this.#rows = []
    this.#count = 0
  }
}

/**
 * How texts go through a model so that what they begin with in common is read once, and nothing is filled up between
 * them: keys and values of all tokens lie in slots, a token reads the slots of those before it in its own text, and
 * texts of any lengths share a run. Exact where attention is causal, since positions agree.
 *
 * @param chunk Tokens of a run at most.
 * @param widthOf What a run of so many tokens is filled up to.
 */
export function planPacked(
  texts: readonly TextRows[],
  chunk: number,
  widthOf: (tokens: number) => number = tokens => tokens,
): PackedPlan {
  return texts.length === 0 ? { runs: [], tokens: 0, slots: 0 } : new Packing(texts, chunk, widthOf).pack()
}
