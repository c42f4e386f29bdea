import type { GraphDescription, NativePlan } from '#typings/addon.js'
import { isFloating, type Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { GraphBuilder, type Value } from '../../graph/builder.js'
import { type CompiledTarget, compileTarget } from '../../graph/compileTarget.js'
import { onlyNeeded } from '../../graph/onlyNeeded.js'
import type { RuleSet } from '../../graph/ruleSet.js'
import type { Target } from '../../graph/target.js'
import { targetKey } from '../../graph/targetKey.js'
import { namedAttention } from '../../model/attention.js'
import { type AttentionSide, attentionSides } from '../../model/attentionSides.js'
import type { Batching } from '../../model/batching.js'
import { bindSizes } from '../../model/bindSizes.js'
import { embeddingLookups } from '../../model/embeddings.js'
import type { Model } from '../../model/model.js'
import { call, native, settle } from '../../native.js'
import type { AttentionParts, AttentionReading } from './attentionReading.js'
import { rowWeights } from './attentionRows.js'
import { layerScores } from './layerScores.js'
import { hasTwoSides } from './twoSides.js'

/** One attention of the model: its value, and the sizes that its probabilities have. */
export interface AttentionLayer {
  readonly name: string
  readonly heads: number
  readonly queries: number
  readonly keys: number
  /** What it does in a model that reads one text and writes another; absent where all tokens look at each other. */
  readonly side?: AttentionSide
}

/** A compiled pass of `chunk` examples: scores [N, keys], weights of rows [N, queries], the objective [N]. */
export interface AttentionPlan {
  readonly plan: NativePlan
  readonly target: CompiledTarget
  readonly chunk: number
  /** The attention that was read, in the order of computation. */
  readonly layers: readonly AttentionLayer[]
  /** Tokens that have scores: the keys, or what was read and what was written together. */
  readonly tokens: number
  /** Backward passes of one example. */
  readonly backwardPasses: number
}

type Shapes = ReadonlyMap<string, readonly number[]>

/** The shapes of all values of a graph that have names, with these sizes. */
async function shapesOf(
  graph: GraphDescription,
  sizes: Record<string, number>,
  signal: AbortSignal | undefined,
): Promise<Shapes> {
  const handle = call(() => native().createGraph(graph))
  return new Map((await settle(() => handle.layers(sizes), signal)).map(layer => [layer.name, layer.shape]))
}

/** The attention layers of a model with these shapes; all of them must keep their examples apart. */
function layersOf(
  graph: GraphDescription,
  names: readonly string[],
  shapes: Shapes,
  chunk: number,
): AttentionLayer[] {
  const sides = attentionSides(graph, names)
  return names.flatMap(name => {
    const shape = shapes.get(name)
    // What folding made a constant depends on no input.
    if (shape === undefined) return []
    const [queries, keys] = shape.slice(-2) as [number, number]
    const [examples] = shape as [number]
    // Three axes: heads may be merged with the batch, examples first.
    const apart = shape.length === 3 ? examples % chunk === 0 : shape.length > 3 && examples === chunk
    if (!apart)
      throw new AscribeError(
        'MODEL_CAPABILITY',
        `Attention "${name}" has shape [${shape.join(', ')}] for ${chunk} example${chunk === 1 ? '' : 's'}: its tokens are not those of one example`,
        {
          hint: 'Attention inside windows cannot be traced through layers; gradients can: try IntegratedGradients.',
        },
      )
    const heads = shape.slice(0, -2).reduce((a, b) => a * b, 1) / chunk
    const side = sides.get(name)
    return [{ name, heads, queries, keys, ...(side ? { side } : {}) }]
  })
}

/** Where data enter a model: its floating-point inputs, and the embeddings of its tokens. */
function sourcesOf(model: Model, values: ReadonlyMap<string, Value>): Value[] {
  const inputs = model.inputs.filter(({ dtype }) => isFloating(dtype)).map(({ name }) => name)
  const names = new Set([...inputs, ...embeddingLookups(model).map(({ layer }) => layer)])
  return [...names].flatMap(name => values.get(name) ?? [])
}

/** Values that a result is computed from. */
function neededFor(builder: GraphBuilder, result: Value): ReadonlySet<number> {
  const needed = new Set([result.index])
  for (const node of builder.nodes.toReversed())
    if (node.outputs.some(output => needed.has(output))) for (const input of node.inputs) needed.add(input)
  return needed
}

/**
 * Compiles the pass of a chunk; the model keeps plans by size.
 *
 * @throws AscribeError MODEL_CAPABILITY where the model has no attention that fits the method.
 */
export async function attentionPlan(
  model: Model,
  target: Target,
  reading: AttentionReading,
  example: Readonly<Record<string, Tensor>>,
  chunk: number,
  batching: Batching,
  signal?: AbortSignal,
): Promise<AttentionPlan> {
  const chunked = Object.entries(example).map(([name, tensor]): [string, Tensor] => [
    name,
    { ...tensor, shape: [chunk, ...tensor.shape.slice(1)] },
  ])
  const sizes = bindSizes(batching.inputs, Object.fromEntries(chunked))
  const { graph, names } = namedAttention(batching.graph)
  const shapes: Shapes = names.length === 0 ? new Map() : await shapesOf(graph, sizes, signal)
  const found = layersOf(graph, names, shapes, chunk)
  const builder = new GraphBuilder()
  const values = builder.include(graph)
  const outputs = new Map(
    model.outputs.flatMap(({ name }) => {
      const value = model.output(values, name)
      return value ? [[name, value]] : []
    }),
  )
  const compiled = compileTarget(builder, outputs, target, model.labels)
  const needed = neededFor(builder, compiled.objective)
  const onPath = found.filter(({ name }) => needed.has(values.get(name)!.index))
  if (onPath.length === 0)
    throw new AscribeError(
      'MODEL_CAPABILITY',
      `${reading.name} needs attention, and none was found on the way to "${compiled.valueName}"`,
      { hint: 'Attention is a softmax over the last axis whose result is multiplied with values.' },
    )
  const layers = reading.select(onPath)
  const last = layers.at(-1)!
  // Whose rows are read is asked of the last attention that has these queries.
  const asked = onPath.findLast(({ queries }) => queries === last.queries)!
  const wanted = reading.needsGradients ? layers : reading.row === 'auto' ? [asked] : []
  const shaped = (value: Value, { queries, keys }: AttentionLayer) =>
    builder.apply('reshape', [value, builder.integers([chunk, -1, queries, keys])])
  /** Whether a value is [chunk, tokens, width]. */
  const isTokens = (index: number) => {
    const shape = shapes.get(builder.values[index]!.name ?? '')
    return shape?.length === 3 && shape[0] === chunk && shape[1] === last.queries
  }
  const differentiate = (of: readonly AttentionLayer[], rules?: RuleSet): Value[] => {
    if (of.length === 0) return []
    const one = builder.constant('f32', [1, 1], Float32Array.of(1))
    const seed = builder.apply('expandLike', [one, compiled.objective], { leading: 1 })
    const inside = of.map(({ name }) => values.get(name)!)
    if (rules === undefined) {
      const gradients = reading.hasOwnScores
        ? layerScores(builder, compiled.objective, inside, isTokens).flatMap((score, at) =>
            builder.vjp([score], [seed], [inside[at]!]),
          )
        : builder.vjp([compiled.objective], [seed], inside)
      return gradients.map((gradient, at) => shaped(gradient, of[at]!))
    }
    // Rules ask which factors follow from what is explained: that is the input, of which the attention is a part of the way.
    const sources = sourcesOf(model, values).filter(({ index }) => needed.has(index))
    return builder
      .vjp([compiled.objective], [seed], [...sources, ...inside], { rules: rules.name, ...rules.options })
      .slice(sources.length)
      .map((gradient, at) => shaped(gradient, of[at]!))
  }
  const gradients = differentiate(wanted)
  const rows = rowWeights(builder, reading, last.queries, chunk, gradients.at(-1))
  const parts: AttentionParts = {
    builder,
    layers,
    attention: layers.map(layer => shaped(values.get(layer.name)!, layer)),
    gradients: reading.needsGradients ? gradients : [],
    ruledGradients: reading.rules === undefined ? [] : differentiate(layers, reading.rules),
    rows,
  }
  const scores = reading.combine(parts)
  const key = `attention ${reading.key} ${batching.graph === model.graph ? '' : 'free '}${JSON.stringify(sizes)} ${chunk} ${targetKey(target)}`
  const plan = await model.plan(
    key,
    () =>
      onlyNeeded(
        builder.build([scores, builder.apply('squeeze', [rows], { axes: [1] }), compiled.objective]),
      ),
    { sizes: { ...sizes, 'ascribe.examples': chunk } },
    signal,
  )
  const backwardPasses = (wanted.length > 0 ? 1 : 0) + (reading.rules === undefined ? 0 : 1)
  const tokens = hasTwoSides(layers) ? last.keys + last.queries : last.keys
  return { plan, target: compiled, chunk, layers, tokens, backwardPasses }
}
