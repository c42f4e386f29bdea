import type { GgufHeader, GgufValue } from '../../../data/ggufHeader.js'
import { AscribeError } from '../../../errors.js'

/** What a GGUF file says of itself, entry by entry; each is checked for its type when it is read. */
export class GgufMetadata {
  constructor(
    private readonly header: GgufHeader,
    readonly name: string,
  ) {}

  get(key: string): GgufValue | undefined {
    return this.header.metadata.get(key)
  }

  invalid(key: string, expected: string): AscribeError {
    const value = this.get(key)
    const received = value === undefined ? 'it is missing' : `it is ${JSON.stringify(value).slice(0, 60)}`
    return new AscribeError('MODEL_INVALID', `${this.name}: expected ${expected} for ${key}, ${received}`)
  }

  number(key: string): number | undefined {
    const value = this.get(key)
    if (value === undefined || typeof value === 'number') return value
    throw this.invalid(key, 'a number')
  }

  text(key: string): string | undefined {
    const value = this.get(key)
    if (value === undefined || typeof value === 'string') return value
    throw this.invalid(key, 'a text')
  }

  flag(key: string): boolean | undefined {
    const value = this.get(key)
    if (value === undefined || typeof value === 'boolean') return value
    throw this.invalid(key, 'true or false')
  }

  texts(key: string): readonly string[] | undefined {
    const value = this.get(key)
    if (value === undefined) return undefined
    if (Array.isArray(value) && (value as unknown[]).every(each => typeof each === 'string'))
      return value as readonly string[]
    throw this.invalid(key, 'a list of texts')
  }

  numbers(key: string): readonly number[] | undefined {
    const value = this.get(key)
    if (value === undefined) return undefined
    if (Array.isArray(value) && (value as unknown[]).every(each => typeof each === 'number'))
      return value as readonly number[]
    throw this.invalid(key, 'a list of numbers')
  }

  shape(tensor: string): readonly number[] | undefined {
    return this.header.tensors.find(({ name }) => name === tensor)?.shape
  }
}
