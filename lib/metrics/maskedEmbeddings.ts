import type { GraphDescription } from '#typings/addon.js'
import { createTensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { rowLogitsGraph } from '../frontends/checkpoints/predictionGraph.js'
import type { RandomStream } from '../games/randomStream.js'
import { GraphBuilder, type Value } from '../graph/builder.js'
import { generating } from '../language/decoding.js'
import { type ReadTokens, readRows } from '../methods/generation/predictionScores.js'
import { embeddingLookups } from '../model/embeddings.js'
import type { Model } from '../model/model.js'

/** Masked sequences that go through the model at once, and the probabilities that they give at most. */
const together = 16
const probabilitiesTogether = 1 << 25

/** What masks on the embeddings of one sequence's words do to its predictions; places are added by the model itself. */
export class MaskedEmbeddings {
  readonly #reference: Promise<Float32Array>
  readonly #graph: { description: GraphDescription; features: number }

  /**
   * @param ids With the number of those that an encoder reads, in front of the one that its decoder begins with.
   * @param rows Places whose predictions of the next token are compared.
   * @throws AscribeError MODEL_CAPABILITY
   */
  constructor(
    private readonly model: Model,
    private readonly read: ReadTokens,
    private readonly rows: readonly number[],
    private readonly signal: AbortSignal | undefined,
  ) {
    this.#graph = maskedGraph(model)
    this.#reference = this.#run(1, () => 1).then(([roots]) => roots!)
  }

  /**
   * Masks in which every element of a token's embedding is kept with the token's probability: for each mask and row the sum
   * of squared differences between the roots of the next token's probabilities and those at the input.
   */
  async rootDifferences(
    probabilities: Float64Array,
    streamOf: (sample: number) => RandomStream,
    samples: number,
  ): Promise<number[][]> {
    const reference = await this.#reference
    const vocabulary = reference.length / this.rows.length
    const most = Math.max(1, Math.min(together, Math.floor(probabilitiesTogether / reference.length)))
    const found: number[][] = []
    for (let from = 0; from < samples; from += most) {
      const count = Math.min(most, samples - from)
      const streams = Array.from({ length: count }, (_, at) => streamOf(from + at))
      const copies = await this.#run(count, (at, token) => {
        const probability = probabilities[token]!
        // What is certain draws nothing.
        return probability > 0 && (probability >= 1 || streams[at]!.uniform() < probability) ? 1 : 0
      })
      for (const roots of copies)
        found.push(
          this.rows.map((_, row) => {
            let sum = 0
            for (let at = row * vocabulary; at < (row + 1) * vocabulary; at++)
              sum += (roots[at]! - reference[at]!) ** 2
            return sum
          }),
        )
    }
    return found
  }

  /** Square roots of the next token's probabilities behind every row, under a mask for each copy. */
  async #run(copies: number, keep: (copy: number, token: number) => number): Promise<Float32Array[]> {
    const { model, rows } = this
    const { ids, sourceTokens = 0 } = this.read
    const { features, description } = this.#graph
    const { decoder } = generating(model)
    const same = Array.from({ length: copies }, () => ids)
    const { inputs, sizes: lengths } = readRows(decoder, same, sourceTokens)
    const [width, sourceWidth] = [lengths.T!, lengths.S ?? 0]
    const mask = new Float32Array(copies * width * features)
    const sourceMask = new Float32Array(copies * sourceWidth * features)
    // What is read in front draws first.
    for (let copy = 0; copy < copies; copy++)
      for (let token = 0; token < ids.length; token++) {
        const isSource = token < sourceTokens
        const own = isSource ? sourceMask : mask
        const place = isSource ? copy * sourceWidth + token : copy * width + token - sourceTokens
        for (let feature = 0; feature < features; feature++)
          own[place * features + feature] = keep(copy, token)
      }
    const all = Array.from({ length: copies }, (_, copy) =>
      rows.map(row => copy * width + row - sourceTokens),
    ).flat()
    const sizes = { ...lengths, R: all.length }
    const [roots] = await model.runPlan(
      `masked embeddings ${JSON.stringify(sizes)}`,
      () => description,
      {
        ...inputs,
        rows: createTensor('i64', [all.length], BigInt64Array.from(all, BigInt)),
        mask: createTensor('f32', [copies, width, features], mask),
        ...(sourceTokens > 0
          ? { source_mask: createTensor('f32', [copies, sourceWidth, features], sourceMask) }
          : {}),
      },
      { sizes },
      this.signal,
    )
    const length = roots!.data.length / copies
    return Array.from({ length: copies }, (_, at) =>
      (roots!.data as Float32Array).slice(at * length, (at + 1) * length),
    )
  }
}

/** Roots of the next token's probabilities behind rows, with a mask on the words' embeddings. */
function maskedGraph(model: Model): { description: GraphDescription; features: number } {
  const { decoder, checkpoint } = generating(model)
  const plain = rowLogitsGraph(decoder, checkpoint.weights)
  const lookups = embeddingLookups({ graph: plain })
  const isEncoded = decoder.encode !== undefined
  const lookup = lookups.find(({ input }) => input === (isEncoded ? 'decoder_input_ids' : 'input_ids'))
  const read = isEncoded ? lookups.find(({ input }) => input === 'input_ids') : undefined
  const node = plain.nodes.find(each => plain.values[each.outputs[0]!]?.name === lookup?.layer)
  const table = node && plain.values[node.inputs[0]!]
  const features = table?.kind === 'parameter' ? table.shape.at(-1) : undefined
  if (lookup === undefined || typeof features !== 'number' || (isEncoded && read === undefined))
    throw new AscribeError('MODEL_CAPABILITY', `Where model ${model.name} looks its words up was not found`)
  const graph = new GraphBuilder()
  const mask = graph.input('mask', 'f32', ['B', 'T', features])
  const sourceMask = read && graph.input('source_mask', 'f32', ['B', 'S', features])
  const values = graph.include(plain, {
    replace: {
      [lookup.layer]: rows => graph.apply('mul', [rows, mask]),
      ...(read && sourceMask
        ? { [read.layer]: (rows: Value) => graph.apply('mul', [rows, sourceMask]) }
        : {}),
    },
  })
  const probabilities = graph.apply('softmax', [values.get('logits')!], { axis: -1 })
  return { description: graph.build([graph.apply('sqrt', [probabilities])]), features }
}
