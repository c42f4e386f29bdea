/** A number for people: four significant digits, exponents only where it is very large or very small. */
export function formatNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return String(value).replace('-', '\u2212')
  const size = Math.abs(value)
  const text = size >= 1e-3 && size < 1e7 ? String(Number(value.toPrecision(4))) : value.toExponential(2)
  return text.replaceAll('-', '\u2212')
}

/** A share as a percentage with a sensible number of digits. */
export function formatPercent(share: number): string {
  const percent = share * 100
  return `${Number(percent.toPrecision(percent >= 99.5 ? 4 : 3))} %`.replace('-', '\u2212')
}

/** The difference of two shares: percentage points, which are not a percentage of either. */
export function formatPoints(difference: number): string {
  const points = Number((difference * 100).toPrecision(3))
  return `${points} percentage point${points === 1 ? '' : 's'}`.replace('-', '\u2212')
}

/** A duration for people. */
export function formatMilliseconds(milliseconds: number): string {
  if (milliseconds < 1000) return `${Number(milliseconds.toPrecision(3))} ms`
  if (milliseconds < 60_000) return `${Number((milliseconds / 1000).toPrecision(3))} s`
  return `${Math.floor(milliseconds / 60_000)} min ${Math.round((milliseconds % 60_000) / 1000)} s`
}

/** A number of bytes for people, in binary units. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  let amount = bytes
  for (; amount >= 1024 && unit < units.length - 1; unit++) amount /= 1024
  return `${Number(amount.toPrecision(3))} ${units[unit]}`
}
