import type { Operand, Value } from '../../../graph/builder.js'
import type { OnnxNode, OperatorTable } from '../node.js'

type Cell = 'lstm' | 'gru' | 'rnn'

const gatesOf = { lstm: 4, gru: 3, rnn: 1 } as const

/** Activations by their names in ONNX, which do not count case, with the parameters that they are known with. */
const activations: Readonly<Record<string, { name: string; alpha?: number; beta?: number }>> = {
  sigmoid: { name: 'sigmoid' },
  tanh: { name: 'tanh' },
  relu: { name: 'relu' },
  softsign: { name: 'softsign' },
  softplus: { name: 'softplus' },
  hardsigmoid: { name: 'hardSigmoid', alpha: 0.2, beta: 0.5 },
}

/** Names of the cell's activations, one list for each direction; undefined: the defaults. */
function activationsOf(node: OnnxNode, directions: number): string[] | undefined {
  const names = node.attributes.texts('activations')
  const alphas = node.attributes.reals('activation_alpha') ?? []
  const betas = node.attributes.reals('activation_beta') ?? []
  if (names === undefined) return undefined
  if (names.length % directions !== 0)
    node.invalid(`there are ${names.length} activations for ${directions} directions`)
  // Alphas and betas belong in turn to the activations that have any, as ONNX Runtime hands them out.
  let [alphasTaken, betasTaken] = [0, 0]
  const each = names.map(name => {
    const known = activations[name.toLowerCase()]
    if (known === undefined) return node.unsupported(`activation ${name}`)
    const alpha = known.alpha === undefined ? undefined : alphas[alphasTaken++]
    const beta = known.beta === undefined ? undefined : betas[betasTaken++]
    const differs = (given: number | undefined, usual: number | undefined) =>
      usual !== undefined && given !== undefined && Math.abs(given - usual) > 1e-6
    if (differs(alpha, known.alpha) || differs(beta, known.beta))
      node.unsupported(`activation ${name} with other parameters`)
    return known.name
  })
  const count = each.length / directions
  return Array.from({ length: directions }, (_, d) => each.slice(d * count, (d + 1) * count).join(' '))
}

const slice = (node: OnnxNode, value: Value, axis: number, begin: number, end: number): Value =>
  node.apply('slice', [
    value,
    node.graph.integers([begin]),
    node.graph.integers([end]),
    node.graph.integers([axis]),
  ])

/** One direction's part of an operand that holds all of them along its leading axis. */
const part = (node: OnnxNode, index: number, direction: number, directions: number): Value | undefined => {
  if (!node.has(index)) return undefined
  const value = node.input(index)
  const only = directions === 1 ? value : slice(node, value, 0, direction, direction + 1)
  return node.apply('squeeze', [only], { axes: [0] })
}

/**
 * What goes into the gates before the recurrent product, for all steps at once, and the bias that stays inside (of a
 * GRU whose reset comes after its product).
 */
function gateInputs(
  node: OnnxNode,
  cell: Cell,
  x: Value,
  weights: Value,
  both: Value | undefined,
  size: number,
  resetAfter: boolean,
): { given: Value; inner: Value | undefined } {
  const product = node.apply('matMul', [x, weights], { transposeB: 1 })
  if (both === undefined) return { given: product, inner: undefined }
  const width = gatesOf[cell] * size
  const [outside, inside] = [slice(node, both, 0, 0, width), slice(node, both, 0, width, 2 * width)]
  if (!resetAfter)
    return {
      given: node.apply('add', [product, node.apply('add', [outside, inside])]),
      inner: undefined,
    }
  const Zeros = node.dtype(inside) === 'f64' ? Float64Array : Float32Array
  const zeros = node.graph.constant(node.dtype(inside) ?? 'f32', [size], new Zeros(size))
  const gates = node.apply('concat', [slice(node, inside, 0, 0, 2 * size), zeros], { axis: 0 })
  return {
    given: node.apply('add', [product, node.apply('add', [outside, gates])]),
    inner: slice(node, inside, 0, 2 * size, width),
  }
}

function recurrent(node: OnnxNode, cell: Cell): Value[] {
  const direction = node.attributes.text('direction', 'forward', ['forward', 'reverse', 'bidirectional'])
  const directions = direction === 'bidirectional' ? 2 : 1
  const declared = node.tensorShape(2)?.[2]
  const size = node.attributes.integer('hidden_size', declared ?? 0)
  if (size <= 0 || size > 1 << 20 || (declared !== undefined && size !== declared))
    node.invalid(
      `hidden_size is ${size}, expected that of the recurrent weights, ${declared ?? 'a positive number'}`,
    )
  const batchFirst = node.attributes.integer('layout', 0) !== 0
  const clip = node.attributes.real('clip', 0)
  const resetAfter = cell === 'gru' && node.attributes.integer('linear_before_reset', 0) !== 0
  const inputForget = cell === 'lstm' && node.attributes.integer('input_forget', 0) !== 0
  // Of the oldest operator sets: whether all states are given out; the outputs say so themselves.
  node.attributes.ignore('output_sequence')
  const names = activationsOf(node, directions)
  const swapped = (value: Value, permutation: number[]) => node.apply('transpose', [value], { permutation })
  const x = batchFirst ? swapped(node.input(0), [1, 0, 2]) : node.input(0)
  const stateOf = (index: number, d: number): Operand => {
    if (!node.has(index)) return undefined
    if (!batchFirst) return part(node, index, d, directions)
    return node.apply('squeeze', [slice(node, node.input(index), 1, d, d + 1)], { axes: [1] })
  }
  const perDirection = Array.from({ length: directions }, (_, d) => {
    const { given, inner } = gateInputs(
      node,
      cell,
      x,
      part(node, 1, d, directions)!,
      part(node, 3, d, directions),
      size,
      resetAfter,
    )
    const operands: Operand[] = [
      given,
      part(node, 2, d, directions) ?? node.invalid('the recurrent weights are missing'),
      stateOf(5, d),
      cell === 'lstm' ? stateOf(6, d) : undefined,
      inner,
      cell === 'lstm' ? part(node, 7, d, directions) : undefined,
      node.optional(4),
    ]
    while (operands.at(-1) === undefined) operands.pop()
    return node.graph.applyMany(
      'recurrent',
      operands,
      cell === 'lstm' ? 3 : 2,
      {
        cell,
        ...(names ? { activations: names[d]! } : {}),
        ...(clip > 0 ? { clip } : {}),
        ...(direction === 'reverse' || d === 1 ? { reverse: 1 } : {}),
        ...(resetAfter ? { resetAfter: 1 } : {}),
        ...(inputForget ? { inputForget: 1 } : {}),
      },
      node.source.label,
    )
  })
  /** [T, B, H] or [B, H] of every direction, stacked along a new axis. */
  const stacked = (index: number, axis: number): Value => {
    const parts = perDirection.map(results => node.apply('unsqueeze', [results[index]!], { axes: [axis] }))
    return parts.length === 1 ? parts[0]! : node.apply('concat', parts, { axis })
  }
  const all = stacked(0, 1)
  return [
    batchFirst ? swapped(all, [2, 0, 1, 3]) : all,
    ...(node.outputCount > 1 ? [stacked(1, batchFirst ? 1 : 0)] : []),
    ...(cell === 'lstm' && node.outputCount > 2 ? [stacked(2, batchFirst ? 1 : 0)] : []),
  ]
}

export const recurrentLayers: OperatorTable = {
  LSTM: node => recurrent(node, 'lstm'),
  GRU: node => recurrent(node, 'gru'),
  RNN: node => recurrent(node, 'rnn'),
}
