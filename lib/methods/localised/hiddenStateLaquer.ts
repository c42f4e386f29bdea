import { sentenceEnds } from '../../context/sentences.js'
import { createTensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { statesGraph } from '../../frontends/checkpoints/predictionGraph.js'
import { generating, roundedLength } from '../../language/decoding.js'
import type { Model } from '../../model/model.js'
import type { Span } from '../../regions/spans.js'
import {
  expectKnownKeys,
  expectObject,
  expectSignalAndProgress,
  expectString,
  typeError,
} from '../../validate.js'
import { type Given, type Resolved, resolveOptions } from '../options.js'
import { anchorOf, bestWindow, queryVectors, type Vectors } from './hiddenStateWindows.js'
import { type LocalisedAttribution, rankedSpans, unattributed } from './result.js'
import {
  type CheckedQuery,
  type CoarseRecord,
  checkedQuery,
  intersects,
  mergedSpans,
  type QuerySource,
  type SourceInterval,
} from './sources.js'

export const hiddenStateLaquerOptions = {
  layer: {
    kind: 'integer',
    default: undefined,
    minimum: 1,
    description: 'Whose states are compared: behind so many layers. Default six tenths of them.',
  },
  query: {
    kind: 'choice',
    choices: ['unit', 'raw', 'vote'],
    default: 'unit',
    description:
      'What windows are compared with: the mean of the highlighted tokens at unit length, their plain mean, or each by itself.',
  },
  centred: {
    kind: 'boolean',
    default: false,
    description: 'The mean state of all tokens is taken off first.',
  },
  spans: { kind: 'integer', default: 3, minimum: 1, description: 'Spans that are returned at most.' },
  threshold: {
    kind: 'number',
    default: 0.6,
    minimum: -1,
    maximum: 1,
    description:
      'The least cosine of a span. To be chosen, with the layer, on examples whose truth is known.',
  },
  longest: {
    kind: 'integer',
    default: undefined,
    minimum: 1,
    description: 'Tokens of a span at most. Default twice as many as are highlighted, and ten.',
  },
  lambda: {
    kind: 'number',
    default: 0,
    minimum: 0,
    description: 'What a span loses for being as long as the highlight.',
  },
  within: {
    kind: 'choice',
    choices: ['sentence', 'source'],
    default: 'sentence',
    description: 'What no span crosses the border of.',
  },
} as const

export type HiddenStateLaquerOptions = Given<typeof hiddenStateLaquerOptions>

/** The layer whose states are read where none is asked for: six tenths of the way. */
export const usualLayer = (layers: number): number => Math.max(1, Math.round(0.6 * layers))

/** What a response was written from. */
export interface LaquerRequest {
  readonly sources: readonly QuerySource[]
  readonly output: string
  /** Text before a source, between it and the next, and before the output. Default: sources one below the other. */
  readonly layout?: { readonly before?: string; readonly between?: string; readonly output?: string }
}

/** A token, and where it lies in a source or in the output. */
interface Placed {
  readonly token: number
  readonly span: Span
}

/**
 * Localised queries by hidden states: the spans of the sources whose states in a middle layer are most like those of the
 * highlighted tokens. {@link read} runs the model once over sources and output; every query on that response is answered from
 * the states that were kept.
 *
 * An anchor (the source token most like a highlighted one) grows to the window around it whose mean state is nearest to the
 * query, inside one sentence; then it is taken away, and the next one is looked for. Source tokens know only what stands before
 * them.
 *
 * Source: Hirsch et al., "LAQuer: localized attribution queries in content-grounded generation" (ACL 2025). Its method on
 * internals is not published as code: this is a reconstruction after Phukan et al. 2024, and the windows are our own
 * [unconfirmed].
 *
 * @example
 * const response = await new HiddenStateLaquer(model).read({ sources, output })
 * const { spans } = response.query([{ start: 12, end: 31 }])
 */
export class HiddenStateLaquer {
  readonly options: Resolved<typeof hiddenStateLaquerOptions>
  readonly #layers: readonly string[]

  /** @throws AscribeError MODEL_CAPABILITY for models that write no text, or whose encoder reads another; OPTION_RANGE for a layer that it does not have. */
  constructor(
    readonly model: Model,
    options: HiddenStateLaquerOptions = {},
  ) {
    // Copied words have nearly the same states in one stack; cosines between two stacks tell nothing.
    if (generating(model).decoder.encode !== undefined)
      throw new AscribeError(
        'MODEL_CAPABILITY',
        `Model ${model.name} reads sources with an encoder and writes with a decoder, whose states are apart: they cannot be compared`,
        { hint: 'PromptLaquer asks a model; AttnTrace traces the tokens of a part of the answer.' },
      )
    this.options = resolveOptions(hiddenStateLaquerOptions, options)
    this.#layers = model
      .layers()
      .flatMap(({ name }) => (/(^|\.)(layers|layer|h)\.\d+$/.test(name) ? [name] : []))
    const { layer } = this.options
    if (this.#layers.length === 0 || (layer !== undefined && layer > this.#layers.length))
      throw new AscribeError(
        'OPTION_RANGE',
        `Model ${model.name} has ${this.#layers.length} layers, and the states behind layer ${layer ?? 1} were asked for`,
      )
  }

  /** The layer whose states are read, from 1. */
  get layer(): number {
    return this.options.layer ?? usualLayer(this.#layers.length)
  }

  /**
   * Runs the model over sources and output and keeps the states of one layer.
   *
   * @throws AscribeError TOKENIZER_REQUIRED; INPUT_SHAPE where they are longer than the model reads; INPUT_VALUE.
   */
  async read(request: LaquerRequest, options: { signal?: AbortSignal } = {}): Promise<LaquerResponse> {
    expectKnownKeys('options', expectObject('options', options), ['signal'])
    expectSignalAndProgress(options)
    expectObject('request', request)
    expectKnownKeys('request', request, ['sources', 'output', 'layout'])
    const { model } = this
    const { tokenizer } = model
    if (tokenizer === undefined)
      throw new AscribeError('TOKENIZER_REQUIRED', `Model ${model.name} has no tokenizer`)
    const { layout = {} } = request
    expectKnownKeys('layout', expectObject('layout', layout), ['before', 'between', 'output'])
    const { before = '', between = '\n\n', output: gap = '\n\n' } = layout
    for (const [name, text] of Object.entries({ before, between, output: gap }))
      expectString(`layout.${name}`, text)
    // Checks sources and output alike.
    const { sources, output } = checkedQuery({
      sources: request.sources,
      output: request.output,
      highlight: [{ start: 0, end: expectString('output', request.output).length }],
    })
    let text = before
    const starts = new Map<string, number>()
    for (const [at, source] of sources.entries()) {
      if (at > 0) text += between
      starts.set(source.id, text.length)
      text += source.text
    }
    text += gap
    const outputStart = text.length
    text += output
    const { ids, offsets } = await tokenizer.encode(text, { signal: options.signal })
    const { decoder, checkpoint } = generating(model)
    if (ids.length > decoder.contextLength)
      throw new AscribeError(
        'INPUT_SHAPE',
        `Sources and output have ${ids.length} tokens, and model ${model.name} reads ${decoder.contextLength}`,
      )
    const placed = (start: number, end: number): Placed[] =>
      offsets.flatMap((place, token) => {
        if (place === null || !intersects({ start: place[0], end: place[1] }, { start, end })) return []
        const span = { start: Math.max(place[0], start) - start, end: Math.min(place[1], end) - start }
        return [{ token, span }]
      })
    const width = Math.min(roundedLength(ids.length), decoder.contextLength)
    const filled = [...ids, ...new Array<number>(width - ids.length).fill(0)]
    const name = this.#layers[this.layer - 1]!
    const [states] = await model.runPlan(
      `states ${name} ${width}`,
      () => statesGraph(decoder, checkpoint.weights, name),
      { input_ids: createTensor('i64', [1, width], BigInt64Array.from(filled, BigInt)) },
      { sizes: { B: 1, T: width } },
      options.signal,
    )
    const features = states!.shape[2]!
    const data = (states!.data as Float32Array).slice(0, ids.length * features)
    if (this.options.centred) centre(data, features)
    return new LaquerResponse(
      { data, width: features },
      sources,
      output,
      new Map(
        sources.map(({ id, text: own }) => [id, placed(starts.get(id)!, starts.get(id)! + own.length)]),
      ),
      placed(outputStart, text.length),
      this.options,
      { name: 'HiddenStateLaquer', options: { ...this.options, layer: this.layer } },
    )
  }
}

/** Takes the mean of all vectors off each. */
function centre(data: Float32Array, width: number): void {
  const mean = new Float64Array(width)
  const count = data.length / width
  for (let at = 0; at < data.length; at++) mean[at % width]! += data[at]! / count
  for (let at = 0; at < data.length; at++) data[at] = data[at]! - mean[at % width]!
}

/** A response whose states are kept: asks of highlights cost milliseconds. */
export class LaquerResponse {
  /** @internal */
  constructor(
    private readonly states: Vectors,
    readonly sources: readonly QuerySource[],
    readonly output: string,
    private readonly sourceTokens: ReadonlyMap<string, readonly Placed[]>,
    private readonly outputTokens: readonly Placed[],
    private readonly options: Resolved<typeof hiddenStateLaquerOptions>,
    private readonly method: LocalisedAttribution['method'],
  ) {}

  /** Bytes that the states take. */
  get byteLength(): number {
    return this.states.data.byteLength
  }

  /**
   * The source spans of a highlight.
   *
   * @param highlight Stretches of the output, in UTF-16 units. They are extended to whole tokens, which the result says.
   * @param coarse What is known of the output's sentences; without it every source counts.
   * @throws AscribeError INPUT_VALUE for a highlight of nothing; OPTION_RANGE for offsets outside.
   */
  query(highlight: readonly Span[], coarse?: readonly CoarseRecord[]): LocalisedAttribution {
    if (!Array.isArray(highlight)) throw typeError('highlight', 'a list of { start, end }', highlight)
    const { sources, output } = this
    const query = checkedQuery({ sources, output, highlight, ...(coarse === undefined ? {} : { coarse }) })
    const asked = this.outputTokens.filter(({ span }) => query.highlight.some(each => intersects(each, span)))
    if (asked.length === 0)
      throw new AscribeError('INPUT_VALUE', 'No token of the output lies in the highlight')
    const effective = mergedSpans([...query.highlight, ...asked.map(({ span }) => span)])
    if (query.candidates.length === 0) return { ...unattributed(query, this.method), highlight: effective }
    const tokens = asked.map(({ token }) => token)
    const found = this.#windows(query, tokens)
    return {
      spans: rankedSpans(sources, found),
      highlight: effective,
      candidates: query.candidates,
      isUnattributed: found.length === 0,
      warnings: [],
      method: this.method,
    }
  }

  #windows(query: CheckedQuery, tokens: readonly number[]) {
    const { spans: most, threshold, longest = 2 * tokens.length + 10, lambda, query: pooling } = this.options
    const stretches = this.#stretches(query)
    const vectors = queryVectors(this.states, tokens, pooling)
    const taken = new Set<number>()
    const found: (SourceInterval & { score: number })[] = []
    while (found.length < most) {
      const allowed = stretches
        .flatMap(({ placed }) => placed.map(({ token }) => token))
        .filter(at => !taken.has(at))
      const anchor = anchorOf(this.states, allowed, tokens)
      if (anchor === undefined) break
      const stretch = stretches.find(({ placed }) => placed.some(({ token }) => token === anchor.anchor))!
      const own = stretch.placed.map(({ token }) => token)
      // Up to what an earlier span has taken.
      const [first, last] = freeAround(own, anchor.anchor, taken)
      const window = bestWindow(this.states, anchor.anchor, vectors, tokens.length, {
        first,
        last,
        longest,
        lambda,
      })
      if (window.score < threshold) break
      for (let at = window.start; at < window.end; at++) taken.add(at)
      const inside = stretch.placed.filter(({ token }) => token >= window.start && token < window.end)
      const { source, start, end } = stretch.interval
      const text = this.sources.find(({ id }) => id === source)!.text
      const span = wholeWords(
        text,
        { start: inside[0]!.span.start, end: inside.at(-1)!.span.end },
        { start, end },
      )
      found.push({ source, ...withoutOverlap(span, source, found), score: window.score })
    }
    return found.filter(({ start, end }) => end > start)
  }

  /** Candidates cut at sentences, with the tokens of each. */
  #stretches({ candidates, sources }: CheckedQuery) {
    return candidates.flatMap(({ source, start, end }) => {
      const { text } = sources.find(({ id }) => id === source)!
      const ends =
        this.options.within === 'source'
          ? [end]
          : [...sentenceEnds(text).filter(each => each > start && each < end), end]
      return ends.flatMap((to, at) => {
        const interval: SourceInterval = { source, start: ends[at - 1] ?? start, end: to }
        const placed = this.sourceTokens
          .get(source)!
          .filter(({ span }) => span.start >= interval.start && span.end <= interval.end)
        return placed.length === 0 ? [] : [{ interval, placed }]
      })
    })
  }
}

/** The run of free tokens around one. */
function freeAround(own: readonly number[], anchor: number, taken: ReadonlySet<number>): [number, number] {
  let [first, last] = [anchor, anchor + 1]
  while (first - 1 >= own[0]! && !taken.has(first - 1)) first--
  while (last <= own.at(-1)! && !taken.has(last)) last++
  return [first, last]
}

const words = new Intl.Segmenter('und', { granularity: 'word' })

/** A stretch grown to whole words inside its bounds, without the white space at its ends. */
export function wholeWords(text: string, span: Span, bounds: Span): Span {
  let { start, end } = span
  for (const { index, segment, isWordLike } of words.segment(text.slice(bounds.start, bounds.end))) {
    const [from, to] = [bounds.start + index, bounds.start + index + segment.length]
    if (!isWordLike) continue
    if (from < start && to > start) start = from
    if (from < end && to > end) end = to
  }
  const own = text.slice(start, end)
  return {
    start: start + own.length - own.trimStart().length,
    end: end - (own.length - own.trimEnd().length),
  }
}

/** A stretch without what earlier ones have. */
function withoutOverlap(span: Span, source: string, earlier: readonly SourceInterval[]): Span {
  let { start, end } = span
  for (const other of earlier) {
    if (other.source !== source || !intersects(other, { start, end })) continue
    if (other.start <= start) start = Math.min(end, other.end)
    else end = Math.max(start, other.start)
  }
  return { start, end }
}
