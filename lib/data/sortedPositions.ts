type Numbers = ArrayLike<number>

/** Fewer numbers than this are sorted by comparing them: counting digits would take longer. */
const fewest = 2048

/** Digits of a word, least first: from which bit on, and which bits are kept. */
const digits = [
  [0, 0x7ff],
  [11, 0x7ff],
  [22, 0x3ff],
] as const

/**
 * Positions of some numbers from the least to the greatest, or the other way; among equal numbers the earlier position comes
 * first. NaN has no place: what holds one comes in no particular order.
 *
 * Maps have tens of thousands of scores, and a sort by a comparison in JavaScript takes longer than the passes that are
 * made of its result. So many numbers are sorted by the digits of their bit patterns, half of them where all numbers are
 * of single precision; a digit in which all agree costs next to nothing.
 */
export function sortedPositions(
  values: Numbers,
  order: 'rising' | 'falling' = 'rising',
): Uint32Array<ArrayBuffer> {
  const isFalling = order === 'falling'
  const count = values.length
  let positions = new Uint32Array(count)
  for (let at = 0; at < count; at++) positions[at] = at
  if (count < fewest)
    return positions.sort((a, b) => (isFalling ? values[b]! - values[a]! : values[a]! - values[b]!) || a - b)
  let spare = new Uint32Array(count)
  // What turns the order of bit patterns.
  const turn = isFalling ? -1 : 0
  for (const word of areSingle(values) ? [singlePatterns(values, turn)] : doublePatterns(values, turn))
    for (const [shift, mask] of digits)
      if (sortByDigit(word, shift, mask, positions, spare)) [positions, spare] = [spare, positions]
  return positions
}

function areSingle(values: Numbers): boolean {
  for (let at = 0; at < values.length; at++) if (Math.fround(values[at]!) !== values[at]) return false
  return true
}

/** Bit patterns that are in the order of their numbers when read as whole numbers. Adding zero makes -0 and 0 one. */
function singlePatterns(values: Numbers, turn: number): Uint32Array {
  const patterns = new Uint32Array(values.length)
  const numbers = new Float32Array(patterns.buffer)
  for (let at = 0; at < values.length; at++) {
    numbers[at] = values[at]! + 0
    const pattern = patterns[at]! | 0
    // Negative numbers grow downwards.
    patterns[at] = pattern ^ ((pattern >> 31) | 0x80000000) ^ turn
  }
  return patterns
}

/** The low and the high words of the same for double precision. */
function doublePatterns(values: Numbers, turn: number): [low: Uint32Array, high: Uint32Array] {
  const low = new Uint32Array(values.length)
  const high = new Uint32Array(values.length)
  const number = new Float64Array(1)
  const words = new Uint32Array(number.buffer)
  for (let at = 0; at < values.length; at++) {
    number[0] = values[at]! + 0
    const pattern = words[1]! | 0
    low[at] = words[0]! ^ (pattern >> 31) ^ turn
    high[at] = pattern ^ ((pattern >> 31) | 0x80000000) ^ turn
  }
  return [low, high]
}

/** Puts positions in the order of one digit, equal ones as they came. False, and nothing done, where all are equal. */
function sortByDigit(
  words: Uint32Array,
  shift: number,
  mask: number,
  from: Uint32Array,
  to: Uint32Array,
): boolean {
  const starts = new Uint32Array(mask + 2)
  for (let at = 0; at < words.length; at++) {
    const after = ((words[at]! >>> shift) & mask) + 1
    starts[after] = starts[after]! + 1
  }
  if (starts.includes(from.length)) return false
  for (let value = 0; value <= mask; value++) starts[value + 1] = starts[value + 1]! + starts[value]!
  for (let place = 0; place < from.length; place++) {
    const at = from[place]!
    const digit = (words[at]! >>> shift) & mask
    const start = starts[digit]!
    to[start] = at
    starts[digit] = start + 1
  }
  return true
}
