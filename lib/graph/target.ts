import { AscribeError } from '../errors.js'
import { expectInteger, expectNumber, typeError } from '../validate.js'
import type { GraphBuilder, Value } from './builder.js'

/** A class by its index among the model's outputs, or by its label. */
export type ClassName = number | string

/** What is explained: one number per example, computed from the model's outputs. */
export type TargetDescription =
  | { readonly kind: 'top' }
  | { readonly kind: 'class'; readonly of: ClassName }
  | { readonly kind: 'weighted'; readonly terms: readonly (readonly [ClassName, number])[] }
  | { readonly kind: 'regression' }
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
  | { readonly kind: 'expression'; readonly name: string; readonly build: TargetExpression }

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
