import { AscribeError } from '../../errors.js'

/** A checkpoint asks for something that is not built here. */
export class Unsupported extends AscribeError {
  constructor(what: string, hint?: string) {
    super(
      'MODEL_UNSUPPORTED_OP',
      `The checkpoint needs ${what}, which is not supported`,
      hint ? { hint } : {},
    )
  }
}
