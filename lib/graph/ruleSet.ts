/** Another backward pass than the derivative; see native/autodiff/rule_sets. */
export interface RuleSet {
  readonly name: 'guided' | 'deconvolution' | 'deepLift' | 'lrp' | 'attnLrp'
  /** Numbers and choices of the rules, as the operation `vjp` has them. */
  readonly options?: Readonly<Record<string, number | string | readonly number[]>>
  /** It compares every value with what it is for a baseline. */
  readonly compares?: boolean
  /** What goes back is relevance, which begins as the target's own value. */
  readonly startsFromValue?: boolean
}
