import type { GraphBuilder, Value } from '../../graph/builder.js'
import type { RuleSet } from '../../graph/ruleSet.js'
import type { AttentionLayer } from './attentionPlan.js'

/** What a method on attention computes with, inside the plan. */
export interface AttentionParts {
  readonly builder: GraphBuilder
  /** The layers that are read. */
  readonly layers: readonly AttentionLayer[]
  /** Probabilities [N, heads, queries, keys] of each layer that is read. */
  readonly attention: readonly Value[]
  /** The target's gradients in them, where the method asked; else empty. */
  readonly gradients: readonly Value[]
  /** Gradients by the method's own rules, where it has some; else empty. */
  readonly ruledGradients: readonly Value[]
  /** How much each row of the last of these layers is read: [N, 1, queries], adding up to 1. */
  readonly rows: Value
}

/** A method on attention, as its plan is built. */
export interface AttentionReading {
  /** Of the method. */
  readonly name: string
  /** Tells plans apart. */
  readonly key: string
  readonly needsGradients: boolean
  /** The gradient in a layer is of a score of the layer's own. */
  readonly hasOwnScores?: boolean
  /** Another backward pass whose gradients are wanted too. */
  readonly rules?: RuleSet
  /** Whose attention is read. */
  readonly row: 'auto' | 'first' | 'last' | 'mean'
  readonly position: number | undefined
  /** Which of the model's attention is read. @throws AscribeError */
  select(layers: readonly AttentionLayer[]): readonly AttentionLayer[]
  /** Scores [N, keys]; of a model that reads one text and writes another those of both, [N, read + written]. */
  combine(parts: AttentionParts): Value
}

export type Heads = 'mean' | 'max' | 'min'

const reductions = { mean: 'mean', max: 'reduceMax', min: 'reduceMin' } as const

/** One matrix [N, queries, keys] of a layer's heads. */
export const fuseHeads = (builder: GraphBuilder, attention: Value, heads: Heads): Value =>
  builder.apply(reductions[heads], [attention], { axes: [1], keepDims: 0 })

/** [N, 1, keys] as [N, keys]. */
export const asScores = (builder: GraphBuilder, row: Value): Value =>
  builder.apply('squeeze', [row], { axes: [1] })
