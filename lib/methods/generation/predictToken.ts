import { createTensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { tokenGraph } from '../../frontends/checkpoints/predictionGraph.js'
import { padded, roundedLength } from '../../language/decoding.js'
import type { Model } from '../../model/model.js'
import { causalDecoder } from './causalDecoder.js'
import type { Predict, TokenPrediction } from './reAGentChain.js'

const integer = (value: number) => createTensor('i64', [], BigInt64Array.of(BigInt(value)))

/**
 * Asks a model for one token behind sequences of one length, so many at once. Sequences go through in few sizes of batches,
 * filled up where they are fewer.
 */
export function predictToken(model: Model, token: number, batch: number, signal?: AbortSignal): Predict {
  const { decoder, weights } = causalDecoder(model)
  return async rows => {
    const found: TokenPrediction[] = []
    for (let from = 0; from < rows.length; from += batch) {
      const part = rows.slice(from, from + batch)
      const length = part[0]!.length
      const size = Math.min(batch, 2 ** Math.ceil(Math.log2(part.length)))
      // Filled up behind the end, where causal attention does not look.
      const width = Math.min(roundedLength(length), decoder.contextLength)
      const filled = Array.from({ length: size }, (_, at) => part[Math.min(at, part.length - 1)]!)
      const sizes = { B: size, T: width }
      const [probabilities, ranks] = await model.runPlan(
        `token ${JSON.stringify(sizes)}`,
        () => tokenGraph(decoder, weights),
        {
          input_ids: padded(filled, 0, true, width),
          row: integer(length - 1),
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
