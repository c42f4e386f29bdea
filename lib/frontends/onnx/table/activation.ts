import type { Value } from '../../../graph/builder.js'
import type { OperationName } from '../../../graph/operations.js'
import type { OnnxNode, OperatorImport, OperatorTable } from '../node.js'
import { pair } from './arithmetic.js'

const plain =
  (op: OperationName): OperatorImport =>
  node => {
    node.attributes.ignore('consumed_inputs')
    return node.apply(op, [node.input(0)])
  }

/** A bound of Clip as an input: its number if it is known, nothing if it is absent, else the value. */
function bound(node: OnnxNode, index: number): number | Value | undefined {
  if (!node.has(index)) return undefined
  const known = node.known(index)
  return known && known.data.length === 1 ? Number(known.data[0]) : node.input(index)
}

/** min(max(x, low), high), the order that ONNX fixes for bounds that cross. */
function clipBetween(
  node: OnnxNode,
  x: Value,
  low: number | Value | undefined,
  high: number | Value | undefined,
): Value {
  const asValue = (limit: number | Value) => (typeof limit === 'number' ? node.scalar(limit, x) : limit)
  const raised = low === undefined ? x : node.apply('max', [x, asValue(low)])
  if (high !== undefined) return node.apply('min', [raised, asValue(high)])
  return low === undefined ? node.apply('identity', [x]) : raised
}

function clip(node: OnnxNode): Value {
  node.attributes.ignore('consumed_inputs')
  const x = node.input(0)
  const asAttribute = (name: string) =>
    node.attributes.has(name) ? node.attributes.real(name, 0) : undefined
  const low = node.opset < 11 ? asAttribute('min') : bound(node, 1)
  const high = node.opset < 11 ? asAttribute('max') : bound(node, 2)
  const isFixed = (limit: number | Value | undefined) => limit === undefined || typeof limit === 'number'
  const isFloat = node.dtype(x) === 'f32' || node.dtype(x) === 'f64'
  if (!isFloat || !isFixed(low) || !isFixed(high)) return clipBetween(node, x, low, high)
  if (low !== undefined && high !== undefined && !((low as number) <= (high as number)))
    return clipBetween(node, x, low, high)
  if (low === undefined && high === undefined) return node.apply('identity', [x])
  const finite = (limit: number) => Math.min(Math.max(limit, -1e308), 1e308)
  return node.apply('clip', [x], {
    ...(low === undefined ? {} : { min: finite(low as number) }),
    ...(high === undefined ? {} : { max: finite(high as number) }),
  })
}

export const activation: OperatorTable = {
  SwiGLU: node => {
    const gate = node.input(0)
    const scaled = node.apply('mul', [gate, node.scalar(node.attributes.real('alpha', 1), gate)])
    const opened = node.apply('mul', [gate, node.apply('sigmoid', [scaled])])
    return node.apply('mul', [opened, node.input(1)])
  },
  Relu: plain('relu'),
  Sigmoid: plain('sigmoid'),
  Softplus: plain('softplus'),
  Softsign: plain('softsign'),
  HardSwish: plain('hardSwish'),
  Mish: plain('mish'),
  LeakyRelu: node => {
    node.attributes.ignore('consumed_inputs')
    return node.apply('leakyRelu', [node.input(0)], { alpha: node.attributes.real('alpha', 0.01) })
  },
  ThresholdedRelu: node =>
    node.apply('thresholdedRelu', [node.input(0)], { alpha: node.attributes.real('alpha', 1) }),
  Elu: node => {
    node.attributes.ignore('consumed_inputs')
    return node.apply('elu', [node.input(0)], { alpha: node.attributes.real('alpha', 1) })
  },
  Celu: node => node.apply('celu', [node.input(0)], { alpha: node.attributes.real('alpha', 1) }),
  Selu: node => {
    node.attributes.ignore('consumed_inputs')
    return node.apply('selu', [node.input(0)], {
      alpha: node.attributes.real('alpha', 1.6732631921768188),
      gamma: node.attributes.real('gamma', 1.0507010221481323),
    })
  },
  HardSigmoid: node => {
    node.attributes.ignore('consumed_inputs')
    return node.apply('hardSigmoid', [node.input(0)], {
      alpha: node.attributes.real('alpha', 0.2),
      beta: node.attributes.real('beta', 0.5),
    })
  },
  Gelu: node =>
    node.apply('gelu', [node.input(0)], {
      approximate: node.attributes.text('approximate', 'none', ['none', 'tanh']),
    }),
  Swish: node => {
    const x = node.input(0)
    const alpha = node.attributes.real('alpha', 1)
    if (alpha === 1) return node.apply('silu', [x])
    return node.apply('mul', [x, node.apply('sigmoid', [node.apply('mul', [x, node.scalar(alpha, x)])])])
  },
  PRelu: node => {
    const [x, slope] = perChannel(node)
    return node.apply('prelu', [x, slope])
  },
  Shrink: node => {
    const x = node.input(0)
    const limit = node.attributes.real('lambd', 0.5)
    const bias = node.scalar(node.attributes.real('bias', 0), x)
    const above = node.apply('greater', [x, node.scalar(limit, x)])
    const below = node.apply('less', [x, node.scalar(-limit, x)])
    const rest = node.apply('where', [below, node.apply('add', [x, bias]), node.scalar(0, x)])
    return node.apply('where', [above, node.apply('sub', [x, bias]), rest])
  },
  Clip: clip,
}

/** Before operator set 7 a vector of slopes runs along the channels, later it broadcasts as numpy has it. */
function perChannel(node: OnnxNode): [Value, Value] {
  if (node.opset >= 7) return pair(node)
  node.attributes.ignore('consumed_inputs')
  const x = node.input(0)
  const slope = node.input(1)
  const trailing = node.requireRank(x) - 2
  if (node.rank(slope) !== 1 || trailing < 1) return [x, slope]
  // A single slope is shared; it broadcasts anyway.
  return [
    x,
    node.apply('unsqueeze', [slope], { axes: Array.from({ length: trailing }, (_, index) => index + 1) }),
  ]
}
