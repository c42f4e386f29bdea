import type { NodeDescription } from '#typings/addon.js'
import { AscribeError } from '../errors.js'
import type { GraphBuilder, Value } from './builder.js'
import type { OperationAttributes } from './operations.js'
import { predictionObjective } from './predictionTarget.js'
import { classIndex, type Score, type Target } from './target.js'
import { detection, neuron, predictionParts, segment, similarity } from './targetParts.js'

/** Name of the int64 input [N, 1] that says which class of each example is explained. */
export const classInput = 'ascribe.class'

export interface CompiledTarget {
  /** [N]: one number per example. */
  objective: Value
  /** The scores that classes are picked from, [N, C]; absent for targets without classes. */
  scores?: Value
  /** The op that was looked behind: `softmax`, `logSoftmax` or `sigmoid`. */
  lookedBehind?: string
  /** The value that is explained, as the results name it. */
  valueName: string
  /** What the last operation of the model makes it of: where to look if it is saturated. */
  before?: string
  /** The plan reads {@link classInput}: one plan serves every class. */
  readsClass: boolean
}

/** Operations that lay a value out anew and change no number. */
const views = new Set(['identity', 'reshape', 'flatten', 'squeeze', 'unsqueeze', 'dropout'])
const squashing = new Set(['softmax', 'logSoftmax', 'sigmoid'])

/** Whether an operation only makes scores look otherwise, so that what it is computed from is there where they are. */
export const isOfForm = (op: string): boolean => views.has(op) || squashing.has(op)

function producerOf(graph: GraphBuilder, index: number): NodeDescription | undefined {
  return graph.nodes.find(candidate => candidate.outputs.includes(index))
}

/**
 * The value before the softmax or sigmoid that a model ends with, laid out as the output is: views behind it are
 * repeated on it.
 */
function lookBehind(graph: GraphBuilder, output: Value): { scores: Value; op: string } | undefined {
  const passed: NodeDescription[] = []
  let node = producerOf(graph, output.index)
  while (node !== undefined && views.has(node.op)) {
    passed.unshift(node)
    node = producerOf(graph, node.inputs[0]!)
  }
  if (node === undefined || !squashing.has(node.op)) return undefined
  const scores = passed.reduce(
    (value, view) =>
      graph.apply(
        view.op as 'reshape',
        [value, ...view.inputs.slice(1).map(index => (index < 0 ? undefined : valueAt(output, index)))],
        view.attributes as OperationAttributes['reshape'],
      ),
    valueAt(output, node.inputs[0]!),
  )
  return { scores, op: node.op }
}

/** The name of what the last operation with a number of its own makes the output of. */
function nameBefore(graph: GraphBuilder, output: Value): string | undefined {
  let node = producerOf(graph, output.index)
  while (node !== undefined && views.has(node.op)) node = producerOf(graph, node.inputs[0]!)
  const first = node?.inputs.find(index => index >= 0)
  return first === undefined ? undefined : graph.values[first]?.name
}

function valueAt(like: Value, index: number): Value {
  const Class = like.constructor as new (builder: GraphBuilder, index: number) => Value
  return new Class(like.builder, index)
}

/** The scores that classes are picked from. */
export interface CompiledScores {
  /** [N, C]. */
  rows: Value
  lookedBehind?: string
}

/** The class scores of an output in the wanted form, [N, C]: a final softmax or sigmoid is looked behind. */
export function compileScores(graph: GraphBuilder, output: Value, score: Score | undefined): CompiledScores {
  const behind = lookBehind(graph, output)
  let scores = behind?.scores ?? output
  if (score === 'probability') scores = graph.apply('softmax', [scores], { axis: -1 })
  if (score === 'logProbability') scores = graph.apply('logSoftmax', [scores], { axis: -1 })
  // Squeezed spatial axes ([N, C, 1, 1] heads) and plain rows both become [N, C].
  const rows = graph.apply('flatten', [scores], { axis: 1 })
  return { rows, ...(behind === undefined ? {} : { lookedBehind: behind.op }) }
}

/**
 * Appends the explained scalar to a graph that holds the model.
 *
 * @param outputs The model's outputs by name, in their order.
 * @param inner All values of the model by name, for targets inside it.
 * @param picksTop The class of each example is the greatest of its outputs here, and no input says which.
 * @throws AscribeError TARGET_INVALID, TARGET_REQUIRED
 */
export function compileTarget(
  graph: GraphBuilder,
  outputs: ReadonlyMap<string, Value>,
  target: Target,
  labels: readonly string[] | undefined,
  inner: ReadonlyMap<string, Value> = outputs,
  picksTop = false,
): CompiledTarget {
  const { description, options } = target
  if (description.kind === 'neuron')
    return {
      objective: neuron(graph, description, inner),
      valueName: `${description.layer}[${description.index}]`,
      readsClass: false,
    }
  const name = options.output ?? outputs.keys().next().value
  const output = name === undefined ? undefined : outputs.get(name)
  if (name === undefined || output === undefined)
    throw new AscribeError('TARGET_INVALID', `The model has no output called "${name}"`, {
      hint: `Its outputs are ${[...outputs.keys()].join(', ')}.`,
    })
  if (description.kind === 'expression')
    return { objective: description.build(graph, outputs), valueName: description.name, readsClass: false }
  const before = nameBefore(graph, output)
  const named = { valueName: name, ...(before === undefined ? {} : { before }) }
  const sum = (value: Value, axes: number[]) => graph.apply('sum', [value], { axes, keepDims: 0 })
  const flat = (value: Value) => graph.apply('reshape', [value, graph.integers([-1])])
  if (description.kind === 'regression') return { objective: flat(output), ...named, readsClass: false }
  if (description.kind === 'segment')
    return { objective: segment(graph, output, description.channel), ...named, readsClass: false }
  if (description.kind === 'similarity')
    return { objective: similarity(graph, output, description.reference), ...named, readsClass: false }
  if (description.kind === 'detection')
    return { objective: detection(graph, outputs, description), ...named, readsClass: false }
  if (description.kind === 'prediction') {
    const behind = lookBehind(graph, output)
    const parts = predictionParts(graph, behind?.scores ?? output, description)
    return {
      objective: predictionObjective(description.of, parts),
      ...named,
      ...(behind === undefined ? {} : { lookedBehind: behind.op }),
      readsClass: false,
    }
  }
  if (description.kind === 'token') {
    const row = graph.apply(
      'gather',
      [output, graph.constant('i64', [], BigInt64Array.of(BigInt(description.position)))],
      { axis: 1 },
    )
    const id = graph.constant('i64', [], BigInt64Array.of(BigInt(description.id)))
    return { objective: graph.apply('gather', [row, id], { axis: 1 }), ...named, readsClass: false }
  }
  if (description.kind === 'region' || description.kind === 'mask') {
    const channel = graph.apply(
      'gather',
      [output, graph.constant('i64', [], BigInt64Array.of(BigInt(description.channel)))],
      { axis: 1 },
    )
    if (description.kind === 'mask') {
      const mask = graph.constant('f32', [description.height, description.width], description.mask)
      return {
        objective: sum(graph.apply('mul', [channel, mask]), [1, 2]),
        ...named,
        readsClass: false,
      }
    }
    const [left, top, right, bottom] = description.box
    const box = graph.apply('slice', [
      channel,
      graph.integers([top, left]),
      graph.integers([bottom, right]),
      graph.integers([1, 2]),
    ])
    return { objective: sum(box, [1, 2]), ...named, readsClass: false }
  }

  const { rows, ...behind } = compileScores(graph, output, options.score)
  const shared = { scores: rows, ...named, ...behind }
  if (description.kind === 'weighted') {
    const terms = description.terms.map(([of, weight]) => {
      const index = graph.constant('i64', [], BigInt64Array.of(BigInt(classIndex(of, labels))))
      return graph.apply('mul', [graph.apply('gather', [rows, index], { axis: 1 }), graph.scalar(weight)])
    })
    return {
      ...shared,
      objective: terms.reduce((total, term) => graph.apply('add', [total, term])),
      readsClass: false,
    }
  }
  const index = picksTop
    ? graph.apply('argMax', [graph.apply('flatten', [output], { axis: 1 })], { axis: 1, keepDims: 1 })
    : graph.input(classInput, 'i64', ['ascribe.examples', 1])
  const picked = graph.apply('gatherElements', [rows, index], { axis: 1 })
  return { ...shared, objective: flat(picked), readsClass: !picksTop }
}
