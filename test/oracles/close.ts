import type { ExecutionContext } from 'ava'

/** As many numbers as expected, each within an absolute tolerance. */
export function close(
  t: ExecutionContext,
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): void {
  t.is(found.length, expected.length)
  for (let at = 0; at < expected.length; at++)
    t.true(
      Math.abs(found[at]! - expected[at]!) <= tolerance,
      `number ${at} is ${found[at]}, expected ${expected[at]}`,
    )
}
