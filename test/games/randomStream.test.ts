import test from 'ava'
import { philox, RandomStream } from '#lib/games/randomStream.js'
import { sobolPoint } from '#lib/games/sobolSequence.js'

test("Philox4x32-10: the published test vectors, which the native engine's generator has too", t => {
  const hex = (words: Uint32Array) => Array.from(words, word => word.toString(16).padStart(8, '0')).join(' ')
  const ones = 0xffffffff
  t.is(hex(philox([0, 0, 0, 0], [0, 0])), '6627e8d5 e169c58d bc57ac4c 9b00dbd8')
  t.is(hex(philox([ones, ones, ones, ones], [ones, ones])), '408f276d 41c83b0e a20bc7c6 6d5451fd')
  t.is(
    hex(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0])),
    'd16cfe09 94fdcceb 5001e420 24126ea1',
  )
})

test('streams: equal names equal numbers; permutations hold every number; integers are even', t => {
  const draw = (sample: number) => {
    const stream = new RandomStream(2 ** 40 + 3, 1, sample)
    return [stream.uniform(), stream.below(10), ...stream.permutation(20)]
  }
  t.deepEqual(draw(4), draw(4))
  t.notDeepEqual(draw(4), draw(5))
  t.deepEqual(
    [...new RandomStream(1, 0, 0).permutation(50)].sort((a, b) => a - b),
    Array.from({ length: 50 }, (_, at) => at),
  )
  const counts = new Array<number>(5).fill(0)
  const stream = new RandomStream(9, 0, 0)
  for (let at = 0; at < 5000; at++) counts[stream.below(5)]!++
  t.true(
    counts.every(count => Math.abs(count - 1000) < 150),
    counts.join(),
  )
})

test('Sobol sequence: first points as scipy 1.17 has them; every prefix of 2^k balances every dimension', t => {
  t.deepEqual(
    [0, 1, 2, 3, 4, 5].map(index => [...sobolPoint(index, 3)]),
    [
      [0, 0, 0],
      [0.5, 0.5, 0.5],
      [0.75, 0.25, 0.25],
      [0.25, 0.75, 0.75],
      [0.375, 0.375, 0.625],
      [0.875, 0.875, 0.125],
    ],
  )
  // scipy.stats.qmc.Sobol(512, scramble=False).random_base2(7)[100], dimensions 1, 2, 100, 300, 511 and 512.
  const recorded = sobolPoint(100, 512)
  t.deepEqual(
    [0, 1, 99, 299, 510, 511].map(dimension => recorded[dimension]),
    [0.4140625, 0.2578125, 0.8828125, 0.5859375, 0.8203125, 0.5234375],
  )
  const halves = new Int32Array(512)
  for (let index = 0; index < 64; index++)
    for (const [dimension, value] of sobolPoint(index, 512).entries())
      halves[dimension]! += value < 0.5 ? 1 : -1
  t.true(halves.every(count => count === 0))
  t.throws(() => sobolPoint(1, 513), { code: 'OPTION_RANGE' })
})
