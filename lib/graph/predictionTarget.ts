import type { GraphBuilder, Value } from './builder.js'

/** What a function of a prediction is computed from, for a batch of N. */
export interface PredictionParts {
  readonly graph: GraphBuilder
  /** Logits, [N, V]. */
  readonly logits: Value
  /** The token that is explained, i64 [N, 1]. */
  readonly token: Value
  /** The token that it is compared with, i64 [N, 1]; the same one where only the context differs. */
  readonly contrast: Value
  /** Logits in another context, [N, V]; the same ones where only the token differs. */
  readonly reference: Value
  readonly topK: number | undefined
  readonly topP: number | undefined
  /** Of `mcDropoutProbability`: the token's probability over noisy passes, [N] each. */
  readonly noisy?: { readonly mean: Value; readonly deviation: Value } | undefined
}

/** One function of the distribution of a next token. */
interface PredictionFunction {
  readonly summary: string
  /** What it reads beside the logits. */
  readonly reads: 'nothing' | 'token' | 'contrast' | 'distributions'
  readonly build: (parts: PredictionParts) => Value
}

const picked = ({ graph }: PredictionParts, rows: Value, at: Value): Value =>
  graph.apply('reshape', [graph.apply('gatherElements', [rows, at], { axis: 1 }), graph.integers([-1])])
const logarithms = ({ graph }: PredictionParts, rows: Value): Value =>
  graph.apply('logSoftmax', [rows], { axis: -1 })
const summed = ({ graph }: PredictionParts, rows: Value): Value =>
  graph.apply('sum', [rows], { axes: [-1], keepDims: 0 })

const logit = (parts: PredictionParts): Value => picked(parts, parts.logits, parts.token)
const logProbability = (parts: PredictionParts): Value =>
  picked(parts, logarithms(parts, parts.logits), parts.token)
const probability = (parts: PredictionParts): Value => parts.graph.apply('exp', [logProbability(parts)])
const contrastLogit = (parts: PredictionParts): Value => picked(parts, parts.reference, parts.contrast)
const contrastLogProbability = (parts: PredictionParts): Value =>
  picked(parts, logarithms(parts, parts.reference), parts.contrast)
const contrastProbability = (parts: PredictionParts): Value =>
  parts.graph.apply('exp', [contrastLogProbability(parts)])
const surprise = (parts: PredictionParts): Value => parts.graph.apply('neg', [logProbability(parts)])
const minus = ({ graph }: PredictionParts, a: Value, b: Value): Value => graph.apply('sub', [a, b])

/** Far below every logit, and finite: a softmax makes exact zeros of it. */
const left = -1e30

/** Rows in which the tokens that the own distribution's topP and topK leave out cannot come; which they are has no derivative. */
function filtered(parts: PredictionParts, rows: Value): Value {
  const { graph, logits, topK, topP } = parts
  const vocabulary = graph.apply('shape', [logits], { start: -1 })
  const threshold = (count: Value, keep?: (values: Value) => Value): Value => {
    const [values] = graph.applyMany('topK', [logits, count], 2, { axis: -1, largest: 1 }) as [Value, Value]
    const kept = keep === undefined ? values : keep(values)
    return graph.apply('reduceMin', [kept], { axes: [-1], keepDims: 1 })
  }
  let result = rows
  const cut = (least: Value) => {
    const isKept = graph.apply('greaterOrEqual', [logits, graph.apply('stopGradient', [least])])
    result = graph.apply('where', [isKept, result, graph.scalar(left)])
  }
  if (topP !== undefined)
    cut(
      threshold(vocabulary, values => {
        const before = graph.apply('cumSum', [graph.apply('softmax', [values], { axis: -1 })], {
          axis: 1,
          exclusive: 1,
        })
        const most = graph.apply('reduceMax', [values], { axes: [-1], keepDims: 1 })
        // The most likely token is always kept.
        const isKept = graph.apply('less', [before, graph.scalar(topP)])
        return graph.apply('where', [isKept, values, most])
      }),
    )
  if (topK !== undefined) cut(threshold(graph.apply('min', [vocabulary, graph.integers([topK])])))
  return result
}

function divergence(parts: PredictionParts): Value {
  const { graph } = parts
  const own = logarithms(parts, filtered(parts, parts.logits))
  const other = logarithms(parts, filtered(parts, parts.reference))
  return summed(parts, graph.apply('mul', [graph.apply('exp', [own]), minus(parts, own, other)]))
}

/** Functions of the distribution of a next token, by name: those that Inseq has, and the logarithm of a probability. */
export const predictionFunctions = {
  logit: { reads: 'token', build: logit, summary: "The token's logit." },
  probability: { reads: 'token', build: probability, summary: "The token's probability." },
  logProbability: {
    reads: 'token',
    build: logProbability,
    summary: "The logarithm of the token's probability, in nats.",
  },
  entropy: {
    reads: 'nothing',
    build: parts => {
      const own = logarithms(parts, parts.logits)
      const { graph } = parts
      return graph.apply('neg', [summed(parts, graph.apply('mul', [graph.apply('exp', [own]), own]))])
    },
    summary: 'The entropy of the distribution, in nats.',
  },
  crossEntropy: {
    reads: 'token',
    build: surprise,
    summary: "Minus the logarithm of the token's probability, in nats.",
  },
  perplexity: {
    reads: 'token',
    build: parts => parts.graph.apply('exp', [surprise(parts)]),
    summary:
      "One over the token's probability: e to the cross-entropy (Inseq raises 2 to it, which is none of a cross-entropy in nats).",
  },
  contrastLogit: { reads: 'contrast', build: contrastLogit, summary: 'The logit of the contrast.' },
  contrastProbability: {
    reads: 'contrast',
    build: contrastProbability,
    summary: 'The probability of the contrast.',
  },
  contrastLogitDifference: {
    reads: 'contrast',
    build: parts => minus(parts, logit(parts), contrastLogit(parts)),
    summary: "The token's logit less the contrast's: why this token and not that one (Yin and Neubig 2022).",
  },
  contrastProbabilityDifference: {
    reads: 'contrast',
    build: parts => minus(parts, probability(parts), contrastProbability(parts)),
    summary: "The token's probability less the contrast's.",
  },
  pcxmi: {
    reads: 'contrast',
    build: parts => {
      const bits = minus(parts, contrastLogProbability(parts), logProbability(parts))
      return parts.graph.apply('mul', [bits, parts.graph.scalar(1 / Math.LN2)])
    },
    summary:
      "Pointwise conditional cross-mutual information: minus the logarithm, base 2, of the token's probability over the contrast's, with the sign that Inseq has.",
  },
  inContextPvi: {
    reads: 'contrast',
    build: parts => minus(parts, contrastLogProbability(parts), logProbability(parts)),
    summary: 'In-context pointwise usable information: the same in nats (Lu et al. 2023, as Inseq has it).',
  },
  mcDropoutProbability: {
    reads: 'token',
    build: parts => {
      const { mean, deviation } = parts.noisy!
      return parts.graph.apply('div', [minus(parts, probability(parts), mean), deviation])
    },
    summary:
      "The token's probability less its mean over passes with dropout, in their standard deviations, which are constants.",
  },
  klDivergence: {
    reads: 'distributions',
    build: divergence,
    summary:
      'Kullback-Leibler divergence of the distribution from that in the other context, in nats; topP, then topK keep the most likely tokens of the explained one and are scaled to 1.',
  },
} as const satisfies Record<string, PredictionFunction>

/** The name of a function of a next token's distribution. */
export type PredictionName = keyof typeof predictionFunctions
export const predictionNames = Object.keys(predictionFunctions) as PredictionName[]

/** One number for each row of logits. */
export const predictionObjective = (name: PredictionName, parts: PredictionParts): Value =>
  (predictionFunctions[name] as PredictionFunction).build(parts)

/** What a function reads beside the logits. */
export const predictionReads = (name: PredictionName): PredictionFunction['reads'] =>
  predictionFunctions[name].reads
