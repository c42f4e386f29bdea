import { type Coalition, coalitionOf, membersOf } from '../coalition.js'
import type { CoalitionPlayer } from '../play.js'
import type { SamplerResult } from './samplerResult.js'

/** Makes what scores the nodes of a level: a player of a game whose players are the nodes. */
export type ScoreNodes = (nodes: number, level: number) => CoalitionPlayer<SamplerResult>

/** What is left of a search in a tree. */
export interface TreeSearchResult extends SamplerResult {
  /** The players that were kept to the end, in ascending order; only their scores mean anything. */
  readonly kept: readonly number[]
  /** Levels on which nodes were scored. */
  readonly levels: number
}

/**
 * Search for the few players that matter: all in one node, nodes are halved (the left half is the smaller one), and on
 * each level the `keep` nodes with the greatest scores stay; the players of the others leave the game for good. Nodes
 * are scored once there are more of them than are kept; where there never are, the single players are scored at the end
 * (the reference scores nothing then, and fails). Of equal scores the earlier node stays.
 *
 * Source: Wang et al., "TracLLM" (2025).
 */
export class TreeSearchPlayer implements CoalitionPlayer<TreeSearchResult> {
  readonly #players: number
  readonly #keep: number
  readonly #scoreNodes: ScoreNodes
  readonly #scores: Float64Array
  #nodes: readonly (readonly number[])[]
  #level = 0
  #inner: CoalitionPlayer<SamplerResult> | undefined
  #samples = 0
  #areScored = false
  #warnings: SamplerResult['warnings'] = []
  #share = 0

  constructor(players: number, keep: number, scoreNodes: ScoreNodes) {
    this.#players = players
    this.#keep = keep
    this.#scoreNodes = scoreNodes
    this.#scores = new Float64Array(players)
    this.#nodes = [Array.from({ length: players }, (_, player) => player)]
  }

  next(room: number): readonly Coalition[] {
    for (;;) {
      if (this.#inner === undefined && !this.#open()) return []
      const asked = this.#inner!.next(room)
      if (asked.length > 0)
        return asked.map(coalition =>
          coalitionOf(
            this.#players,
            membersOf(coalition).flatMap(node => this.#nodes[node]!),
          ),
        )
      // Out of room in the middle of a level: what came before it counts.
      if (this.#inner!.progress() < 1) return []
      this.#close()
    }
  }
  report(values: readonly Float64Array[]): void {
    this.#inner!.report(values)
  }
  result(): TreeSearchResult {
    return {
      scores: this.#scores.slice(),
      kept: this.#nodes.flat(),
      levels: this.#level,
      samples: this.#samples,
      warnings: this.#warnings,
    }
  }
  progress(): number {
    if (this.#areScored && this.#isSingle()) return 1
    const levels = Math.max(1, Math.ceil(Math.log2(this.#players)))
    return Math.min(0.99, this.#share + (this.#inner?.progress() ?? 0) / levels)
  }

  /** Halves nodes until there is something to score. */
  #open(): boolean {
    for (;;) {
      if (this.#isSingle()) {
        if (this.#areScored) return false
        break
      }
      this.#nodes = this.#nodes.flatMap(node => {
        const middle = node.length >> 1
        return node.length > 1 ? [node.slice(0, middle), node.slice(middle)] : [node]
      })
      this.#areScored = false
      if (this.#nodes.length > this.#keep) break
    }
    this.#inner = this.#scoreNodes(this.#nodes.length, this.#level++)
    return true
  }
  #close(): void {
    const { scores, samples, warnings } = this.#inner!.result()
    this.#inner = undefined
    this.#areScored = true
    this.#samples += samples
    if (this.#isSingle()) this.#warnings = warnings
    const best = Array.from(scores.keys()).toSorted((a, b) => scores[b]! - scores[a]! || a - b)
    const kept = best.slice(0, this.#keep).toSorted((a, b) => a - b)
    this.#scores.fill(0)
    for (const node of kept) for (const player of this.#nodes[node]!) this.#scores[player] = scores[node]!
    this.#nodes = kept.map(node => this.#nodes[node]!)
    this.#share = this.#level / Math.max(this.#level + 1, Math.ceil(Math.log2(this.#players)))
  }
  #isSingle(): boolean {
    return this.#nodes.every(node => node.length === 1)
  }
}
