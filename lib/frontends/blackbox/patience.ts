import { AscribeError } from '../../errors.js'
import { RequestError } from './requestError.js'

/** Ends a request once nothing has come for a while. */
export class Patience {
  readonly signal: AbortSignal
  readonly #own = new AbortController()
  #timer: NodeJS.Timeout | undefined

  constructor(
    readonly timeoutMs: number,
    private readonly given: AbortSignal | undefined,
  ) {
    this.signal = given ? AbortSignal.any([given, this.#own.signal]) : this.#own.signal
    this.renew()
  }

  renew(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#own.abort(), this.timeoutMs)
  }
  end(): void {
    clearTimeout(this.#timer)
  }

  /** What an error of the request means. */
  explained(error: unknown): Error {
    if (error instanceof RequestError || error instanceof AscribeError) return error
    if (this.given?.aborted)
      return new AscribeError('ABORTED', 'The work was aborted', { cause: this.given.reason })
    if (this.#own.signal.aborted)
      return new RequestError(`it gave no answer within ${this.timeoutMs} ms`, true, undefined, error)
    const reason = (error as { cause?: Error }).cause?.message ?? (error as Error).message
    return new RequestError(`it cannot be reached: ${reason}`, true, undefined, error)
  }
}
