import { maximumRank } from '../../../data/tensor.js'
import type { Value } from '../../../graph/builder.js'
import type { OnnxNode, OperatorTable } from '../node.js'

function batchNormalization(node: OnnxNode): Value | Value[] {
  if (node.opset < 9 && node.attributes.integer('spatial', 1) === 0) node.unsupported('spatial 0')
  if (node.opset < 7) {
    node.attributes.ignore('consumed_inputs')
    if (node.attributes.integer('is_test', 0) === 0 && node.outputCount > 1) node.unsupported('training mode')
  }
  const operands = [0, 1, 2, 3, 4].map(index => node.input(index))
  if (node.attributes.integer('training_mode', 0) !== 0)
    // The batch's own statistics, and the running ones after it.
    return node
      .applyMany('batchNormTrain', operands, 3, {
        epsilon: node.attributes.real('epsilon', 1e-5),
        momentum: node.attributes.real('momentum', 0.9),
      })
      .slice(0, Math.max(1, node.outputCount))
  // How running statistics would be updated; a trained model reads them.
  node.attributes.ignore('momentum')
  return node.apply('batchNorm', operands, { epsilon: node.attributes.real('epsilon', 1e-5) })
}

/** `scale` and `bias` were one value a group at first (operator set 18), one a channel later. */
function groupNormalization(node: OnnxNode): Value {
  node.attributes.ignore('stash_type')
  const x = node.input(0)
  const groups = node.attributes.integer('num_groups', 0)
  if (groups <= 0) node.invalid(`num_groups is ${groups}, expected a positive number`)
  const epsilon = node.attributes.real('epsilon', 1e-5)
  if (node.opset >= 21) return node.apply('groupNorm', [x, node.input(1), node.input(2)], { groups, epsilon })
  const normal = node.apply('groupNorm', [x], { groups, epsilon })
  const grouped = node.apply('reshape', [normal, node.graph.integers([0, groups, -1])])
  const perGroup = (index: number) => node.apply('unsqueeze', [node.input(index)], { axes: [1] })
  const scaled = node.apply('add', [node.apply('mul', [grouped, perGroup(1)]), perGroup(2)])
  return node.apply('reshapeLike', [scaled, x])
}

const square = (node: OnnxNode, x: Value): Value => node.apply('mul', [x, x])

/** The second and third result, where they are wanted: the means, and one over the deviations. */
function layerNormalization(node: OnnxNode): Value[] {
  node.attributes.ignore('stash_type')
  const axis = node.attributes.integer('axis', -1)
  const epsilon = node.attributes.real('epsilon', 1e-5)
  const x = node.input(0)
  const operands = [x, node.input(1), node.optional(2)].slice(0, node.has(2) ? 3 : 2)
  const normal = node.apply('layerNorm', operands, { axis, epsilon })
  if (!node.wants(1) && !node.wants(2)) return [normal]
  if (Math.abs(axis) > maximumRank) node.invalid(`axis is ${axis}`)
  const rank = axis < 0 ? 0 : node.requireRank(x)
  const axes = Array.from({ length: axis < 0 ? -axis : rank - axis }, (_, at) => -1 - at)
  const mean = node.apply('mean', [x], { axes })
  const variance = node.apply('mean', [square(node, node.apply('sub', [x, mean]))], { axes })
  const root = node.apply('sqrt', [node.apply('add', [variance, node.scalar(epsilon, x)])])
  return [normal, mean, node.apply('reciprocal', [root])]
}

export const normalisation: OperatorTable = {
  BatchNormalization: batchNormalization,
  InstanceNormalization: node => {
    node.attributes.ignore('consumed_inputs')
    return node.apply('groupNorm', [node.input(0), node.input(1), node.input(2)], {
      groups: 0,
      epsilon: node.attributes.real('epsilon', 1e-5),
    })
  },
  GroupNormalization: groupNormalization,
  LayerNormalization: layerNormalization,
  MeanVarianceNormalization: node => {
    const axes = node.attributes.integers('axes') ?? [0, 2, 3]
    const x = node.input(0)
    const centred = node.apply('sub', [x, node.apply('mean', [x], { axes })])
    const deviation = node.apply('sqrt', [node.apply('mean', [square(node, centred)], { axes })])
    return node.apply('div', [centred, node.apply('add', [deviation, node.scalar(1e-9, x)])])
  },
  LpNormalization: node => {
    const axes = [node.attributes.integer('axis', -1)]
    const p = node.attributes.integer('p', 2)
    if (p !== 1 && p !== 2) node.unsupported(`p ${p}`)
    const x = node.input(0)
    const size =
      p === 1
        ? node.apply('sum', [node.apply('abs', [x])], { axes })
        : node.apply('sqrt', [node.apply('sum', [square(node, x)], { axes })])
    // A row of zeros stays one.
    const isZero = node.apply('equal', [size, node.scalar(0, x)])
    return node.apply('div', [x, node.apply('where', [isZero, node.scalar(1, x), size])])
  },
  RMSNormalization: node => {
    node.attributes.ignore('stash_type')
    return node.apply('rmsNorm', [node.input(0), node.input(1)], {
      axis: node.attributes.integer('axis', -1),
      epsilon: node.attributes.real('epsilon', 1e-5),
    })
  },
  LRN: node => {
    const size = node.attributes.integer('size', 0)
    if (size <= 0) node.invalid(`size is ${size}, expected a positive number`)
    return node.apply('lrn', [node.input(0)], {
      size,
      alpha: node.attributes.real('alpha', 1e-4),
      beta: node.attributes.real('beta', 0.75),
      bias: node.attributes.real('bias', 1),
    })
  },
}
