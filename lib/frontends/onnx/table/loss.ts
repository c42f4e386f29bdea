import type { Value } from '../../../graph/builder.js'
import type { OnnxNode, OperatorTable } from '../node.js'

/** Minus the log-probability of each label, weighted and reduced. `scores` [N, C, …], labels [N, …]. */
function negativeLogLikelihood(
  node: OnnxNode,
  scores: Value,
  labels: Value,
  weights: Value | undefined,
): Value {
  const reduction = node.attributes.text('reduction', 'mean', ['none', 'mean', 'sum'])
  const ignored = node.attributes.has('ignore_index') ? node.attributes.integer('ignore_index', 0) : undefined
  const whole = node.cast(labels, 'i64')
  const constant = (value: number) => node.graph.constant('i64', [], BigInt64Array.of(BigInt(value)))
  const kept =
    ignored === undefined ? undefined : node.apply('not', [node.apply('equal', [whole, constant(ignored)])])
  // An ignored label may lie outside the classes.
  const safe = kept === undefined ? whole : node.apply('where', [kept, whole, constant(0)])
  const picked = node.apply(
    'squeeze',
    [node.apply('gatherElements', [scores, node.apply('unsqueeze', [safe], { axes: [1] })], { axis: 1 })],
    { axes: [1] },
  )
  const zero = node.scalar(0, scores)
  const own =
    weights === undefined
      ? kept === undefined
        ? undefined
        : node.cast(kept, node.dtype(scores) ?? 'f32')
      : kept === undefined
        ? node.apply('gather', [weights, safe], { axis: 0 })
        : node.apply('where', [kept, node.apply('gather', [weights, safe], { axis: 0 }), zero])
  const plain = node.apply('neg', [picked])
  const weighted = own === undefined ? plain : node.apply('mul', [plain, own])
  const loss = kept === undefined ? weighted : node.apply('where', [kept, weighted, zero])
  if (reduction === 'none') return loss
  if (reduction === 'sum') return node.apply('sum', [loss], { keepDims: 0 })
  if (own === undefined) return node.apply('mean', [loss], { keepDims: 0 })
  return node.apply('div', [
    node.apply('sum', [loss], { keepDims: 0 }),
    node.apply('sum', [own], { keepDims: 0 }),
  ])
}

export const losses: OperatorTable = {
  NegativeLogLikelihoodLoss: node =>
    negativeLogLikelihood(node, node.input(0), node.input(1), node.has(2) ? node.input(2) : undefined),
  SoftmaxCrossEntropyLoss: node => {
    const logarithms = node.apply('logSoftmax', [node.input(0)], { axis: 1 })
    const loss = negativeLogLikelihood(
      node,
      logarithms,
      node.input(1),
      node.has(2) ? node.input(2) : undefined,
    )
    return node.wants(1) ? [loss, logarithms] : [loss]
  },
}
