/** Fewer numbers than this the engine's own sort has done before digits are counted. */
const fewest = 2048

/** Digits of a word, least first: from which bit on, and which bits are kept. The sign of a size is 0. */
const digits = [
  [0, 0x7ff],
  [11, 0x7ff],
  [22, 0x1ff],
] as const

/**
 * Numbers of which none is negative or NaN, from the least to the greatest. Those of single precision, as maps have, are
 * sorted by the digits of their bit patterns, which are in the order of the numbers: a sort that compares takes several
 * times as long.
 */
export function sortedSizes(sizes: Float64Array): Float64Array | Float32Array {
  const single = new Float32Array(sizes)
  if (sizes.length < fewest || !areEqual(sizes, single)) return sizes.slice().sort()
  let from = new Uint32Array(single.buffer)
  let to = new Uint32Array(from.length)
  for (const [shift, mask] of digits) {
    const starts = new Uint32Array(mask + 2)
    for (let at = 0; at < from.length; at++) {
      const after = ((from[at]! >>> shift) & mask) + 1
      starts[after] = starts[after]! + 1
    }
    if (starts.includes(from.length)) continue
    for (let value = 0; value < mask; value++) starts[value + 1] = starts[value + 1]! + starts[value]!
    for (let at = 0; at < from.length; at++) {
      const word = from[at]!
      const digit = (word >>> shift) & mask
      const start = starts[digit]!
      to[start] = word
      starts[digit] = start + 1
    }
    ;[from, to] = [to, from]
  }
  return new Float32Array(from.buffer)
}

function areEqual(first: Float64Array, second: Float32Array): boolean {
  for (let at = 0; at < first.length; at++) if (first[at] !== second[at]) return false
  return true
}
