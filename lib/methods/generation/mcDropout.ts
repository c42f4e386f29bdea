import type { GraphDescription } from '#typings/addon.js'
import { createTensor, type Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { lastLogitsGraph } from '../../frontends/checkpoints/predictionGraph.js'
import { RandomStream } from '../../games/randomStream.js'
import { GraphBuilder, type Value } from '../../graph/builder.js'
import { namedAttention } from '../../model/attention.js'
import { embeddingLookups } from '../../model/embeddings.js'
import type { Model } from '../../model/model.js'
import { call, native, settle } from '../../native.js'
import { causalDecoder } from './causalDecoder.js'
import { logProbabilities } from './predictionScores.js'

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
    embedding: first('embd_pdrop', 'embd_dropout'),
    attention: first('attn_pdrop', 'attention_dropout'),
    residual: first('resid_pdrop', 'hidden_dropout', 'dropout', 'resid_dropout'),
  }
}

const moduleName = /\.(self_attn|attn|attention|mlp|fc2)$/

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

/** The model with masks in the places where it was trained with dropout. */
async function noisyGraph(model: Model, rates: Rates, length: number): Promise<Noisy> {
  const key = JSON.stringify([rates, length])
  const made = known.get(model) ?? new Map<string, Promise<Noisy>>()
  known.set(model, made)
  const before = made.get(key) ?? buildNoisy(model, rates, length)
  made.set(key, before)
  return before
}

async function buildNoisy(model: Model, rates: Rates, length: number): Promise<Noisy> {
  const { decoder, weights } = causalDecoder(model)
  const { graph: plain, names: attention } = namedAttention(lastLogitsGraph(decoder, weights))
  const handle = call(() => native().createGraph(plain))
  const shapes = new Map(
    (await settle(() => handle.layers({ B: 1, T: length }))).map(({ name, shape }) => [name, shape]),
  )
  const words = embeddingLookups({ graph: plain }).find(({ input }) => input === 'input_ids')!.layer
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
  tap('dropped.embedding', [words, ...places], shapes.get(words)!.slice(1), rates.embedding)
  for (const [at, name] of attention.entries())
    tap(`dropped.attention.${at}`, [name], shapes.get(name)!.slice(1), rates.attention)
  for (const name of modules) tap(`dropped.${name}`, [name], shapes.get(name)!.slice(1), rates.residual)
  const values = builder.include(plain, { replace })
  return { graph: builder.build([values.get('logits')!]), taps }
}

/** Passes that go through the model at once. */
const together = 8

/**
 * A token's probability behind some ids, over passes in which elements are dropped at random where the model was trained so:
 * embeddings, attention probabilities, and what attention and feed-forward layers add. Draws are keyed by seed, place and pass.
 *
 * @throws AscribeError MODEL_CAPABILITY where the model has no dropout and no rate is given, or dropout changes nothing.
 */
export async function noisyProbability(
  model: Model,
  ids: readonly number[],
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
  const { graph, taps } = await noisyGraph(model, rates, length)
  const values: number[] = []
  for (let from = 0; from < samples; from += together) {
    const count = Math.min(together, samples - from)
    const inputs: Record<string, Tensor> = {
      input_ids: createTensor(
        'i64',
        [count, length],
        BigInt64Array.from(Array.from({ length: count }, () => ids).flat(), BigInt),
      ),
      row: createTensor('i64', [], BigInt64Array.of(BigInt(length - 1))),
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
    const sizes = { B: count, T: length }
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
  if (!(deviation > 0))
    throw new AscribeError('MODEL_CAPABILITY', `Dropout changes nothing of what ${model.name} predicts there`)
  return { mean, deviation }
}
