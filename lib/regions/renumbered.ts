import { type Regions, regionsFromLabels } from './regions.js'

/** Regions from labels of any numbers, renumbered from 0 in the order in which they are met. */
export function renumbered(kind: string, shape: readonly number[], labels: ArrayLike<number>): Regions {
  const numbers = new Map<number, number>()
  const result = Int32Array.from(labels, label => {
    const known = numbers.get(label)
    if (known !== undefined) return known
    numbers.set(label, numbers.size)
    return numbers.size - 1
  })
  return regionsFromLabels(result, shape, kind)
}
