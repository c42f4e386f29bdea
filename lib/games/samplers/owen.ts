import { AscribeError } from '../../errors.js'
import { type Coalition, coalitionOf, emptyCoalition, fullCoalition } from '../coalition.js'
import type { CoalitionPlayer } from '../play.js'
import { constantWarning, type SamplerResult } from './samplerResult.js'

/** Players in nested groups: a number is a player, a list a group of players and groups. */
export type Hierarchy = number | readonly Hierarchy[]

interface Node {
  readonly members: readonly number[]
  readonly coalition: Coalition
  readonly children: readonly Node[]
}

/** A group whose value, before and after it joins, is known, and which waits to be taken apart. */
interface Open {
  readonly node: Node
  /** Who is there already. */
  readonly context: Coalition
  readonly before: number
  readonly after: number
  readonly weight: number
}

/** Each group has 2^children contexts. */
const greatestChildren = 10

/** Groups taken apart in one round. */
const groupsPerRound = 16

/**
 * Owen values: Shapley values in which the members of a group only come together. Groups are taken apart from the
 * outside in, those that change the value most first, so that a budget goes where something happens: what is not taken
 * apart has its value shared out evenly. The scores always add up.
 *
 * Source: Owen, "Values of games with a priori unions" (1977); the order of taking apart is that of the partition
 * explainer of shap.
 */
export class OwenPlayer implements CoalitionPlayer<SamplerResult> {
  readonly #players: number
  readonly #root: Node
  readonly #scores: Float64Array
  readonly #open: Open[] = []
  readonly #values = new Map<Coalition, number>()
  #ends: { empty: number; full: number } | undefined
  #split: { open: Open; sets: Coalition[] }[] = []
  #asked: Coalition[] = []
  #samples = 0
  #leaves = 0
  #isConstant = true

  /** @throws AscribeError `OPTION_RANGE`, `INPUT_VALUE` where a player is missing or named twice. */
  constructor(players: number, hierarchy: Hierarchy) {
    this.#players = players
    this.#scores = new Float64Array(players)
    const seen = new Uint8Array(players)
    const build = (part: Hierarchy): Node => {
      if (typeof part === 'number') {
        const coalition = coalitionOf(players, [part])
        if (seen[part]) throw new AscribeError('INPUT_VALUE', `Region ${part} is in the hierarchy twice`)
        seen[part] = 1
        return { members: [part], coalition, children: [] }
      }
      if (part.length === 0) throw new AscribeError('INPUT_VALUE', 'A group of the hierarchy is empty')
      if (part.length === 1) return build(part[0]!)
      if (part.length > greatestChildren)
        throw new AscribeError(
          'OPTION_RANGE',
          `A group of the hierarchy has ${part.length} parts, more than ${greatestChildren}`,
          { hint: 'Nest it further: every group costs 2^parts passes.' },
        )
      const children = part.map(build)
      const members = children.flatMap(child => child.members)
      return { members, coalition: coalitionOf(players, members), children }
    }
    this.#root = build(hierarchy)
    const missing = seen.indexOf(0)
    if (missing >= 0) throw new AscribeError('INPUT_VALUE', `Region ${missing} is not in the hierarchy`)
  }

  next(room: number): readonly Coalition[] {
    if (this.#ends === undefined) return [emptyCoalition(this.#players), fullCoalition(this.#players)]
    this.#split = []
    this.#asked = []
    this.#open.sort((a, b) => importance(b) - importance(a))
    while (this.#open.length > 0 && this.#split.length < groupsPerRound) {
      const open = this.#open[0]!
      const sets = contexts(open)
      // The two ends are known.
      const wanted = sets.slice(1, -1)
      if (this.#asked.length + wanted.length > room) break
      this.#open.shift()
      this.#split.push({ open, sets })
      this.#asked.push(...wanted)
    }
    return this.#asked
  }

  report(values: readonly Float64Array[]): void {
    if (this.#ends === undefined) {
      this.#ends = { empty: values[0]![0]!, full: values[1]![0]! }
      this.#isConstant = this.#ends.empty === this.#ends.full
      this.#push(this.#root, emptyCoalition(this.#players), this.#ends.empty, this.#ends.full, 1)
      return
    }
    this.#values.clear()
    for (const [at, coalition] of this.#asked.entries()) {
      this.#values.set(coalition, values[at]![0]!)
      this.#isConstant &&= values[at]![0] === this.#ends.empty
    }
    for (const { open, sets } of this.#split) {
      this.#samples++
      const { children } = open.node
      const worthOf = (set: number): number =>
        set === 0 ? open.before : set === sets.length - 1 ? open.after : this.#values.get(sets[set]!)!
      for (const [index, child] of children.entries())
        for (let set = 0; set < sets.length; set++) {
          if (set & (1 << index)) continue
          const weight = open.weight * shapleyWeight(set, children.length)
          this.#push(child, sets[set]!, worthOf(set), worthOf(set | (1 << index)), weight)
        }
    }
  }

  result(): SamplerResult {
    const scores = this.#scores.slice()
    for (const { node, before, after, weight } of this.#open)
      for (const player of node.members) scores[player]! += (weight * (after - before)) / node.members.length
    return {
      scores,
      ...this.#ends!,
      samples: this.#samples,
      warnings: this.#isConstant ? [constantWarning] : [],
    }
  }
  progress(): number {
    if (this.#ends === undefined) return 0
    if (this.#open.length === 0) return 1
    return Math.min(0.99, this.#leaves)
  }

  #push(node: Node, context: Coalition, before: number, after: number, weight: number): void {
    if (node.children.length > 0) {
      this.#open.push({ node, context, before, after, weight })
      return
    }
    const player = node.members[0]!
    this.#scores[player]! += weight * (after - before)
    this.#leaves += weight / this.#players
  }
}

const importance = ({ before, after, weight }: Open): number => Math.abs(after - before) * weight

/** Who is there, for every subset of a group's children, beside its context. */
function contexts({ node, context }: Open): Coalition[] {
  const { children } = node
  return Array.from({ length: 2 ** children.length }, (_, set) => {
    const coalition = context.slice()
    for (const [index, child] of children.entries())
      if (set & (1 << index))
        for (let word = 0; word < coalition.length; word++) coalition[word]! |= child.coalition[word]!
    return coalition
  })
}

/** |S|! (k - |S| - 1)! / k! */
function shapleyWeight(set: number, count: number): number {
  let size = 0
  for (let bits = set; bits !== 0; bits &= bits - 1) size++
  let weight = 1 / count
  for (let at = 1; at <= size; at++) weight *= at / (count - at)
  return weight
}
