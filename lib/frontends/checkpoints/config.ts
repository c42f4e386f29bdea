import { AscribeError } from '../../errors.js'
import { describeValue } from '../../validate.js'

/** Sizes above this are taken for damage: no weight of a model known today has a longer axis. */
const greatestSize = 1 << 24

/** Layers that a model may have. */
const mostLayers = 1024

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * A config.json, or one object inside it, read property by property. Nothing in it is trusted: each value is checked
 * for its type and range when it is read, and the error names it. Weights are checked against what is built from it.
 */
export class Config {
  constructor(
    readonly values: Readonly<Record<string, unknown>>,
    /** Names the object in messages. */
    readonly name = 'config.json',
    /** What a property that is absent here is called elsewhere: `n_embd` for `hidden_size`. */
    private readonly aliases: Readonly<Record<string, string>> = {},
  ) {}

  /** The same values, with other names for some. */
  withAliases(aliases: Readonly<Record<string, string>>): Config {
    return new Config(this.values, this.name, aliases)
  }

  /** The same values, with others where they are absent. */
  withDefaults(defaults: Readonly<Record<string, unknown>>): Config {
    const given = Object.fromEntries(Object.entries(this.values).filter(([, value]) => value !== null))
    return new Config({ ...defaults, ...given }, this.name, this.aliases)
  }

  /** Null stands for absent, as the format has it. */
  raw(key: string): unknown {
    const own = Object.hasOwn(this.values, key) ? this.values[key] : undefined
    if (own !== undefined && own !== null) return own
    const alias = Object.hasOwn(this.aliases, key) ? this.aliases[key]! : undefined
    const other = alias !== undefined && Object.hasOwn(this.values, alias) ? this.values[alias] : undefined
    return other ?? undefined
  }

  has(key: string): boolean {
    return this.raw(key) !== undefined
  }

  invalid(key: string, expected: string): AscribeError {
    const value = this.raw(key)
    const received = value === undefined ? 'it is missing' : `it is ${describeValue(value)}`
    return new AscribeError('MODEL_INVALID', `${this.name}: expected ${expected} for ${key}, ${received}`)
  }

  /** A whole number from `minimum` (default 1) to `maximum`. */
  integer(key: string, fallback?: number, minimum = 1, maximum = greatestSize): number {
    const value = this.raw(key) ?? fallback
    if (!Number.isSafeInteger(value) || (value as number) < minimum || (value as number) > maximum)
      throw this.invalid(key, `an integer from ${minimum} to ${maximum}`)
    return value as number
  }

  layers(key = 'num_hidden_layers'): number {
    return this.integer(key, undefined, 1, mostLayers)
  }

  /** A whole number where there is one. */
  optionalInteger(key: string, minimum = 1, maximum = greatestSize): number | undefined {
    return this.has(key) ? this.integer(key, undefined, minimum, maximum) : undefined
  }

  /** A finite number in the range. */
  real(key: string, fallback?: number, minimum = -1e9, maximum = 1e9): number {
    const value = this.raw(key) ?? fallback
    if (typeof value !== 'number' || !(value >= minimum && value <= maximum))
      throw this.invalid(key, `a number from ${minimum} to ${maximum}`)
    return value
  }

  optionalReal(key: string, minimum?: number, maximum?: number): number | undefined {
    return this.has(key) ? this.real(key, undefined, minimum, maximum) : undefined
  }

  /** The epsilon of a normalisation. */
  epsilon(key: string, fallback?: number): number {
    return this.real(key, fallback, 0, 1)
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.raw(key) ?? fallback
    if (typeof value !== 'boolean') throw this.invalid(key, 'true or false')
    return value
  }

  text(key: string, fallback?: string): string {
    const value = this.raw(key) ?? fallback
    if (typeof value !== 'string' || value.length > 1000) throw this.invalid(key, 'a text')
    return value
  }

  choice<T extends string>(key: string, choices: readonly T[], fallback?: T): T {
    const value = this.text(key, fallback)
    if (!choices.includes(value as T)) throw this.invalid(key, `one of ${choices.join(', ')}`)
    return value as T
  }

  /** A list of exactly `length` entries that each pass the test; undefined where it is absent. */
  list<T>(
    key: string,
    length: number,
    expected: string,
    test: (value: unknown) => value is T,
  ): T[] | undefined {
    const value = this.raw(key)
    if (value === undefined) return undefined
    if (!Array.isArray(value) || value.length !== length || !value.every(test))
      throw this.invalid(key, `${length} entries, each ${expected}`)
    return value
  }

  /** An object inside this one. */
  part(key: string): Config {
    const value = this.raw(key)
    if (!isRecord(value)) throw this.invalid(key, 'an object')
    return new Config(value, `${this.name}: ${key}`)
  }

  optionalPart(key: string): Config | undefined {
    return this.has(key) ? this.part(key) : undefined
  }

  /** Requires what is built to be what the file says: a property that this build does not know with any other value. */
  requireValue(key: string, expected: unknown, isDefault = true): void {
    const value = this.raw(key)
    if (value === undefined && isDefault) return
    if (value !== expected)
      throw new AscribeError(
        'MODEL_UNSUPPORTED_OP',
        `${this.name}: ${key} is ${describeValue(value)}; only ${describeValue(expected)} is supported`,
      )
  }
}

/** Parses the text of a config.json. @throws AscribeError FILE_CORRUPT */
export function parseConfig(text: string, name: string): Config {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw new AscribeError('FILE_CORRUPT', `${name} is not JSON: ${(cause as Error).message.slice(0, 200)}`, {
      cause,
    })
  }
  if (!isRecord(parsed)) throw new AscribeError('FILE_CORRUPT', `${name} holds no object`)
  return new Config(parsed, name)
}
