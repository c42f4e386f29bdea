import type { OnnxNode, OperatorImport, OperatorTable } from '../node.js'
import { flag } from './parts.js'

const reductions = ['none', 'add', 'mul', 'max', 'min'] as const

function axisOf(node: OnnxNode): { axis: number } {
  return { axis: node.attributes.integer('axis', 0) }
}

const running =
  (op: 'cumSum' | 'cumProd'): OperatorImport =>
  node =>
    node.apply(op, [node.input(0), node.cast(node.host(1), 'i64')], {
      exclusive: flag(node, 'exclusive'),
      reverse: flag(node, 'reverse'),
    })

export const gather: OperatorTable = {
  Gather: node => node.apply('gather', [node.input(0), node.input(1)], axisOf(node)),
  GatherElements: node => node.apply('gatherElements', [node.input(0), node.input(1)], axisOf(node)),
  GatherND: node =>
    node.apply('gatherNd', [node.input(0), node.input(1)], {
      batchDims: node.attributes.integer('batch_dims', 0),
    }),
  ScatterElements: node =>
    node.apply('scatterElements', [node.input(0), node.input(1), node.input(2)], {
      ...axisOf(node),
      reduction: node.attributes.text('reduction', 'none', reductions),
    }),
  // The name that ScatterElements had in operator sets 9 and 10.
  Scatter: node => node.apply('scatterElements', [node.input(0), node.input(1), node.input(2)], axisOf(node)),
  ScatterND: node =>
    node.apply('scatterNd', [node.input(0), node.input(1), node.input(2)], {
      reduction: node.attributes.text('reduction', 'none', reductions),
    }),
  OneHot: node =>
    node.apply('oneHot', [node.cast(node.input(0), 'i64'), node.host(1), node.host(2)], {
      axis: node.attributes.integer('axis', -1),
    }),
  CumSum: running('cumSum'),
  CumProd: running('cumProd'),
  Trilu: node =>
    node.apply('trilu', node.has(1) ? [node.input(0), node.cast(node.host(1), 'i64')] : [node.input(0)], {
      upper: flag(node, 'upper', 1),
    }),
}
