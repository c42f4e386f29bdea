import { expectIterable, rangeError } from '../validate.js'

/** A set of players, one bit each: player p is bit p % 32 of word p / 32. Bits beyond the players are 0. */
export type Coalition = Uint32Array

const wordsFor = (players: number): number => Math.ceil(players / 32)

/** The set of nobody. */
export const emptyCoalition = (players: number): Coalition => new Uint32Array(wordsFor(players))

/** The set of all players. */
export const fullCoalition = (players: number): Coalition => complementOf(emptyCoalition(players), players)

/** The set of these players. @throws AscribeError `OPTION_RANGE` where one is not among 0 … players - 1. */
export function coalitionOf(players: number, members: Iterable<number>): Coalition {
  const coalition = emptyCoalition(players)
  for (const player of expectIterable('players', members)) {
    if (!Number.isInteger(player) || player < 0 || player >= players)
      throw rangeError('player', `an integer from 0 to ${players - 1}`, player)
    coalition[player >>> 5]! |= 1 << (player & 31)
  }
  return coalition
}

/** Whether a player is in the set. */
export const isMember = (coalition: Coalition, player: number): boolean =>
  ((coalition[player >>> 5]! >>> (player & 31)) & 1) === 1

/** The set with one player more. */
export function withMember(coalition: Coalition, player: number): Coalition {
  const result = coalition.slice()
  result[player >>> 5]! |= 1 << (player & 31)
  return result
}

/** The set with one player less. */
export function withoutMember(coalition: Coalition, player: number): Coalition {
  const result = coalition.slice()
  result[player >>> 5]! &= ~(1 << (player & 31))
  return result
}

/** Everybody who is not in the set. */
export function complementOf(coalition: Coalition, players: number): Coalition {
  const result = coalition.map(word => ~word)
  const rest = players & 31
  if (rest !== 0) result[result.length - 1]! &= (1 << rest) - 1
  return result
}

/** The members in ascending order. */
export function membersOf(coalition: Coalition): number[] {
  const members: number[] = []
  for (const [at, word] of coalition.entries())
    for (let bits = word; bits !== 0; bits &= bits - 1)
      members.push(32 * at + (31 - Math.clz32(bits & -bits)))
  return members
}

/** Equal for equal sets of one game, different for different ones: what the memo looks values up by. */
export function coalitionKey(coalition: Coalition): string {
  let key = ''
  for (const word of coalition) key += String.fromCharCode(word & 0xffff, word >>> 16)
  return key
}
