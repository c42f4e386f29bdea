import test from 'ava'
import { boundedPlan } from '#lib/language/textRows/runPacked.js'

const text = (length: number, last: number) => ({
  ids: Array.from({ length }, (_, at) => (at === length - 1 ? last : 3 + (at % 97))),
  firstRow: length - 1,
  endRow: length,
})

test('short texts go through the model 512 tokens at once; of long ones fewer, so that what says what they read is bounded', t => {
  const short = boundedPlan([text(3000, 1), text(3000, 2)])
  t.is(Math.max(...short.plan.runs.map(({ tokens }) => tokens)), 512)
  t.is(short.plan.tokens, 3001)
  for (const length of [40_000, 131_072]) {
    const { plan, slots } = boundedPlan([text(length, 1), text(length, 2)])
    const most = Math.max(...plan.runs.map(({ tokens }) => tokens))
    t.true(most * slots <= 1 << 24, `${most} x ${slots}`)
    t.true(most >= 64)
    t.is(plan.tokens, length + 1)
    t.true(slots >= length + 1)
    t.is(
      plan.runs.reduce((sum, { tokens }) => sum + tokens, 0),
      length + 1,
    )
  }
})
