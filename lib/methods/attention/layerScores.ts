import type { NodeDescription } from '#typings/addon.js'
import { AscribeError } from '../../errors.js'
import { type GraphBuilder, Value } from '../../graph/builder.js'
import type { OperationName } from '../../graph/operations.js'

/** What follows from a value, itself among it, of nodes in the order of computation. */
function after(nodes: readonly NodeDescription[], index: number): ReadonlySet<number> {
  const found = new Set([index])
  for (const { inputs, outputs } of nodes)
    if (inputs.some(input => found.has(input))) for (const output of outputs) found.add(output)
  return found
}

/** What a value follows from, itself among it. */
function before(nodes: readonly NodeDescription[], index: number): ReadonlySet<number> {
  const found = new Set([index])
  for (const { inputs, outputs } of nodes.toReversed())
    if (outputs.some(output => found.has(output))) for (const input of inputs) found.add(input)
  return found
}

/**
 * The tokens that every block of a transformer hands on: what goes round the next block's attention, and of the last block
 * what goes on to the head.
 *
 * @param attention Probabilities of each block, by value.
 * @returns Values by index; undefined where blocks are not built so: a sum around attention, another around what follows it.
 */
export function blockOutputs(
  nodes: readonly NodeDescription[],
  attention: readonly number[],
): number[] | undefined {
  /** The sum around a block's attention: one side comes from before the attention, the other from it. */
  const around = attention.map(index => {
    const [later, earlier] = [after(nodes, index), before(nodes, index)]
    for (const { op, inputs, outputs } of nodes) {
      if (op !== 'add') continue
      const [round, through] = later.has(inputs[1]!) ? inputs : inputs.toReversed()
      if (later.has(through!) && !later.has(round!) && earlier.has(round!))
        return { tokens: round!, sum: outputs[0]! }
    }
    return undefined
  })
  if (around.some(each => each === undefined)) return undefined
  const { sum } = around.at(-1)!
  const consumers = (index: number) => nodes.filter(({ inputs }) => inputs.includes(index))
  const only = (index: number) => {
    const [node, ...others] = consumers(index)
    return others.length === 0 ? node?.outputs[0] : undefined
  }
  // A norm behind each sum is a part of the stream; one that is read beside it is not.
  const normed = only(sum)
  const stream = normed ?? sum
  const last = nodes.find(
    ({ op, inputs }) =>
      op === 'add' &&
      inputs.includes(stream) &&
      inputs.some(input => input !== stream && after(nodes, stream).has(input)),
  )
  const end = last && (normed === undefined ? last.outputs[0] : only(last.outputs[0]!))
  return end === undefined ? undefined : [...around.slice(1).map(each => each!.tokens), end]
}

/** The same value of a graph, with another in the place of one that it follows from. */
function instead(builder: GraphBuilder, of: Value, from: Value, replacement: Value): Value {
  const needed = before(builder.nodes, of.index)
  const changed = after(builder.nodes, from.index)
  const values = new Map<number, Value>([[from.index, replacement]])
  const valueAt = (index: number) => values.get(index) ?? new Value(builder, index)
  for (const { op, inputs, outputs, attributes } of [...builder.nodes]) {
    if (!inputs.some(input => changed.has(input)) || !outputs.some(output => needed.has(output))) continue
    const copies = builder.applyMany(
      op as OperationName,
      inputs.map(input => (input < 0 ? undefined : valueAt(input))),
      outputs.length,
      attributes as never,
    )
    for (const [at, output] of outputs.entries()) values.set(output, copies[at]!)
  }
  return valueAt(of.index)
}

/**
 * A score of every layer's own, [N]: what the model makes of the mean of the layer's tokens in the place of the last layer's.
 *
 * @param objective The target, [N].
 * @param attention Probabilities of each layer, in the order of computation.
 * @param isTokens Whether a value, by index, has the shape [N, tokens, width].
 * @throws AscribeError MODEL_CAPABILITY where what a block hands on is not found.
 */
export function layerScores(
  builder: GraphBuilder,
  objective: Value,
  attention: readonly Value[],
  isTokens: (index: number) => boolean,
): Value[] {
  const needed = before(builder.nodes, objective.index)
  const nodes = builder.nodes.filter(({ outputs }) => outputs.some(output => needed.has(output)))
  const outputs = blockOutputs(
    nodes,
    attention.map(({ index }) => index),
  )
  if (outputs === undefined || !outputs.every(isTokens))
    throw new AscribeError(
      'MODEL_CAPABILITY',
      'Scores of layers need blocks with a sum around attention and another around what follows it, each handing tokens on',
      { hint: "Leave `scores` at 'target': then every layer has the gradient of the target itself." },
    )
  const tokens = outputs.map(index => new Value(builder, index))
  return tokens.map(own => {
    const mean = builder.apply('mean', [own], { axes: [1], keepDims: 1 })
    return instead(builder, objective, tokens.at(-1)!, builder.apply('expandLike', [mean, own]))
  })
}
