import type { GraphDescription } from '#typings/addon.js'
import { createTensor, type Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { lastLogitsGraph } from '../../frontends/checkpoints/predictionGraph.js'
import { RandomStream } from '../../games/randomStream.js'
import { GraphBuilder, type Value } from '../../graph/builder.js'
import { generating, integers, padded } from '../../language/decoding.js'
import { namedAttention } from '../../model/attention.js'
import { embeddingLookups } from '../../model/embeddings.js'
import type { Model } from '../../model/model.js'
import { call, native, settle } from '../../native.js'
import { logProbabilities, type ReadTokens } from './predictionScores.js'

/** How noisy passes are made. */
export interface DropoutSettings {
  /** Noisy passes. */
  readonly samples: number
  /** In place of the rates of config.json. */
  readonly rate: number | undefined
  readonly seed: number
}

/** The mean and the (unbiased) standard deviation of a token's probability over noisy passes. */
export interface NoisyProbability {
  readonly mean: number
  readonly deviation: number
}

interface Rates {
  readonly embedding: number
  readonly attention: number
  readonly residual: number
}

/** Rates as the checkpoint was trained with. */
function ratesOf(model: Model, rate: number | undefined): Rates {
  if (rate !== undefined) return { embedding: rate, attention: rate, residual: rate }
  const config = model.checkpoint!.config
  const first = (...names: string[]) => {
    const name = names.find(each => config.has(each))
    return name === undefined ? 0 : config.real(name, 0, 0, 1)
  }
  return {
    embedding: first('embd_pdrop', 'embd_dropout', 'dropout_rate'),
    attention: first('attn_pdrop', 'attention_dropout', 'dropout_rate'),
    residual: first('resid_pdrop', 'hidden_dropout', 'dropout', 'resid_dropout', 'dropout_rate'),
  }
}

/** Those of T5 drop inside their feed-forward layers too, and what their encoder and decoder end with. */
const moduleName =
  /\.(self_attn|attn|attention|mlp|fc2|SelfAttention|EncDecAttention|DenseReluDense(\.dropout)?)$|coder\.final_layer_norm$/

/** One place in which elements are dropped. */
interface Tap {
  readonly input: string
  /** Without the batch. */
  readonly shape: readonly number[]
  readonly rate: number
}

interface Noisy {
  readonly graph: GraphDescription
  readonly taps: readonly Tap[]
}

const known = new WeakMap<Model, Map<string, Promise<Noisy>>>()

/** Tokens that a run reads: T by the decoder, where there is an encoder S by that. */
type Sizes = { readonly T: number; readonly S?: number }

/** The model with masks in the places where it was trained with dropout. */
async function noisyGraph(model: Model, rates: Rates, sizes: Sizes): Promise<Noisy> {
  const key = JSON.stringify([rates, sizes])
  const made = known.get(model) ?? new Map<string, Promise<Noisy>>()
  known.set(model, made)
  const before = made.get(key) ?? buildNoisy(model, rates, sizes)
  made.set(key, before)
  return before
}

async function buildNoisy(model: Model, rates: Rates, sizes: Sizes): Promise<Noisy> {
  const { decoder, checkpoint } = generating(model)
  const { graph: plain, names: attention } = namedAttention(lastLogitsGraph(decoder, checkpoint.weights))
  const handle = call(() => native().createGraph(plain))
  const shapes = new Map(
    (await settle(() => handle.layers({ B: 1, ...sizes }))).map(({ name, shape }) => [name, shape]),
  )
  const words = embeddingLookups({ graph: plain })
  // Places are looked up apart from words; one mask for both drops their sum.
  const places = [...shapes.keys()].filter(name => /(^|\.)(wpe|embed_positions)$/.test(name))
  const modules = [...shapes.keys()].filter(name => moduleName.test(name) && shapes.get(name)!.length === 3)
  const builder = new GraphBuilder()
  const taps: Tap[] = []
  const replace: Record<string, (value: Value) => Value> = {}
  const tap = (input: string, names: readonly string[], shape: readonly number[], rate: number) => {
    if (rate === 0) return
    const mask = builder.input(input, 'f32', ['B', ...shape])
    taps.push({ input, shape, rate })
    for (const name of names) replace[name] = value => builder.apply('mul', [value, mask])
  }
  for (const { input, layer } of words)
    tap(`dropped.${input}`, [layer, ...places], shapes.get(layer)!.slice(1), rates.embedding)
  for (const [at, name] of attention.entries())
    tap(`dropped.attention.${at}`, [name], shapes.get(name)!.slice(1), rates.attention)
  for (const name of modules) tap(`dropped.${name}`, [name], shapes.get(name)!.slice(1), rates.residual)
  const values = builder.include(plain, { replace })
  return { graph: builder.build([values.get('logits')!]), taps }
}

/** Passes that go through the model at once. */
const together = 8

/**
 * A token's probability behind what is read, over passes in which elements are dropped at random where the model was trained so:
 * embeddings, attention probabilities, what attention and feed-forward layers add, and in T5 what is inside the latter and behind
 * the last norms. Draws are keyed by seed, place and pass.
 *
 * @throws AscribeError MODEL_CAPABILITY where the model has no dropout and no rate is given, or dropout changes nothing;
 *   NOT_FINITE where the model gives no numbers.
 */
export async function noisyProbability(
  model: Model,
  { ids, sourceTokens = 0 }: ReadTokens,
  token: number,
  { samples, rate, seed }: DropoutSettings,
  signal?: AbortSignal,
): Promise<NoisyProbability> {
  const rates = ratesOf(model, rate)
  if (Object.values(rates).every(each => each === 0))
    throw new AscribeError('MODEL_CAPABILITY', `Model ${model.name} was trained without dropout`, {
      hint: 'Give a rate: `dropout: { rate: 0.1 }`.',
    })
  const length = ids.length
  const [source, written] = [ids.slice(0, sourceTokens), ids.slice(sourceTokens)]
  const lengths: Sizes = { T: written.length, ...(sourceTokens > 0 ? { S: sourceTokens } : {}) }
  const { graph, taps } = await noisyGraph(model, rates, lengths)
  const values: number[] = []
  for (let from = 0; from < samples; from += together) {
    const count = Math.min(together, samples - from)
    const copies = (row: readonly number[]) => padded(new Array<typeof row>(count).fill(row), 0, true)
    const inputs: Record<string, Tensor> = {
      ...(sourceTokens === 0
        ? { input_ids: copies(written) }
        : {
            input_ids: copies(source),
            attention_mask: copies(source.map(() => 1)),
            decoder_input_ids: copies(written),
          }),
      row: integers([], [written.length - 1]),
    }
    const streams = Array.from({ length: count }, (_, at) => new RandomStream(seed, length, from + at))
    for (const { input, shape, rate: own } of taps) {
      const each = shape.reduce((product, size) => product * size, 1)
      const mask = new Float32Array(count * each)
      // What stays is scaled, so that its mean is what it was.
      for (const [copy, stream] of streams.entries())
        for (let at = 0; at < each; at++) mask[copy * each + at] = stream.uniform() < own ? 0 : 1 / (1 - own)
      inputs[input] = createTensor('f32', [count, ...shape], mask)
    }
    const sizes = { B: count, ...lengths }
    const [logits] = await model.runPlan(
      `dropout ${JSON.stringify([rates, sizes])}`,
      () => graph,
      inputs,
      { sizes },
      signal,
    )
    const width = logits!.data.length / count
    for (let at = 0; at < count; at++)
      values.push(
        Math.exp(
          logProbabilities((logits!.data as Float32Array).subarray(at * width, (at + 1) * width))[token]!,
        ),
      )
  }
  const mean = values.reduce((sum, each) => sum + each, 0) / samples
  const deviation = Math.sqrt(values.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (samples - 1))
  if (!Number.isFinite(deviation))
    throw new AscribeError('NOT_FINITE', `The probability of token ${token} under dropout is NaN or infinite`)
  if (deviation === 0)
    throw new AscribeError('MODEL_CAPABILITY', `Dropout changes nothing of what ${model.name} predicts there`)
  return { mean, deviation }
}
