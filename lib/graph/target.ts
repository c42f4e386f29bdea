import { AscribeError } from '../errors.js'
import {
  expectInteger,
  expectKnownKeys,
  expectNumber,
  expectObject,
  expectOneOf,
  typeError,
} from '../validate.js'
import type { GraphBuilder, Value } from './builder.js'
import { type PredictionName, predictionNames, predictionReads } from './predictionTarget.js'

/** A class by its index among the model's outputs, or by its label. */
export type ClassName = number | string

/** What is explained: one number per example, computed from the model's outputs. */
export type TargetDescription =
  | { readonly kind: 'top' }
  | { readonly kind: 'class'; readonly of: ClassName }
  | { readonly kind: 'weighted'; readonly terms: readonly (readonly [ClassName, number])[] }
  | { readonly kind: 'regression' }
  | { readonly kind: 'neuron'; readonly layer: string; readonly index: readonly number[] }
  | { readonly kind: 'token'; readonly position: number; readonly id: number }
  | {
      readonly kind: 'region'
      readonly channel: number
      readonly box: readonly [number, number, number, number]
    }
  | {
      readonly kind: 'mask'
      readonly channel: number
      readonly mask: Float32Array
      readonly height: number
      readonly width: number
    }
  | { readonly kind: 'segment'; readonly channel: number }
  | {
      readonly kind: 'detection'
      readonly class: number
      readonly box: readonly [number, number, number, number]
      readonly outputs: DetectionOutputs
    }
  | { readonly kind: 'similarity'; readonly reference: Float32Array }
  | ({ readonly kind: 'prediction'; readonly of: PredictionName } & PredictionDetails)
  | { readonly kind: 'expression'; readonly name: string; readonly build: TargetExpression }

/** Which next token's distribution a prediction reads, and what it is compared with. */
export interface PredictionDetails {
  /** Row of an output [N, T, vocabulary] (negative counts from the end): the token after that place is predicted. Default: the output is one distribution, [N, vocabulary]. */
  readonly position?: number
  /** The token (or class) that is explained; needed by all functions but `entropy` and `klDivergence`. */
  readonly token?: number
  /** For contrasts: another token, or logits in another context, or both. */
  readonly contrast?: { readonly token?: number; readonly logits?: ArrayLike<number> }
  /** Of `mcDropoutProbability`: the token's probability over passes with dropout. */
  readonly noisy?: { readonly mean: number; readonly deviation: number }
  /** Of `klDivergence`: only so many most likely tokens count. Default all. */
  readonly topK?: number
  /** Of `klDivergence`: only the fewest most likely tokens that have this probability together count. Default all. */
  readonly topP?: number
}

/** Where a detector has what it found: scores [N, boxes, classes] and boxes [N, boxes, 4]. */
export interface DetectionOutputs {
  readonly scores: string
  readonly boxes: string
  /** Default `corners`: left, top, right, bottom; `centre`: centre x, centre y, width, height. */
  readonly format?: 'corners' | 'centre'
}

/** Any small expression: gets the builder and the model's outputs by name, returns one value per example, [N]. */
export type TargetExpression = (graph: GraphBuilder, outputs: ReadonlyMap<string, Value>) => Value

/** Which form of a classifier's score is explained. */
export type Score = 'logit' | 'probability' | 'logProbability'

export interface TargetOptions {
  /** Which output, by name. Default: the only one, or the first. */
  output?: string
  /**
   * Default `logit`: a final softmax or sigmoid of the model is looked behind, and the result says so. `probability`
   * and `logProbability` apply a softmax over the classes to the logits.
   */
  score?: Score
}

/**
 * Says which scalar is explained, so that every method serves every task. Immutable.
 *
 * @example Target.label('golden retriever')
 * @example Target.difference('cat', 'dog')
 */
export class Target {
  private constructor(
    readonly description: TargetDescription,
    readonly options: TargetOptions = {},
  ) {}

  /** Each example's class with the highest score. The default. */
  static top(options?: TargetOptions): Target {
    return new Target({ kind: 'top' }, options)
  }
  /** A class by its index. */
  static class(index: number, options?: TargetOptions): Target {
    return new Target({ kind: 'class', of: expectInteger('class', index, 0) }, options)
  }
  /** A class by its label. */
  static label(label: string, options?: TargetOptions): Target {
    if (typeof label !== 'string') throw typeError('label', 'a string', label)
    return new Target({ kind: 'class', of: label }, options)
  }
  /** Score of `a` minus score of `b`: why this one and not that one. */
  static difference(a: ClassName, b: ClassName, options?: TargetOptions): Target {
    return new Target(
      {
        kind: 'weighted',
        terms: [
          [a, 1],
          [b, -1],
        ],
      },
      options,
    )
  }
  /** A weighted sum of class scores. */
  static weighted(terms: readonly (readonly [ClassName, number])[], options?: TargetOptions): Target {
    if (terms.length === 0)
      throw new AscribeError('TARGET_INVALID', 'A weighted target needs at least one term')
    for (const [, weight] of terms) expectNumber('weight', weight)
    return new Target({ kind: 'weighted', terms }, options)
  }
  /** The model's one number per example. */
  static regression(options?: TargetOptions): Target {
    return new Target({ kind: 'regression' }, options)
  }
  /**
   * A unit inside the model: an element of a named value (`model.layers()` lists them).
   *
   * @param index Its place in the value of one example: along each axis, or one number for the place in the flattened value.
   */
  static neuron(layer: string, index: number | readonly number[]): Target {
    if (typeof layer !== 'string') throw typeError('layer', 'a string', layer)
    const places = typeof index === 'number' ? [index] : index
    if (!Array.isArray(places) || places.length === 0)
      throw typeError('index', 'a number, or a list of one for each axis', index)
    return new Target({
      kind: 'neuron',
      layer,
      index: places.map((place, at) => expectInteger(`index[${at}]`, place, 0)),
    })
  }
  /** The logit of token `id` at `position` (negative counts from the end) of an output [N, T, vocabulary]. */
  static token(position: number, id: number, options?: TargetOptions): Target {
    return new Target(
      { kind: 'token', position: expectInteger('position', position), id: expectInteger('id', id, 0) },
      options,
    )
  }
  /** Sum over the box [left, top, right, bottom) of one channel of a spatial output [N, C, H, W]. */
  static box(
    channel: number,
    box: readonly [number, number, number, number],
    options?: TargetOptions,
  ): Target {
    const [left, top, right, bottom] = box.map((edge, i) => expectInteger(`box[${i}]`, edge, 0)) as [
      number,
      number,
      number,
      number,
    ]
    if (right <= left || bottom <= top)
      throw new AscribeError('TARGET_INVALID', `The box [${box.join(', ')}] is empty`)
    return new Target(
      { kind: 'region', channel: expectInteger('channel', channel, 0), box: [left, top, right, bottom] },
      options,
    )
  }
  /** Weighted sum over one channel of a spatial output [N, C, H, W]; `mask` is row-major, height x width. */
  static mask(
    channel: number,
    mask: ArrayLike<number>,
    height: number,
    width: number,
    options?: TargetOptions,
  ): Target {
    if (mask.length !== height * width)
      throw new AscribeError(
        'TARGET_INVALID',
        `The mask has ${mask.length} elements, expected ${height} x ${width}`,
      )
    return new Target(
      {
        kind: 'mask',
        channel: expectInteger('channel', channel, 0),
        mask: Float32Array.from(mask),
        height,
        width,
      },
      options,
    )
  }
  /**
   * What a segmentation calls a class: the sum of the scores of `channel` over those pixels of an output [N, C, H, W] at
   * which it is the greatest. The pixels are those of each input itself; what they are has no derivative.
   */
  static segment(channel: number, options?: TargetOptions): Target {
    return new Target({ kind: 'segment', channel: expectInteger('channel', channel, 0) }, options)
  }
  /**
   * The score of a class for the box of a detector that overlaps most (intersection over union) with the given one, in the
   * units of the boxes' output. Which box that is has no derivative.
   */
  static detection(
    ofClass: number,
    box: readonly [number, number, number, number],
    outputs: DetectionOutputs,
  ): Target {
    const edges = box.map((edge, i) => expectNumber(`box[${i}]`, edge)) as [number, number, number, number]
    if (edges.length !== 4 || edges[2] <= edges[0] || edges[3] <= edges[1])
      throw new AscribeError('TARGET_INVALID', `The box [${box.join(', ')}] is empty`)
    expectOneOf('format', outputs.format ?? 'corners', ['corners', 'centre'])
    return new Target(
      { kind: 'detection', class: expectInteger('class', ofClass, 0), box: edges, outputs },
      { output: outputs.scores },
    )
  }
  /** The cosine between an output [N, D] (an embedding) and a reference of D numbers. */
  static similarity(reference: ArrayLike<number>, options?: TargetOptions): Target {
    const vector = Float32Array.from(reference)
    if (!vector.every(Number.isFinite) || !vector.some(value => value !== 0))
      throw new AscribeError('TARGET_INVALID', 'The reference must be finite and not all zeros')
    return new Target({ kind: 'similarity', reference: vector }, options)
  }
  /**
   * A function of the distribution of a next token (or of classes): probability, entropy, contrasts and others, those that
   * Inseq has.
   *
   * @example Target.prediction('contrastLogitDifference', { position: -1, token: 12, contrast: { token: 31 } })
   * @throws AscribeError TARGET_INVALID where the function lacks what it reads.
   */
  static prediction(of: PredictionName, details: PredictionDetails = {}, options?: TargetOptions): Target {
    expectOneOf('function', of, predictionNames)
    return new Target({ kind: 'prediction', of, ...checkedPrediction(of, details) }, options)
  }
  /** Any expression of the outputs that yields one value per example. */
  static expression(name: string, build: TargetExpression, options?: TargetOptions): Target {
    return new Target({ kind: 'expression', name, build }, options)
  }

  /** A number is a class, a text is a label, a Target is itself, nothing is the top class. */
  static from(target: Target | number | string | undefined): Target {
    if (target === undefined) return Target.top()
    if (target instanceof Target) return target
    if (typeof target === 'number') return Target.class(target)
    if (typeof target === 'string') return Target.label(target)
    throw typeError('target', 'a class index, a label or a Target', target)
  }
}

function checkedPrediction(of: PredictionName, details: PredictionDetails): PredictionDetails {
  expectObject('prediction', details)
  expectKnownKeys('prediction', details, ['position', 'token', 'contrast', 'noisy', 'topK', 'topP'])
  const { position, token, contrast, topK, topP } = details
  if (position !== undefined) expectInteger('position', position)
  if (token !== undefined) expectInteger('token', token, 0)
  if (topK !== undefined) expectInteger('topK', topK, 1)
  if (topP !== undefined) expectNumber('topP', topP, Number.MIN_VALUE, 1)
  const reads = predictionReads(of)
  const lacks = (what: string) => new AscribeError('TARGET_INVALID', `The target ${of} needs ${what}`)
  if ((reads === 'token' || reads === 'contrast') && token === undefined) throw lacks('`token`')
  if (of === 'mcDropoutProbability' && details.noisy === undefined) throw lacks('`noisy`: mean and deviation')
  if (details.noisy !== undefined) {
    expectNumber('noisy.mean', details.noisy.mean, 0, 1)
    expectNumber('noisy.deviation', details.noisy.deviation, Number.MIN_VALUE, 1)
  }
  if (contrast !== undefined) {
    expectObject('contrast', contrast)
    expectKnownKeys('contrast', contrast, ['token', 'logits'])
    if (contrast.token !== undefined) expectInteger('contrast.token', contrast.token, 0)
    if (contrast.logits !== undefined && !Array.from(contrast.logits).every(Number.isFinite))
      throw new AscribeError('TARGET_INVALID', 'The logits of the contrast must be finite')
  }
  if (reads === 'contrast' && contrast?.token === undefined && contrast?.logits === undefined)
    throw lacks('a `contrast`: another token, or logits in another context')
  if (reads === 'distributions' && contrast?.logits === undefined)
    throw lacks('`contrast.logits`, in another context')
  const logits = contrast?.logits
  return {
    ...details,
    ...(logits === undefined ? {} : { contrast: { ...contrast, logits: Float32Array.from(logits) } }),
  }
}

/** The index of a class given by index or label. */
export function classIndex(of: ClassName, labels: readonly string[] | undefined): number {
  if (typeof of === 'number') return of
  if (labels === undefined)
    throw new AscribeError(
      'TARGET_INVALID',
      `The target "${of}" is a label, but the model was loaded without labels`,
      {
        hint: 'Pass `labels` to loadModel, or give the class index.',
      },
    )
  const exact = labels.indexOf(of)
  if (exact >= 0) return exact
  const folded = labels.flatMap((label, index) => (label.toLowerCase() === of.toLowerCase() ? [index] : []))
  if (folded.length === 1) return folded[0] as number
  const near = labels.filter(label => label.toLowerCase().includes(of.toLowerCase())).slice(0, 5)
  throw new AscribeError(
    'TARGET_INVALID',
    `No label is "${of}"`,
    near.length > 0 ? { hint: `Did you mean ${near.join(', ')}?` } : {},
  )
}
