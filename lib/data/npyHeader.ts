import { AscribeError } from '../errors.js'

/** What the header of an .npy file says. */
export interface NpyHeader {
  /** The element type as NumPy writes it, for example `<f4`. */
  descr: string
  fortranOrder: boolean
  shape: number[]
}

/**
 * Parses the header of an .npy file: the text of a Python dictionary with exactly the keys `descr`,
 * `fortran_order` and `shape`. Only that is understood; nothing is evaluated.
 *
 * @throws AscribeError `FILE_CORRUPT` with the position of the first character that does not fit.
 */
export function parseNpyHeader(text: string, name: string): NpyHeader {
  let position = 0
  const fail = (expected: string): never => {
    const found = position < text.length ? JSON.stringify(text[position]) : 'the end'
    throw new AscribeError(
      'FILE_CORRUPT',
      `${name}: npy header: expected ${expected} at character ${position}, found ${found}`,
    )
  }
  const match = (pattern: RegExp, expected: string): string => {
    pattern.lastIndex = position
    const found = pattern.exec(text)
    if (found === null) return fail(expected)
    position = pattern.lastIndex
    return found[1] ?? found[0]
  }
  const skip = (): void => void match(/[ \n\t]*/y, 'space')
  const accept = (character: string): boolean => {
    skip()
    if (text[position] !== character) return false
    position++
    return true
  }
  const expect = (character: string): void => {
    if (!accept(character)) fail(`"${character}"`)
  }

  const readShape = (): number[] => {
    const shape: number[] = []
    expect('(')
    while (!accept(')')) {
      shape.push(Number(match(/(\d{1,16})L?/y, 'a dimension')))
      if (accept(',')) continue
      // "(3)" is a number in Python, not a tuple; NumPy never writes it.
      if (shape.length === 1) fail('","')
      expect(')')
      break
    }
    return shape
  }

  const header: Partial<NpyHeader> = {}
  const seen = new Set<string>()
  expect('{')
  while (!accept('}')) {
    skip()
    const key = match(/['"]([a-z_]{1,20})['"]/y, 'a quoted key')
    if (seen.has(key)) throw new AscribeError('FILE_CORRUPT', `${name}: npy header names '${key}' twice`)
    seen.add(key)
    expect(':')
    skip()
    if (key === 'descr') {
      if (text[position] === '[') {
        throw new AscribeError('INPUT_DTYPE', `${name}: structured npy arrays are not supported`)
      }
      header.descr = match(/['"]([^'"]{1,20})['"]/y, 'a quoted element type')
    } else if (key === 'fortran_order') header.fortranOrder = match(/True|False/y, 'True or False') === 'True'
    else if (key === 'shape') header.shape = readShape()
    else throw new AscribeError('FILE_CORRUPT', `${name}: npy header has the unknown key '${key}'`)
    if (!accept(',')) {
      expect('}')
      break
    }
  }
  skip()
  if (position !== text.length) fail('the end')
  const { descr, fortranOrder, shape } = header
  if (descr === undefined || fortranOrder === undefined || shape === undefined) {
    throw new AscribeError('FILE_CORRUPT', `${name}: npy header lacks descr, fortran_order or shape`)
  }
  return { descr, fortranOrder, shape }
}
