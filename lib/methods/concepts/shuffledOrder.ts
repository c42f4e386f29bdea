import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

/** The numbers below `count` in an order that the seed alone decides. */
export function shuffledOrder(count: number, seed: number): number[] {
  const random = xoroshiro128plus(seed)
  const order = Array.from({ length: count }, (_, at) => at)
  for (let last = count - 1; last > 0; last--) {
    const at = uniformInt(random, 0, last)
    const held = order[at]!
    order[at] = order[last]!
    order[last] = held
  }
  return order
}
