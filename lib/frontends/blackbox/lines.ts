/** Lines of bytes that come in parts; each part is looked at once, however long a line is. They end with \n, \r\n or \r. */
export class Lines {
  readonly #decoder = new TextDecoder()
  /** The line that has not ended, as it came. */
  #parts: string[] = []
  #open = 0
  #endsWithReturn = false

  /** Characters of the line that has not ended. */
  get open(): number {
    return this.#open
  }

  /** The lines that a part ends. */
  take(part: Uint8Array): string[] {
    let text = this.#decoder.decode(part, { stream: true })
    if (text === '') return []
    // Of \r\n that two parts share the first half has ended the line.
    if (this.#endsWithReturn && text.startsWith('\n')) text = text.slice(1)
    this.#endsWithReturn = text === '' ? false : text.endsWith('\r')
    const found = text.split(/\r\n|\n|\r/)
    const rest = found.pop()!
    if (found.length > 0) {
      found[0] = this.#parts.join('') + found[0]!
      this.#parts = []
      this.#open = 0
    }
    if (rest !== '') this.#parts.push(rest)
    this.#open += rest.length
    return found
  }
}
