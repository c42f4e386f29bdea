import { AscribeError } from '../../errors.js'
import { describeValue } from '../../validate.js'

/** A part of an endpoint's answer, of which nothing is taken for granted: what is read is checked, and named if it is wrong. */
export class Answer {
  constructor(
    readonly value: unknown,
    private readonly origin: string,
    private readonly name = 'the answer',
  ) {}

  failed(expected: string): AscribeError {
    return new AscribeError(
      'REMOTE_FAILED',
      `${this.origin}: expected ${expected} for ${this.name}, received ${describeValue(this.value)}`,
    )
  }

  /** A property that must be there. */
  part(key: string): Answer {
    const found = this.optional(key)
    if (found === undefined) throw new Answer(undefined, this.origin, this.nameOf(key)).failed('a value')
    return found
  }

  /** Null stands for absent. */
  optional(key: string): Answer | undefined {
    const value = this.object()
    const found = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined
    return found === undefined || found === null
      ? undefined
      : new Answer(found, this.origin, this.nameOf(key))
  }

  /** The value, which must be an object. */
  object(): object {
    const { value } = this
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.failed('an object')
    return value
  }

  list(length?: number): Answer[] {
    const { value } = this
    if (!Array.isArray(value) || (length !== undefined && value.length !== length))
      throw this.failed(length === undefined ? 'a list' : `a list of ${length}`)
    return value.map((each, at) => new Answer(each, this.origin, `${this.name}[${at}]`))
  }

  text(): string {
    if (typeof this.value !== 'string') throw this.failed('a text')
    return this.value
  }

  /** A finite number. */
  number(): number {
    if (typeof this.value !== 'number' || !Number.isFinite(this.value)) throw this.failed('a finite number')
    return this.value
  }

  /** The logarithm of a probability; rounding of 1 is forgiven. */
  logProbability(): number {
    const value = this.number()
    if (value > 1e-3) throw this.failed('the logarithm of a probability')
    return Math.min(value, 0)
  }

  /** A property that counts something. */
  count(key: string): number {
    const part = this.part(key)
    if (!Number.isSafeInteger(part.value) || (part.value as number) < 0) throw part.failed('a whole number')
    return part.value as number
  }

  private nameOf(key: string): string {
    return this.name === 'the answer' ? key : `${this.name}.${key}`
  }
}
