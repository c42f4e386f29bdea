import type { OperatorImport, OperatorTable } from '../node.js'
import { pair } from './arithmetic.js'

type Comparison = 'equal' | 'less' | 'lessOrEqual' | 'greater' | 'greaterOrEqual' | 'and' | 'or' | 'xor'

const binary =
  (op: Comparison): OperatorImport =>
  node =>
    node.apply(op, pair(node))

/** Operator sets before 7 compared under `broadcast` and `axis` too, which `pair` reads. */
export const comparison: OperatorTable = {
  Equal: binary('equal'),
  Less: binary('less'),
  LessOrEqual: binary('lessOrEqual'),
  Greater: binary('greater'),
  GreaterOrEqual: binary('greaterOrEqual'),
  And: binary('and'),
  Or: binary('or'),
  Xor: binary('xor'),
  Not: node => node.apply('not', [node.input(0)]),
  Where: node => node.apply('where', [node.input(0), node.input(1), node.input(2)]),
  IsNaN: node => node.apply('isNan', [node.input(0)]),
  IsInf: node =>
    node.apply('isInf', [node.input(0)], {
      detectNegative: node.attributes.integer('detect_negative', 1) === 0 ? 0 : 1,
      detectPositive: node.attributes.integer('detect_positive', 1) === 0 ? 0 : 1,
    }),
}
