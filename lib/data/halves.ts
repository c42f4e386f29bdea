/** An IEEE half, from its bits, as a number. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  if (exponent === 0) return sign * fraction * 2 ** -24
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

const view = new DataView(new ArrayBuffer(4))

/** A bfloat16, from its bits, as a number: the upper half of a float. */
export function bfloatToNumber(bits: number): number {
  view.setUint32(0, bits * 65536)
  return view.getFloat32(0)
}
