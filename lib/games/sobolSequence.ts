import { AscribeError } from '../errors.js'
import { sobolDimensions, sobolDirections } from './sobolDirections.js'

const bits = 32

let parsed: Uint32Array[] | undefined

/** Direction numbers of every dimension, left-aligned in 32 bits. */
function directions(): Uint32Array[] {
  parsed ??= [
    Uint32Array.from({ length: bits }, (_, bit) => 2 ** (bits - 1 - bit)),
    ...sobolDirections
      .trim()
      .split(/\s+/)
      .map(entry => extend(entry)),
  ]
  return parsed
}

function extend(entry: string): Uint32Array {
  const [polynomialText, starts] = entry.split(':') as [string, string]
  const polynomial = Number(polynomialText)
  const degree = 31 - Math.clz32(polynomial)
  const numbers = new Uint32Array(bits)
  for (const [bit, start] of starts.split(',').entries())
    numbers[bit] = (Number(start) << (bits - 1 - bit)) >>> 0
  for (let bit = degree; bit < bits; bit++) {
    const earlier = numbers[bit - degree]!
    let value = (earlier ^ (earlier >>> degree)) >>> 0
    for (let term = 1; term < degree; term++)
      if ((polynomial >>> (degree - term)) & 1) value = (value ^ numbers[bit - term]!) >>> 0
    numbers[bit] = value
  }
  return numbers
}

/**
 * Point `index` of the Sobol sequence, in [0, 1): point 0 is all zeros. Any point costs the same, in Gray code order.
 *
 * Source: Antonov and Saleev (1979); direction numbers of Joe and Kuo (2008).
 *
 * @throws AscribeError `OPTION_RANGE` for more dimensions than the table has.
 */
export function sobolPoint(index: number, dimensions: number): Float64Array {
  if (dimensions > sobolDimensions)
    throw new AscribeError(
      'OPTION_RANGE',
      `${dimensions} dimensions of a Sobol sequence are more than the ${sobolDimensions} that are known`,
    )
  const table = directions()
  const code = (index ^ (index >>> 1)) >>> 0
  return Float64Array.from({ length: dimensions }, (_, dimension) => {
    let value = 0
    for (let rest = code; rest !== 0; rest = (rest & (rest - 1)) >>> 0)
      value ^= table[dimension]![31 - Math.clz32(rest & -rest)]!
    return (value >>> 0) / 2 ** bits
  })
}
