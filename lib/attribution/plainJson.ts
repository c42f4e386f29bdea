import { createHash } from 'node:crypto'
import { AscribeError } from '../errors.js'
import { describeValue } from '../validate.js'
import type { Json } from './types.js'

const greatestDepth = 20

/**
 * A plain copy of a value that JSON can hold, so that what is saved is what was there. Properties that are undefined
 * are left out. Typed arrays become their values where they are short, their type, length and hash where they are
 * long (a baseline, for example): enough to recognise them by.
 *
 * @throws AscribeError `OPTION_TYPE` for what JSON cannot hold (functions, BigInt, NaN, infinities, deep nesting).
 */
export function toPlainJson(value: unknown, name: string, depth = 0): Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isFinite(value)) return Object.is(value, -0) ? 0 : value
  if (depth >= greatestDepth)
    throw new AscribeError('OPTION_TYPE', `${name} is nested more than ${greatestDepth} deep`)
  if (ArrayBuffer.isView(value)) return describeArray(value, name, depth)
  if (Array.isArray(value))
    return value.map((item, index) => toPlainJson(item, `${name}[${index}]`, depth + 1))
  if (typeof value === 'object') {
    const prototype = Object.getPrototypeOf(value)
    if (prototype === Object.prototype || prototype === null) {
      const entries = Object.entries(value).filter(([, item]) => item !== undefined)
      // fromEntries defines properties, so a key named __proto__ stays a key.
      return Object.fromEntries(
        entries.map(([key, item]) => [key, toPlainJson(item, `${name}.${key}`, depth + 1)]),
      )
    }
  }
  throw new AscribeError('OPTION_TYPE', `${name} is ${describeValue(value)}, which JSON cannot hold`)
}

function describeArray(value: ArrayBufferView, name: string, depth: number): Json {
  const elements = value as unknown as ArrayLike<number | bigint>
  if (value instanceof DataView)
    throw new AscribeError('OPTION_TYPE', `${name} is a DataView, which JSON cannot hold`)
  if (elements.length <= 16) {
    const numbers = Array.from(elements, item => (typeof item === 'bigint' ? String(item) : item))
    if (numbers.every(item => typeof item === 'string' || Number.isFinite(item)))
      return toPlainJson(numbers, name, depth)
  }
  const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  return {
    array: value.constructor.name,
    length: elements.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  }
}
