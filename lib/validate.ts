import { AscribeError } from './errors.js'

/** How a value looks in an error message: strings quoted, objects named, nothing longer than a line. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)
  if (Array.isArray(value)) return `an array of length ${value.length}`
  if (typeof value === 'object' && value !== null)
    return `a value of type ${value.constructor?.name ?? 'object'}`
  if (typeof value === 'function') return 'a function'
  return String(value)
}

/** The error for an option of the wrong type: "expected *what* for *name*, received *value*". */
export function typeError(name: string, expected: string, value: unknown): AscribeError {
  return new AscribeError('OPTION_TYPE', `expected ${expected} for ${name}, received ${describeValue(value)}`)
}

/** The error for an option outside its range. */
export function rangeError(name: string, expected: string, value: unknown): AscribeError {
  return new AscribeError(
    'OPTION_RANGE',
    `expected ${expected} for ${name}, received ${describeValue(value)}`,
  )
}

/** Checks a finite number inside `[minimum, maximum]` and returns it. */
export function expectNumber(name: string, value: unknown, minimum = -Infinity, maximum = Infinity): number {
  if (typeof value !== 'number') throw typeError(name, 'a number', value)
  if (!Number.isFinite(value) || value < minimum || value > maximum)
    throw rangeError(name, `a finite number from ${minimum} to ${maximum}`, value)
  return value
}

/** Checks a safe integer inside `[minimum, maximum]` and returns it. */
export function expectInteger(
  name: string,
  value: unknown,
  minimum = Number.MIN_SAFE_INTEGER,
  maximum = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value !== 'number') throw typeError(name, 'an integer', value)
  if (!Number.isSafeInteger(value) || value < minimum || value > maximum)
    throw rangeError(name, `an integer from ${minimum} to ${maximum}`, value)
  return value
}

/** Checks a string and returns it. */
export function expectString(name: string, value: unknown): string {
  if (typeof value !== 'string') throw typeError(name, 'a string', value)
  return value
}

/** Checks a list of strings and returns it. */
export function expectStrings(name: string, value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw typeError(name, 'an array of strings', value)
  for (const [at, each] of value.entries()) expectString(`${name}[${at}]`, each)
  return value
}

/** Checks that a value is one of a few strings and returns it. */
export function expectOneOf<T extends string>(name: string, value: unknown, choices: readonly T[]): T {
  if (typeof value !== 'string') throw typeError(name, `one of ${choices.join(', ')}`, value)
  if (!choices.includes(value as T)) throw rangeError(name, `one of ${choices.join(', ')}`, value)
  return value as T
}

/** Checks an object that is neither null nor an array and returns it. */
export function expectObject(name: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value))
    throw typeError(name, 'an object', value)
  return value as Record<string, unknown>
}

/** Refuses properties that nobody reads: a misspelt option must not be silently ignored. */
export function expectKnownKeys(name: string, value: object, known: readonly string[]): void {
  for (const key of Object.keys(value)) {
    if (!known.includes(key))
      throw new AscribeError('OPTION_UNKNOWN', `${name} has no property ${describeValue(key)}`, {
        hint: `It has ${known.join(', ')}.`,
      })
  }
}

/** Checks a list and returns it. */
export function expectList<T>(name: string, value: readonly T[], what = 'a list'): readonly T[] {
  if (!Array.isArray(value)) throw typeError(name, what, value)
  return value
}

/** Checks that a value is a list of numbers or a typed array, not what is in it. */
export function expectNumbers(name: string, value: ArrayLike<number>): ArrayLike<number> {
  if (typeof value !== 'object' || value === null || typeof value.length !== 'number')
    throw typeError(name, 'a list of numbers', value)
  return value
}

/** Checks something that can be gone through once. */
export function expectIterable<T>(name: string, value: Iterable<T>, what = 'a list'): Iterable<T> {
  if (typeof (value as Iterable<T> | undefined | null)?.[Symbol.iterator] !== 'function')
    throw typeError(name, what, value)
  return value
}

/** Checks what a call that takes its time may be ended with, and what it tells how far it is. */
export function expectSignalAndProgress({
  signal,
  onProgress,
}: {
  signal?: unknown
  onProgress?: unknown
}): void {
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw typeError('signal', 'an AbortSignal', signal)
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw typeError('onProgress', 'a function', onProgress)
}
