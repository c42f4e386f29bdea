import test from 'ava'
import { LeastSquares } from '#lib/games/leastSquares.js'

/** y = 1 + 2 a - 3 b and some noise that is the same everywhere. */
const rows = Array.from({ length: 40 }, (_, at) => [Math.sin(at), Math.cos(2.3 * at), 1])
const values = rows.map(([a, b], at) => 1 + 2 * a! - 3 * b! + 0.1 * Math.sin(17.3 * at * at))
const weights = rows.map((_, at) => 1 + (at % 3))

test('weighted least squares: the solution and its errors as numpy 2.4.6 has them from the normal equations', t => {
  const equations = new LeastSquares(3)
  for (const [at, row] of rows.entries()) equations.add(row, values[at]!, weights[at]!)
  const { solution, errors, rank, sumVariance } = equations.solve()
  t.is(rank, 3)
  for (const [at, value] of [2.014983134638793, -3.0152111525939214, 0.9934071436419737].entries())
    t.true(Math.abs(solution[at]! - value) < 1e-12)
  for (const [at, value] of [0.015468522884135541, 0.015736218258468878, 0.011099621908201173].entries())
    t.true(Math.abs(errors[at]! - value) < 1e-12)
  t.true(Math.abs(sumVariance - 0.000595652101695123) < 1e-12)
})

test('weights as far apart as 1 and a million lose nothing; dependent columns are found', t => {
  const equations = new LeastSquares(2)
  equations.add([1, 1], 1, 1e12)
  equations.add([1, 0], 0.25, 1)
  equations.add([0, 1], 0.75, 1)
  t.deepEqual(
    [...equations.solve().solution].map(value => Math.round(value * 1e12) / 1e12),
    [0.25, 0.75],
  )
  const dependent = new LeastSquares(3)
  for (const [at, row] of rows.entries()) dependent.add([row[0]!, 2 * row[0]!, 1], values[at]!)
  const { rank, solution } = dependent.solve()
  t.is(rank, 2)
  t.true(solution[0] === 0 || solution[1] === 0)
})
