import { Attribution } from '../../attribution/attribution.js'
import type { AttributionWarning, Json } from '../../attribution/types.js'
import { createTensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { Target } from '../../graph/target.js'
import { generating } from '../../language/decoding.js'
import type { Model } from '../../model/model.js'
import type { AttributionMethod } from '../attributionMethod.js'
import { engineEnvironment } from '../engineEnvironment.js'
import { type AttributeOptions, checkAttributeOptions, type Explained } from '../inputs/gradientMethod.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type ExplainedSequence, explainedSequence } from './explainedSequence.js'
import { logitsBehind } from './predictionScores.js'

/** What one step's explanation comes to. */
export interface StepExplanation {
  /** One for each token before the explained one. */
  readonly scores: ArrayLike<number>
  /** What is explained, at the input. */
  readonly value?: number
  readonly forwardPasses: number
  readonly details?: { readonly [name: string]: Json }
  readonly warnings?: readonly AttributionWarning[]
  /** Examples of one pass. */
  readonly chunk: number
}

/**
 * The shared course of methods that explain one predicted token of a language model by running it: a method gives the
 * scores of the tokens before it. `attribute` explains what follows a text; `explainGeneration` whole answers.
 */
export abstract class StepMethod implements AttributionMethod {
  /** @throws AscribeError MODEL_CAPABILITY */
  constructor(readonly model: Model) {
    generating(model)
  }

  abstract identity(): MethodIdentity
  /** The name of the number that is explained. */
  abstract readonly explains: string
  /** Scores of the tokens before the one at `position`. */
  protected abstract explainStep(
    sequence: ExplainedSequence,
    position: number,
    options: Pick<AttributeOptions, 'signal' | 'onProgress' | 'chunk'>,
  ): Promise<StepExplanation>

  /**
   * Explains the token that follows a text (or `{ input_ids }`).
   *
   * @param options `target`: the token's id, or `Target.token(-1, id)`; default the most likely one.
   */
  async attribute(input: Explained, options: AttributeOptions = {}): Promise<Attribution> {
    checkAttributeOptions(options)
    for (const name of ['inputs', 'layer', 'baseline', 'tokens'] as const)
      if (options[name] !== undefined)
        throw new AscribeError('OPTION_RANGE', `${this.identity().name} has no place for the option ${name}`)
    const prompt = typeof input === 'string' ? input : idsOf(this.model, input)
    const sequence = await explainedSequence(this.model, prompt, undefined, options.signal)
    const token = await this.#token(sequence, options)
    return this.explain({ ...sequence, ids: [...sequence.ids, token] }, sequence.promptTokens, options)
  }

  async attributeBatch(inputs: readonly Explained[], options: AttributeOptions = {}): Promise<Attribution[]> {
    const results: Attribution[] = []
    for (const input of inputs) results.push(await this.attribute(input, options))
    return results
  }

  async *stream(
    inputs: Iterable<Explained> | AsyncIterable<Explained>,
    options: AttributeOptions = {},
  ): AsyncGenerator<Attribution> {
    for await (const input of inputs) yield await this.attribute(input, options)
  }

  /** Scores of a sequence's tokens for the one at `position`; those that it could not read have 0. */
  async explain(
    sequence: ExplainedSequence,
    position: number,
    options: Pick<AttributeOptions, 'signal' | 'onProgress' | 'chunk'> = {},
  ): Promise<Attribution> {
    const started = performance.now()
    const found = await this.explainStep(sequence, position, options)
    const { tokens, text, offsets, ids } = sequence
    const scores = new Float32Array(tokens.length)
    scores.set(Float32Array.from(found.scores))
    if (!scores.every(Number.isFinite))
      throw new AscribeError('NOT_FINITE', 'The scores hold NaN or infinity')
    const identity = this.identity()
    return new Attribution({
      model: { name: this.model.name, hash: await this.model.hash() },
      target: {
        description: `${this.explains} of token ${ids[position]} behind ${position} tokens`,
        kind: this.explains,
        output: 'logits',
        index: ids[position]!,
        ...(found.value === undefined ? {} : { value: found.value }),
      },
      method: {
        name: identity.name,
        options: identity.options,
        ...(identity.seed === undefined ? {} : { seed: identity.seed }),
        ...(found.details === undefined ? {} : { details: found.details }),
      },
      warnings: found.warnings ?? [],
      cost: {
        forwardPasses: found.forwardPasses,
        backwardPasses: 0,
        milliseconds: performance.now() - started,
      },
      environment: engineEnvironment(this.model.device, found.chunk, this.model.precision),
      inputs: [
        {
          name: 'input_ids',
          units: {
            kind: 'tokens',
            tokens,
            ...(text === undefined || offsets === undefined ? {} : { text, offsets }),
          },
          scores: createTensor('f32', [tokens.length], scores),
        },
      ],
    })
  }

  async #token(sequence: ExplainedSequence, { target, signal }: AttributeOptions): Promise<number> {
    if (Array.isArray(target))
      throw new AscribeError('TARGET_INVALID', `${this.identity().name} explains one token at a time`)
    const { description } = Target.from(target as Target | number | string | undefined)
    const { vocabulary } = generating(this.model).decoder
    if (description.kind === 'top') {
      const [logits] = await logitsBehind(this.model, sequence, [sequence.promptTokens - 1], signal)
      return logits!.reduce((best, value, at) => (value > logits![best]! ? at : best), 0)
    }
    const token =
      description.kind === 'class'
        ? description.of
        : description.kind === 'token' && description.position === -1
          ? description.id
          : undefined
    if (typeof token !== 'number')
      throw new AscribeError('TARGET_INVALID', `${this.identity().name} explains the token behind a text`, {
        hint: 'Give the id of a token, or Target.token(-1, id).',
      })
    if (token >= vocabulary)
      throw new AscribeError('TARGET_INVALID', `There is no token ${token}: the model has ${vocabulary}`)
    return token
  }
}

/** The ids of a model's only input. */
function idsOf(model: Model, input: Exclude<Explained, string>): readonly number[] {
  const { input_ids: ids } = model.named(input as never)
  if (ids === undefined || ids.shape.length !== 2 || ids.shape[0] !== 1)
    throw new AscribeError('INPUT_SHAPE', 'Expected the ids of one text, [1, tokens]')
  return Array.from(ids.data as BigInt64Array, Number)
}
