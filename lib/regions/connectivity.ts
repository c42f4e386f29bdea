/**
 * Makes every label one connected piece (4 neighbours): pieces are numbered as they are met row by row, and one with
 * fewer than `minimumArea` pixels joins the piece that was met before it beside it.
 *
 * Source: Achanta et al. 2012, section "post-processing".
 */
export function enforceConnectivity(
  labels: Int32Array,
  width: number,
  height: number,
  minimumArea: number,
): Int32Array {
  const result = new Int32Array(labels.length).fill(-1)
  const queue = new Int32Array(labels.length)
  let next = 0
  for (let start = 0; start < labels.length; start++) {
    if (result[start]! >= 0) continue
    let beside = -1
    let size = 1
    queue[0] = start
    result[start] = next
    for (let head = 0; head < size; head++) {
      const pixel = queue[head]!
      const x = pixel % width
      const y = (pixel - x) / width
      for (let side = 0; side < 4; side++) {
        if (side === 0 ? x === 0 : side === 1 ? y === 0 : side === 2 ? x === width - 1 : y === height - 1)
          continue
        const other = pixel + (side === 0 ? -1 : side === 1 ? -width : side === 2 ? 1 : width)
        if (result[other]! >= 0) {
          if (result[other] !== next && beside < 0) beside = result[other]!
        } else if (labels[other] === labels[start]) {
          result[other] = next
          queue[size++] = other
        }
      }
    }
    if (size < minimumArea && beside >= 0) for (let at = 0; at < size; at++) result[queue[at]!] = beside
    else next++
  }
  return result
}
