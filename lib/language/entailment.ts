import type { Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { expectModel } from '../model/expectModel.js'
import type { Model } from '../model/model.js'
import {
  expectInteger,
  expectKnownKeys,
  expectObject,
  expectSignalAndProgress,
  expectString,
  typeError,
} from '../validate.js'
import { padded } from './decoding.js'
import type { EntailmentPair, EntailmentScore, TextEntailment } from './services.js'

export interface EntailmentOptions {
  /** Places of the classes among the model's outputs. Default: as the model's labels say. */
  classes?: { entailment: number; neutral?: number; contradiction?: number }
}

export interface JudgeOptions {
  signal?: AbortSignal
  /** Pairs done and in all. */
  onProgress?: (done: number, total: number) => void
}

/** Tokens that go through the model at once. */
const tokensTogether = 4096

interface Classes {
  readonly entailment: number
  readonly neutral?: number
  readonly contradiction?: number
}

interface Row {
  readonly ids: readonly number[]
  readonly types: readonly number[]
}

/** @throws AscribeError OPTION_* */
export function checkPairs(pairs: readonly EntailmentPair[], options: JudgeOptions): void {
  if (!Array.isArray(pairs)) throw typeError('pairs', 'an array of { premise, hypothesis }', pairs)
  expectObject('judge options', options)
  expectKnownKeys('judge options', options, ['signal', 'onProgress'])
  expectSignalAndProgress(options)
  for (const pair of pairs) {
    expectObject('pair', pair)
    expectKnownKeys('pair', pair, ['premise', 'hypothesis'])
    expectString('premise', pair.premise)
    if (expectString('hypothesis', pair.hypothesis).trim() === '')
      throw new AscribeError('INPUT_VALUE', 'A hypothesis is empty')
  }
}

/** Which output is which, by the words that such models use. */
function classesOf({ labels, name }: Model): Classes {
  const find = (pattern: RegExp): number | undefined => {
    const places = (labels ?? []).flatMap((label, at) => (pattern.test(label.trim()) ? [at] : []))
    return places.length === 1 ? places[0] : undefined
  }
  const entailment = find(/^(entail(s|ment|ed)?|supported)$/i)
  if (entailment === undefined)
    throw new AscribeError(
      'MODEL_CAPABILITY',
      `Which output of ${name} says that a hypothesis follows is not known (${(labels ?? []).slice(0, 5).join(', ') || 'no labels'})`,
      { hint: 'Give `classes`: { entailment: 0, neutral: 1, contradiction: 2 }, as the model has them.' },
    )
  const neutral = find(/^neutral$/i)
  const contradiction = find(/^contradict(s|ion|ed)?$/i)
  return {
    entailment,
    ...(neutral === undefined ? {} : { neutral }),
    ...(contradiction === undefined ? {} : { contradiction }),
  }
}

/**
 * Judges whether hypotheses follow from premises, by a checkpoint that classifies pairs of texts (natural language
 * inference): probabilities of its classes.
 *
 * @example
 * const judge = new Entailment(await loadModel('nli-roberta-base/'))
 * const [{ entailment }] = await judge.judge([{ premise: 'A man sleeps.', hypothesis: 'Somebody sleeps.' }])
 */
export class Entailment implements TextEntailment {
  readonly #classes: Classes

  /** @throws AscribeError MODEL_CAPABILITY for models that do not classify texts, or whose classes are not known. */
  constructor(
    readonly model: Model,
    options: EntailmentOptions = {},
  ) {
    expectModel(model)
    expectObject('entailment options', options)
    expectKnownKeys('entailment options', options, ['classes'])
    const shape = model.outputs[0]?.shape
    const isClassifier = shape?.length === 2 && typeof shape[1] === 'number'
    if (!isClassifier || !model.inputs.some(({ name }) => name === 'input_ids'))
      throw new AscribeError('MODEL_CAPABILITY', `Model ${model.name} does not classify texts`, {
        hint: 'A checkpoint folder of BERT, RoBERTa, DistilBERT, ELECTRA or MPNet for sequence classification does.',
      })
    if (options.classes !== undefined) {
      expectObject('classes', options.classes)
      expectKnownKeys('classes', options.classes, ['entailment', 'neutral', 'contradiction'])
      expectInteger('classes.entailment', options.classes.entailment)
      for (const [name, index] of Object.entries(options.classes))
        expectInteger(`classes.${name}`, index, 0, (shape[1] as number) - 1)
    }
    this.#classes = options.classes ?? classesOf(model)
  }

  /** @throws AscribeError TOKENIZER_REQUIRED; INPUT_SHAPE for a pair that is longer than the model reads: nothing is cut off. */
  async judge(pairs: readonly EntailmentPair[], options: JudgeOptions = {}): Promise<EntailmentScore[]> {
    checkPairs(pairs, options)
    const { signal, onProgress } = options
    const rows: Row[] = []
    for (const pair of pairs) rows.push(await this.#tokens(pair, signal))
    // Pairs of like length side by side, so that little is filled up.
    const order = rows.map((_, at) => at).toSorted((a, b) => rows[a]!.ids.length - rows[b]!.ids.length)
    const found: EntailmentScore[] = []
    for (let from = 0; from < order.length; ) {
      let to = from + 1
      while (to < order.length && (to + 1 - from) * rows[order[to]!]!.ids.length <= tokensTogether) to++
      const places = order.slice(from, to)
      const scores = await this.#run(
        places.map(at => rows[at]!),
        signal,
      )
      for (const [k, at] of places.entries()) found[at] = scores[k]!
      from = to
      onProgress?.(from, order.length)
    }
    return found
  }

  async #tokens({ premise, hypothesis }: EntailmentPair, signal?: AbortSignal): Promise<Row> {
    const { model } = this
    if (model.tokenizer === undefined)
      throw new AscribeError('TOKENIZER_REQUIRED', `Model ${model.name} has no tokenizer`)
    const row = await model.tokenizer.encodePair(premise, hypothesis, { signal })
    const config = model.checkpoint?.config
    const positions = config?.optionalInteger('max_position_embeddings')
    // RoBERTa and its kind begin to count behind the padding.
    const first = /roberta|mpnet/.test(model.checkpoint?.modelType ?? '')
      ? (config!.optionalInteger('pad_token_id', 0) ?? 1) + 1
      : 0
    if (positions !== undefined && row.ids.length > positions - first)
      throw new AscribeError(
        'INPUT_SHAPE',
        `The premise and the hypothesis have ${row.ids.length} tokens, and model ${model.name} reads ${positions - first}`,
        { hint: 'Split the premise, and take the greatest of its parts.' },
      )
    return row
  }

  async #run(rows: readonly Row[], signal?: AbortSignal): Promise<EntailmentScore[]> {
    const { model } = this
    const padding = model.checkpoint?.config.optionalInteger('pad_token_id', 0) ?? 0
    const given: Record<string, Tensor> = {
      input_ids: padded(
        rows.map(({ ids }) => ids),
        padding,
        true,
      ),
      attention_mask: padded(
        rows.map(({ ids }) => ids.map(() => 1)),
        0,
        true,
      ),
      token_type_ids: padded(
        rows.map(({ types }) => types),
        0,
        true,
      ),
    }
    const inputs = Object.fromEntries(
      model.inputs.map(({ name }) => {
        if (given[name] === undefined)
          throw new AscribeError('INPUT_MISSING', `What input "${name}" of ${model.name} holds is not known`)
        return [name, given[name]]
      }),
    )
    const name = model.outputs[0]!.name
    const { outputs } = await model.run(inputs, { outputs: [name], ...(signal ? { signal } : {}) })
    const logits = outputs[name]!.data as Float32Array
    const count = logits.length / rows.length
    return rows.map((_, at) => this.#score(logits.subarray(at * count, (at + 1) * count)))
  }

  #score(logits: Float32Array): EntailmentScore {
    const most = logits.reduce((a, b) => Math.max(a, b))
    const weights = Float64Array.from(logits, logit => Math.exp(logit - most))
    const total = weights.reduce((a, b) => a + b, 0)
    const { entailment, neutral, contradiction } = this.#classes
    return {
      entailment: weights[entailment]! / total,
      ...(neutral === undefined ? {} : { neutral: weights[neutral]! / total }),
      ...(contradiction === undefined ? {} : { contradiction: weights[contradiction]! / total }),
    }
  }
}
