import test from 'ava'
import fc from 'fast-check'
import {
  coalitionKey,
  coalitionOf,
  complementOf,
  emptyCoalition,
  fullCoalition,
  isMember,
  membersOf,
  withMember,
  withoutMember,
} from '#lib/games/coalition.js'

test('members come back in ascending order, beyond 32 players and at the edges of words', t => {
  t.deepEqual(membersOf(coalitionOf(70, [69, 0, 31, 32, 63, 64])), [0, 31, 32, 63, 64, 69])
  t.deepEqual(membersOf(emptyCoalition(49)), [])
  t.is(membersOf(fullCoalition(49)).length, 49)
  t.throws(() => coalitionOf(4, [4]), { code: 'OPTION_RANGE' })
})

test('sets obey the laws of sets', t => {
  const players = fc.integer({ min: 1, max: 130 })
  fc.assert(
    fc.property(players, fc.array(fc.nat(129)), fc.nat(129), (n, raw, rawPlayer) => {
      const members = new Set(raw.map(each => each % n))
      const player = rawPlayer % n
      const set = coalitionOf(n, members)
      t.deepEqual(
        membersOf(set),
        [...members].sort((a, b) => a - b),
      )
      t.deepEqual(complementOf(complementOf(set, n), n), set)
      t.is(membersOf(complementOf(set, n)).length, n - members.size)
      t.true(isMember(withMember(set, player), player))
      t.false(isMember(withoutMember(set, player), player))
      t.is(coalitionKey(set), coalitionKey(coalitionOf(n, [...members].reverse())))
      if (!members.has(player)) t.not(coalitionKey(withMember(set, player)), coalitionKey(set))
    }),
    { seed: 7 },
  )
})
