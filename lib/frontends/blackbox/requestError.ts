/** What went wrong with a request, and whether to try again. */
export class RequestError extends Error {
  constructor(
    message: string,
    readonly isTransient: boolean,
    /** What the server asked to wait. */
    readonly waitMs?: number,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause })
  }
}
