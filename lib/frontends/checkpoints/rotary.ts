import type { Value } from '../../graph/builder.js'
import type { Config } from './config.js'
import type { Network } from './network.js'
import type { Sequence } from './sequence.js'
import { Unsupported } from './unsupported.js'

/** How rotary positions turn the pairs of features of a head. */
export interface RotarySpec {
  /** Features of each head that turn; the others stay. Even. */
  readonly features: number
  /** Angle per position of each pair; those for long sequences, where they differ, count from `longFrom` tokens on. */
  readonly frequencies: Float32Array
  readonly long?: { readonly frequencies: Float32Array; readonly above: number }
  /** Dynamic scaling: the base grows with the sequence. */
  readonly dynamic?: { readonly base: number; readonly factor: number; readonly above: number }
  /** Multiplies sines and cosines. */
  readonly scaling: number
  /** Neighbours turn together; else the first half turns with the second. */
  readonly interleaved?: boolean
}

export interface RotaryOptions {
  /** Size of a head. */
  size: number
  /** Default base where config.json says none. */
  theta?: number
  /** Share of the features that turn, where the scaling's own entry says none. */
  share?: number
  /** The longest sequence that config.json names. */
  positions: number
}

const { fround } = Math

/** base^(-2i/features), rounded as PyTorch rounds it. */
function plain(base: number, features: number): Float32Array {
  return Float32Array.from({ length: features / 2 }, (_, at) =>
    fround(1 / fround(base ** fround((2 * at) / features))),
  )
}

/** Llama 3: long waves are stretched, short ones stay, those between are blended. */
function llama3(frequencies: Float32Array, config: Config): Float32Array {
  const factor = config.real('factor', undefined, 1e-3, 1e6)
  const low = config.real('low_freq_factor', undefined, 1e-3, 1e6)
  const high = config.real('high_freq_factor', undefined, 1e-3, 1e6)
  const original = config.integer('original_max_position_embeddings')
  if (high <= low) throw config.invalid('high_freq_factor', `more than low_freq_factor (${low})`)
  return frequencies.map(frequency => {
    const wave = (2 * Math.PI) / frequency
    if (wave > original / low) return frequency / factor
    if (wave < original / high) return frequency
    const smooth = (original / wave - low) / (high - low)
    return ((1 - smooth) * frequency) / factor + smooth * frequency
  })
}

/** YaRN (arXiv 2309.00071): a ramp between stretched and plain frequencies. */
function yarn(
  base: number,
  features: number,
  config: Config,
  positions: number,
): { frequencies: Float32Array; scaling: number } {
  const original = config.integer('original_max_position_embeddings', positions)
  const factor = config.real('factor', positions / original, 1e-3, 1e6)
  const fast = config.real('beta_fast', 32, 1e-3, 1e6)
  const slow = config.real('beta_slow', 1, 1e-3, 1e6)
  const place = (turns: number) =>
    (features * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(base))
  const whole = config.flag('truncate', true)
  const first = Math.max(whole ? Math.floor(place(fast)) : place(fast), 0)
  const found = Math.min(whole ? Math.ceil(place(slow)) : place(slow), features - 1)
  const last = found === first ? found + 0.001 : found
  const frequencies = plain(base, features).map((frequency, at) => {
    const ramp = Math.min(1, Math.max(0, (at - first) / (last - first)))
    return (frequency / factor) * ramp + frequency * (1 - ramp)
  })
  const magnitude = (scale: number, by = 1) => (scale <= 1 ? 1 : 0.1 * by * Math.log(scale) + 1)
  const by = config.optionalReal('mscale')
  const all = config.optionalReal('mscale_all_dim')
  const usual = by && all ? magnitude(factor, by) / magnitude(factor, all) : magnitude(factor)
  return { frequencies, scaling: config.real('attention_factor', usual, 0, 1e6) }
}

/** LongRoPE: one list of factors for short sequences and one for long. */
function longrope(
  base: number,
  features: number,
  config: Config,
  options: RotaryOptions,
  original: number,
): RotarySpec {
  const isFactor = (value: unknown): value is number => typeof value === 'number' && value > 0 && value < 1e6
  const divided = (key: string) => {
    const factors = config.list(key, features / 2, 'a positive number', isFactor)
    if (factors === undefined) throw config.invalid(key, 'a list of numbers')
    return Float32Array.from(factors, (by, at) =>
      fround(1 / fround(by * fround(base ** fround((2 * at) / features)))),
    )
  }
  const factor = config.real('factor', options.positions / original, 1e-3, 1e6)
  const usual = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original))
  return {
    features,
    frequencies: divided('short_factor'),
    long: { frequencies: divided('long_factor'), above: original },
    scaling: config.real('attention_factor', usual, 0, 1e6),
  }
}

/**
 * Reads the rotary part of a config.json: `rope_parameters` of newer files, `rope_theta` and `rope_scaling` of older.
 *
 * @param parameters The object with `rope_type`; undefined: no scaling.
 * @throws AscribeError MODEL_INVALID, MODEL_UNSUPPORTED_OP for a kind of scaling that is not known.
 */
export function rotarySpec(
  config: Config,
  parameters: Config | undefined,
  options: RotaryOptions,
): RotarySpec {
  const of = parameters ?? config
  const base = of.real(
    'rope_theta',
    config.real('rope_theta', options.theta ?? 10_000, 1 + 1e-6, 1e12),
    1 + 1e-6,
    1e12,
  )
  const share = of.real('partial_rotary_factor', options.share ?? 1, 0, 1)
  const features = Math.floor(options.size * share)
  if (features < 2 || features % 2 !== 0)
    throw config.invalid(
      'head_dim',
      `heads of which an even number of features turns (${features} of ${options.size})`,
    )
  const kind = parameters?.text('rope_type', parameters.text('type', 'default')) ?? 'default'
  // Ours alone: what llama2.c writes.
  const interleaved = config.flag('rope_interleaved', false)
  const usual: RotarySpec = { features, frequencies: plain(base, features), scaling: 1, interleaved }
  if (parameters === undefined || kind === 'default') return usual
  switch (kind) {
    case 'linear': {
      const factor = parameters.real('factor', undefined, 1e-3, 1e6)
      return { ...usual, frequencies: usual.frequencies.map(each => each / factor) }
    }
    case 'dynamic': {
      const factor = parameters.real('factor', undefined, 1, 1e6)
      if (features === 2) throw new Unsupported('dynamic rotary scaling of a single pair of features')
      return { ...usual, dynamic: { base, factor, above: options.positions } }
    }
    case 'llama3':
      return { ...usual, frequencies: llama3(usual.frequencies, parameters) }
    case 'yarn':
      return { ...usual, ...yarn(base, features, parameters, options.positions) }
    case 'longrope':
    case 'su': {
      const own = parameters.optionalInteger('original_max_position_embeddings')
      const original = own ?? config.integer('original_max_position_embeddings', options.positions)
      return { ...longrope(base, features, parameters, options, original), interleaved }
    }
    default:
      throw new Unsupported(`rotary scaling of type ${JSON.stringify(kind.slice(0, 60))}`)
  }
}

/** Whether sequences turn alike: those of which this is equal do. Dynamic scaling and LongRoPE go by their length. */
export function turningOf(specs: Iterable<RotarySpec>, length: number): number {
  let kind = 0
  for (const { long, dynamic } of specs) {
    if (long !== undefined && length > long.above) kind = Math.max(kind, long.above + 1)
    if (dynamic !== undefined && length > dynamic.above) kind = Math.max(kind, length)
  }
  return kind
}

/** Sines and cosines of one sequence's positions, made once for all layers. */
export class Rotary {
  readonly #cosine: Value
  readonly #sine: Value

  constructor(
    private readonly net: Network,
    sequence: Sequence,
    private readonly spec: RotarySpec,
  ) {
    const at = net.unsqueeze(net.cast(sequence.positions, 'f32'), -1)
    const flat = net.apply('mul', [at, this.#frequencies(sequence)])
    // [T, pairs], or [B, 1, T, pairs] where sequences begin at places of their own
    const angles = sequence.perExample ? net.unsqueeze(flat, 1) : flat
    this.#cosine = net.scaled(net.apply('cos', [angles]), spec.scaling)
    this.#sine = net.scaled(net.apply('sin', [angles]), spec.scaling)
  }

  #frequencies(sequence: Sequence): Value {
    const { net, spec } = this
    const vector = (data: Float32Array) => net.graph.constant('f32', [data.length], data)
    if (spec.long !== undefined) {
      const isLong = net.apply('greater', [sequence.length, net.integers(spec.long.above)])
      return net.apply('where', [isLong, vector(spec.long.frequencies), vector(spec.frequencies)])
    }
    if (spec.dynamic === undefined) return vector(spec.frequencies)
    const { base, factor, above } = spec.dynamic
    const length = net.cast(net.apply('max', [sequence.length, net.integers(above)]), 'f32')
    const growth = net.add(net.scaled(length, factor / above), net.scalar(1 - factor))
    const grown = net.scaled(
      net.apply('pow', [growth, net.scalar(spec.features / (spec.features - 2))]),
      base,
    )
    const exponents = Float32Array.from({ length: spec.features / 2 }, (_, at) => (-2 * at) / spec.features)
    return net.apply('pow', [grown, vector(exponents)])
  }

  /** Turns x [B, heads, T, size]. */
  turn(x: Value, size: number): Value {
    const { net } = this
    const { features, interleaved } = this.spec
    const turned = features === size ? x : net.between(x, 0, features, 3)
    const whole = interleaved ? this.#neighbours(turned) : this.#halves(turned)
    return features === size
      ? whole
      : net.apply('concat', [whole, net.between(x, features, size, 3)], { axis: 3 })
  }

  #halves(x: Value): Value {
    const { net, spec } = this
    const half = spec.features / 2
    const [real, imaginary] = this.#product(
      net.between(x, 0, half, 3),
      net.between(x, half, spec.features, 3),
    )
    return net.apply('concat', [real, imaginary], { axis: 3 })
  }

  #neighbours(x: Value): Value {
    const { net, spec } = this
    const pairs = net.apply('reshape', [x, net.integers(0, 0, 0, spec.features / 2, 2)])
    const sides = this.#product(net.row(pairs, 0, 4), net.row(pairs, 1, 4)).map(side =>
      net.unsqueeze(side, 4),
    )
    return net.apply('reshape', [
      net.apply('concat', sides, { axis: 4 }),
      net.integers(0, 0, 0, spec.features),
    ])
  }

  #product(a: Value, b: Value): [Value, Value] {
    const { net } = this
    const times = (x: Value, y: Value) => net.apply('mul', [x, y])
    return [
      net.apply('sub', [times(a, this.#cosine), times(b, this.#sine)]),
      net.add(times(b, this.#cosine), times(a, this.#sine)),
    ]
  }
}
