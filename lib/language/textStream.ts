/** Writes ids as text. */
export type Decode = (ids: readonly number[]) => Promise<string>

/** Tokens before what is new that its text may depend on: spaces, letters of several bytes. */
const context = 8

/** What stands for bytes that are no letter yet. */
const incomplete = '\ufffd'

/** The longest end of `text` that one of the strings begins with, but is not. */
export function heldBack(text: string, strings: readonly string[]): number {
  let held = 0
  for (const each of strings)
    for (let length = Math.min(each.length - 1, text.length); length > held; length--)
      if (text.endsWith(each.slice(0, length))) {
        held = length
        break
      }
  return held
}

/**
 * The text of tokens that come one by one. Text is given out once later tokens cannot change it: letters are whole, and
 * nothing of a stop string is among it.
 */
export class TextStream {
  readonly #ids: number[]
  /** Tokens whose text was seen, and those before them that the next ones are written beside. */
  #seen: number
  #pending = ''
  /** Whether a stop string was met. */
  stopped = false

  /** @param prompt What stands before the text. */
  constructor(
    private readonly decode: Decode,
    prompt: readonly number[],
    private readonly stop: readonly string[],
  ) {
    this.#ids = prompt.slice(-context)
    this.#seen = this.#ids.length
  }

  /** Text that is settled now that this token came. */
  async push(id: number): Promise<string> {
    this.#ids.push(id)
    return this.#take(false)
  }

  /** What was held back until it was known that nothing follows. */
  async end(): Promise<string> {
    if (this.stopped) return ''
    const text = await this.#take(true)
    const rest = this.#pending
    this.#pending = ''
    return text + rest
  }

  async #take(isLast: boolean): Promise<string> {
    const from = Math.max(0, this.#seen - context)
    const before = await this.decode(this.#ids.slice(from, this.#seen))
    const all = await this.decode(this.#ids.slice(from))
    if (!isLast && all.endsWith(incomplete)) return ''
    if (this.#seen === this.#ids.length) return ''
    this.#seen = this.#ids.length
    // Where new tokens change what stands before them (a space goes), nothing that was given out is taken back.
    let shared = 0
    while (shared < before.length && before[shared] === all[shared]) shared++
    return this.#settle(all.slice(shared))
  }

  #settle(fresh: string): string {
    const text = this.#pending + fresh
    const found = this.stop.map(each => text.indexOf(each)).filter(at => at >= 0)
    if (found.length > 0) {
      this.stopped = true
      this.#pending = ''
      return text.slice(0, Math.min(...found))
    }
    const held = heldBack(text, this.stop)
    this.#pending = text.slice(text.length - held)
    return text.slice(0, text.length - held)
  }
}
