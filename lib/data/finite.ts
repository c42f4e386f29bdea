import { AscribeError } from '../errors.js'
import type { Tensor } from './tensor.js'

/** @throws AscribeError INPUT_VALUE where a tensor holds NaN or infinity, which names the first place. */
export function expectFinite({ data }: Tensor, name: string): void {
  if (data instanceof BigInt64Array) return
  // Nothing less itself is 0, of NaN and infinity NaN, which a sum keeps: no branch for each element.
  let [even, odd] = [0, 0]
  for (let at = 0; at + 1 < data.length; at += 2) {
    even += data[at]! - data[at]!
    odd += data[at + 1]! - data[at + 1]!
  }
  const last = data.at(-1) ?? 0
  if (even + odd + (last - last) === 0) return
  const at = data.findIndex(value => !Number.isFinite(value))
  throw new AscribeError('INPUT_VALUE', `"${name}" holds ${data[at]} at element ${at}`)
}
