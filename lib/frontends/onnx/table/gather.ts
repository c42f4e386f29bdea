import type { OnnxNode, OperatorTable } from '../node.js'

const reductions = ['none', 'add', 'mul', 'max', 'min'] as const

function axisOf(node: OnnxNode): { axis: number } {
  return { axis: node.attributes.integer('axis', 0) }
}

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
  CumSum: node =>
    node.apply('cumSum', [node.input(0)], {
      axis: node.integer(1, 'axis') ?? node.invalid('axis is missing'),
      exclusive: node.attributes.integer('exclusive', 0) === 0 ? 0 : 1,
      reverse: node.attributes.integer('reverse', 0) === 0 ? 0 : 1,
    }),
  Trilu: node =>
    node.apply('trilu', [node.input(0)], {
      upper: node.attributes.integer('upper', 1) === 0 ? 0 : 1,
      diagonal: node.integer(1, 'k') ?? 0,
    }),
}
