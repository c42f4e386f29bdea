import type { GraphDescription } from '#typings/addon.js'
import { createTensor, type Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { hiddenGraph } from '../../frontends/checkpoints/predictionGraph.js'
import { GraphBuilder, type Value } from '../../graph/builder.js'
import { generating } from '../../language/decoding.js'
import { namedAttention } from '../../model/attention.js'
import { attentionSides } from '../../model/attentionSides.js'
import type { Model } from '../../model/model.js'
import type { AttributeOptions } from '../inputs/gradientMethod.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import type { ExplainedSequence } from './explainedSequence.js'
import { type StepExplanation, StepMethod } from './stepMethod.js'

export const valueZeroingOptions = {
  layer: {
    kind: 'integer',
    default: undefined as number | undefined,
    minimum: 1,
    description: 'The one layer whose mixing is told. Default: the mean of all.',
  },
  batch: {
    kind: 'integer',
    default: 16,
    minimum: 2,
    maximum: 4096,
    description: 'Sequences that go through the model at once, the unchanged one among them.',
  },
} as const

export type ValueZeroingOptions = Given<typeof valueZeroingOptions>

/** The model up to its last states, in which every layer mixes tokens of which one's values are zeros. */
interface Zeroed {
  readonly graph: GraphDescription
  readonly layers: number
}

/**
 * Value zeroing: how much a token's state changes, layer by layer, when another token's value vector is zero in that layer's
 * attention, every layer starting from what it starts from in the unchanged model. Scores are 1 less the cosine of the state
 * before and after, scaled to 1 in each layer, mean over layers; they say how tokens are mixed, of no output, and are the same
 * whatever token follows. Of a model that reads one text and writes another, values that its decoder's layers take from the one and
 * from the other are zeroed, and either side's scores are scaled to 1 by themselves, as in Inseq [unconfirmed]. One forward pass for each token and one more, no gradients.
 *
 * Source: Mohebbi et al., "Quantifying context mixing in transformers" (EACL 2023); the scale and the mean over layers as in
 * Inseq, where the last layer's states are those behind the last norm.
 *
 * @throws AscribeError MODEL_CAPABILITY where layers and attention of the model do not pair; OPTION_RANGE for a layer it has not.
 */
export class ValueZeroing extends StepMethod {
  readonly options: Resolved<typeof valueZeroingOptions>
  readonly #zeroed: Zeroed

  constructor(model: Model, options: ValueZeroingOptions = {}) {
    super(model)
    this.options = resolveOptions(valueZeroingOptions, options)
    this.#zeroed = zeroedGraph(model)
    const { layer } = this.options
    if (layer !== undefined && layer > this.#zeroed.layers)
      throw new AscribeError(
        'OPTION_RANGE',
        `Model ${model.name} has ${this.#zeroed.layers} layers, and layer ${layer} was asked for`,
      )
  }

  override identity(): MethodIdentity {
    const { layer, ...options } = this.options
    return { name: 'ValueZeroing', options: layer === undefined ? options : { layer, ...options } }
  }

  override readonly explains = 'mixing'

  protected override async explainStep(
    sequence: ExplainedSequence,
    position: number,
    { signal, onProgress }: Pick<AttributeOptions, 'signal' | 'onProgress'>,
  ): Promise<StepExplanation> {
    const ids = sequence.ids.slice(0, position)
    const { sourceTokens } = sequence
    const { batch, layer } = this.options
    const each = Math.max(1, batch - 1)
    const changes = Array.from({ length: this.#zeroed.layers }, () => new Float64Array(position))
    let passes = 0
    for (let from = 0; from < position; from += each) {
      const tokens = Array.from({ length: Math.min(each, position - from) }, (_, at) => from + at)
      const states = await this.#run(ids, sourceTokens, tokens, signal)
      for (const [at, state] of states.entries()) {
        const width = state.data.length / (tokens.length + 1)
        const row = (index: number) =>
          (state.data as Float32Array).subarray(index * width, (index + 1) * width)
        for (const [k, token] of tokens.entries()) changes[at]![token] = turn(row(0), row(k + 1))
      }
      passes += tokens.length + 1
      onProgress?.(from + tokens.length, position)
    }
    const chosen = layer === undefined ? changes : [changes[layer - 1]!]
    const scores = new Float64Array(position)
    // Each side by itself: what an encoder read, and what was written (or all).
    for (const own of chosen)
      for (const [from, to] of [
        [0, sourceTokens],
        [sourceTokens, position],
      ] as const) {
        const total = own.subarray(from, to).reduce((sum, change) => sum + change, 0) || 1
        for (let token = from; token < to; token++) scores[token]! += own[token]! / total / chosen.length
      }
    return { scores, forwardPasses: passes, chunk: batch, details: { layers: chosen.length } }
  }

  /** The last token's state behind each layer, for the unchanged sequence and with each of these tokens' values zero. */
  async #run(
    ids: readonly number[],
    sourceTokens: number,
    tokens: readonly number[],
    signal?: AbortSignal,
  ): Promise<Tensor[]> {
    const copies = tokens.length + 1
    const length = ids.length - sourceTokens
    const every = (own: readonly number[]) =>
      createTensor(
        'i64',
        [copies, own.length],
        BigInt64Array.from(Array.from({ length: copies }, () => own).flat(), BigInt),
      )
    /** Which values of the tokens from `first` on are kept, by copies. */
    const keptOf = (first: number, count: number) => {
      const kept = new Float32Array(copies * count).fill(1)
      for (const [at, token] of tokens.entries())
        if (token >= first && token < first + count) kept[(at + 1) * count + token - first] = 0
      return createTensor('f32', [copies, 1, 1, count], kept)
    }
    const source = ids.slice(0, sourceTokens)
    const isEncoded = sourceTokens > 0
    const sizes = { B: copies, T: length, ...(isEncoded ? { S: sourceTokens } : {}) }
    return this.model.runPlan(
      `value zeroing ${JSON.stringify(sizes)}`,
      () => this.#zeroed.graph,
      {
        ...(isEncoded
          ? {
              input_ids: every(source),
              attention_mask: every(source.map(() => 1)),
              decoder_input_ids: every(ids.slice(sourceTokens)),
              read_kept: keptOf(0, sourceTokens),
            }
          : { input_ids: every(ids) }),
        kept: keptOf(sourceTokens, length),
        row: createTensor('i64', [], BigInt64Array.of(BigInt(length - 1))),
      },
      { sizes },
      signal,
    )
  }
}

/** 1 less the cosine, without the loss of digits of that difference: half the squared distance at unit length. */
function turn(a: Float32Array, b: Float32Array): number {
  const [sizeA, sizeB] = [a, b].map(each =>
    Math.sqrt(each.reduce((sum, value) => sum + value * value, 0)),
  ) as [number, number]
  if (sizeA === 0 || sizeB === 0) return sizeA === sizeB ? 0 : 1
  let sum = 0
  for (let at = 0; at < a.length; at++) sum += (a[at]! / sizeA - b[at]! / sizeB) ** 2
  return sum / 2
}

const layerName = /(^|\.)(layers|layer|h|decoder\.block)\.\d+$/

/** @throws AscribeError MODEL_CAPABILITY */
function zeroedGraph(model: Model): Zeroed {
  const { decoder, checkpoint } = generating(model)
  const { graph: plain, names } = namedAttention(hiddenGraph(decoder, checkpoint.weights))
  const sides = attentionSides(plain, names)
  const attention = names.filter(name => (sides.get(name) ?? 'self') === 'self')
  const crossed = names.filter(name => sides.get(name) === 'cross')
  const layers = plain.nodes.flatMap(node =>
    node.outputs.flatMap(index => {
      const value = plain.values[index]!
      const own = value.kind === 'result' ? [value.name, ...(value.aliases ?? [])] : []
      return own.find(name => name !== undefined && layerName.test(name)) ?? []
    }),
  )
  const isPaired = crossed.length === 0 || crossed.length === layers.length
  if (layers.length === 0 || layers.length !== attention.length || !isPaired)
    throw new AscribeError(
      'MODEL_CAPABILITY',
      `Model ${model.name} has ${layers.length} layers and ${attention.length} attentions, one of which was expected for each`,
    )
  const builder = new GraphBuilder()
  const kept = builder.input('kept', 'f32', ['B', 1, 1, 'T'])
  const row = builder.input('row', 'i64', [])
  const states: Value[] = []
  const lastToken = (value: Value) => builder.apply('gather', [value, row], { axis: 1 })
  // A zero value vector adds nothing, as a probability of zero does.
  const readKept = crossed.length > 0 ? builder.input('read_kept', 'f32', ['B', 1, 1, 'S']) : kept
  const zeroes = Object.fromEntries(
    [...attention, ...crossed].map((name, at) => [
      name,
      (weighed: Value) => builder.apply('mul', [weighed, at < attention.length ? kept : readKept]),
    ]),
  )
  const restores = Object.fromEntries(
    layers.slice(0, -1).map(name => [
      name,
      (value: Value) => {
        states.push(lastToken(value))
        // The layer above starts from the unchanged sequence's states, which are the first.
        const first = builder.apply('slice', [
          value,
          builder.integers([0]),
          builder.integers([1]),
          builder.integers([0]),
        ])
        return builder.apply('expandLike', [first, value])
      },
    ]),
  )
  const values = builder.include(plain, { replace: { ...zeroes, ...restores } })
  const hidden = values.get('hidden')!
  return { graph: builder.build([...states, lastToken(hidden)]), layers: layers.length }
}
