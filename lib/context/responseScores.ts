import { createTensor, type Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { responseGraph } from '../frontends/checkpoints/decodingGraph.js'
import { type Coalition, coalitionOf, membersOf } from '../games/coalition.js'
import { type CoalitionEvaluator, CoalitionGame, type Request } from '../games/coalitionGame.js'
import { generating, padded, roundedLength } from '../language/decoding.js'
import type { Model } from '../model/model.js'
import type { ContextPrompt } from './contextPrompt.js'

/** Tokens that go through the model at once, filled up ones too. */
const tokensTogether = 4096
const greatestBatch = 32
/** Logits that are there at once: rows of the response times the vocabulary. */
const logitsTogether = 1 << 25
/** What a probability of 0 counts in a sum of logarithms, as TracLLM has it. */
const impossible = -1000

const integers = (values: readonly number[]): Tensor =>
  createTensor('i64', [values.length], BigInt64Array.from(values, BigInt))

/** log σ(x), the logarithm of a probability from its log-odds. */
export function logSigmoid(x: number): number {
  return Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)))
}

/** The response's log-probability in nats from its tokens' log-odds; -1000 where it is impossible. */
export function logProbabilityOf(logOdds: ArrayLike<number>): number {
  let sum = 0
  for (let at = 0; at < logOdds.length; at++) sum += logSigmoid(logOdds[at]!)
  return sum === Number.NEGATIVE_INFINITY ? impossible : sum
}

/**
 * How likely a response is under a prompt that keeps only some texts of its context: one teacher-forced pass for each
 * set, in which only the rows that predict the response go through the product with the vocabulary. A value is the
 * response's tokens' log-odds, log(p / (1 - p)), one for each token: the logit less the logarithm of the sum of all
 * others', exact where p is near 1 and a logarithm of p would not be. Sets that were asked for are remembered, whatever
 * is read of them.
 *
 * @example
 * const scores = new ResponseScores(await ContextPrompt.create(model, { context, question, response }))
 * const game = scores.game() // players are texts, values the response's log-probability
 * const [all, none] = await game.valueBatch([fullCoalition(n), emptyCoalition(n)])
 */
export class ResponseScores {
  readonly #known: CoalitionGame
  #tokens = 0

  constructor(readonly prompt: ContextPrompt) {
    const evaluator: CoalitionEvaluator = {
      batch: greatestBatch,
      width: prompt.answered().ids.length,
      evaluate: (requests, signal) => this.#evaluate(requests, signal),
    }
    this.#known = new CoalitionGame({ players: prompt.texts.length, evaluator })
  }

  /** Passes so far: sets that were not known. */
  get evaluations(): number {
    return this.#known.cost.evaluations
  }

  /** Tokens of those passes, the response's among them, without what rows are filled up with. */
  get tokens(): number {
    return this.#tokens
  }

  /** Log-odds of the response's tokens, one vector for each set of texts. */
  async logOdds(kept: readonly Coalition[], signal?: AbortSignal): Promise<readonly Float64Array[]> {
    return this.#known.valueBatch(kept, { signal })
  }

  /** The response's log-probability with these texts only, in nats. */
  async logProbability(kept: Iterable<number>, signal?: AbortSignal): Promise<number> {
    const [odds] = await this.logOdds([coalitionOf(this.prompt.texts.length, kept)], signal)
    return logProbabilityOf(odds!)
  }

  /**
   * The game of the texts. Games of one response share what is known.
   *
   * @param value What a set is worth, from its log-odds. Default the sum of log-probabilities.
   */
  game(value: (logOdds: Float64Array) => number = logProbabilityOf): CoalitionGame {
    return new CoalitionGame({
      players: this.prompt.texts.length,
      evaluator: {
        batch: greatestBatch,
        width: 1,
        evaluate: async (requests, signal) => {
          const found = await this.logOdds(
            requests.map(({ coalition }) => coalition),
            signal,
          )
          return found.map(odds => Float64Array.of(value(odds)))
        },
      },
    })
  }

  async #evaluate(requests: readonly Request[], signal?: AbortSignal): Promise<readonly Float64Array[]> {
    const { prompt } = this
    const { decoder } = generating(prompt.model)
    const response = prompt.response.ids
    const rows: number[][] = []
    for (const { coalition } of requests) {
      const { ids } = await prompt.tokens(membersOf(coalition), signal)
      if (ids.length === 0)
        throw new AscribeError('INPUT_VALUE', 'Without its texts the prompt has no token', {
          hint: 'Put a template around the context.',
        })
      const row = [...ids, ...response]
      if (row.length > decoder.contextLength)
        throw new AscribeError(
          'INPUT_SHAPE',
          `A prompt and the response are ${row.length} tokens, and model ${prompt.model.name} reads ${decoder.contextLength} in all`,
        )
      rows.push(row)
      this.#tokens += row.length
    }
    const found: Float64Array[] = []
    const lengths = rows.map(row => row.length)
    for (const places of rowGroups(lengths, response.length, decoder.vocabulary)) {
      const group = places.map(at => rows[at]!)
      const odds = await logOddsOf(prompt.model, group, response, signal)
      for (const [k, at] of places.entries()) found[at] = odds[k]!
    }
    return found
  }
}

/** Rows that go through the model side by side, by their places: those of like length, so that little is filled up. */
export function rowGroups(lengths: readonly number[], response: number, vocabulary: number): number[][] {
  const groups: number[][] = []
  for (const at of lengths.map((_, place) => place).toSorted((a, b) => lengths[a]! - lengths[b]! || a - b)) {
    const group = groups.at(-1)
    const count = (group?.length ?? 0) + 1
    const fits = count * lengths[at]! <= tokensTogether && count * response * vocabulary <= logitsTogether
    if (group !== undefined && fits) group.push(at)
    else groups.push([at])
  }
  return groups
}

/**
 * Log-odds of the tokens that each row ends with.
 *
 * @param masks Of each row's tokens, 1 for those that may be read. Default: all may.
 */
export async function logOddsOf(
  model: Model,
  group: readonly (readonly number[])[],
  response: readonly number[],
  signal?: AbortSignal,
  masks?: readonly (readonly number[])[],
): Promise<Float64Array[]> {
  const { decoder, checkpoint } = generating(model)
  const longest = Math.max(...group.map(ids => ids.length))
  const length = Math.min(roundedLength(longest), decoder.contextLength)
  const rows = group.flatMap((ids, at) =>
    response.map((_, k) => at * length + ids.length - response.length + k - 1),
  )
  const targets = group.flatMap(() => response)
  const count = 2 ** Math.ceil(Math.log2(Math.max(8, rows.length)))
  const filled = (list: readonly number[]) =>
    integers([...list, ...new Array<number>(count - list.length).fill(0)])
  const sizes = { B: group.length, T: length, R: count }
  const [odds] = await model.runPlan(
    `respond ${masks === undefined ? '' : 'masked '}${JSON.stringify(sizes)}`,
    () => responseGraph(decoder, checkpoint.weights, masks !== undefined),
    // Filled up behind their ends, where causal attention does not look.
    {
      input_ids: padded(group, 0, true, length),
      rows: filled(rows),
      targets: filled(targets),
      ...(masks === undefined ? {} : { attention_mask: padded(masks, 1, true, length) }),
    },
    { sizes },
    signal,
  )
  const values = odds!.data as Float32Array
  return group.map((_, at) =>
    Float64Array.from(values.subarray(at * response.length, (at + 1) * response.length)),
  )
}
