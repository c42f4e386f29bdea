import { createTensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { tokenGraph } from '../../frontends/checkpoints/predictionGraph.js'
import { generating } from '../../language/decoding.js'
import type { Model } from '../../model/model.js'
import { readRows } from './predictionScores.js'
import type { Predict, TokenPrediction } from './reAGentChain.js'

const integer = (value: number) => createTensor('i64', [], BigInt64Array.of(BigInt(value)))

/**
 * Asks a model for one token behind sequences of one length, so many at once. Sequences go through in few sizes of batches,
 * filled up where they are fewer.
 *
 * @param sourceTokens Tokens that an encoder reads; those behind them are the decoder's.
 */
export function predictToken(
  model: Model,
  token: number,
  batch: number,
  signal?: AbortSignal,
  sourceTokens = 0,
): Predict {
  const { decoder, checkpoint } = generating(model)
  return async rows => {
    const found: TokenPrediction[] = []
    for (let from = 0; from < rows.length; from += batch) {
      const part = rows.slice(from, from + batch)
      const length = part[0]!.length
      const size = Math.min(batch, 2 ** Math.ceil(Math.log2(part.length)))
      const filled = Array.from({ length: size }, (_, at) => part[Math.min(at, part.length - 1)]!)
      const { inputs, sizes } = readRows(decoder, filled, sourceTokens)
      const [probabilities, ranks] = await model.runPlan(
        `token ${JSON.stringify(sizes)}`,
        () => tokenGraph(decoder, checkpoint.weights),
        {
          ...inputs,
          row: integer(length - 1 - sourceTokens),
          token: integer(token),
        },
        { sizes },
        signal,
      )
      for (let at = 0; at < part.length; at++) {
        const probability = Number(probabilities!.data[at])
        if (!Number.isFinite(probability))
          throw new AscribeError('NOT_FINITE', `The probability of token ${token} is ${probability}`)
        found.push({ probability, rank: Number(ranks!.data[at]) })
      }
    }
    return found
  }
}
