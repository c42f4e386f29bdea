import type { GraphDescription } from '#typings/addon.js'
import { createTensor, type Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { rowLogitsGraph } from '../frontends/checkpoints/predictionGraph.js'
import type { RandomStream } from '../games/randomStream.js'
import { GraphBuilder } from '../graph/builder.js'
import { roundedLength } from '../language/decoding.js'
import { causalDecoder } from '../methods/generation/causalDecoder.js'
import { embeddingLookups } from '../model/embeddings.js'
import type { Model } from '../model/model.js'

/** Masked sequences that go through the model at once, and the probabilities that they give at most. */
const together = 16
const probabilitiesTogether = 1 << 25

const integers = (shape: number[], values: readonly number[]): Tensor =>
  createTensor('i64', shape, BigInt64Array.from(values, BigInt))

/** What masks on the embeddings of one sequence's words do to its predictions; places are added by the model itself. */
export class MaskedEmbeddings {
  readonly #reference: Promise<Float32Array>
  readonly #graph: { description: GraphDescription; features: number }

  /**
   * @param rows Places whose predictions of the next token are compared.
   * @throws AscribeError MODEL_CAPABILITY
   */
  constructor(
    private readonly model: Model,
    private readonly ids: readonly number[],
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
    const { ids, model, rows } = this
    const { features, description } = this.#graph
    const { contextLength } = causalDecoder(model).decoder
    const width = Math.min(roundedLength(ids.length), contextLength)
    const mask = new Float32Array(copies * width * features)
    for (let copy = 0; copy < copies; copy++)
      for (let token = 0; token < ids.length; token++)
        for (let feature = 0; feature < features; feature++)
          mask[(copy * width + token) * features + feature] = keep(copy, token)
    const filled = [...ids, ...new Array<number>(width - ids.length).fill(0)]
    const all = Array.from({ length: copies }, (_, copy) => rows.map(row => copy * width + row)).flat()
    const sizes = { B: copies, T: width, R: all.length }
    const [roots] = await model.runPlan(
      `masked embeddings ${JSON.stringify(sizes)}`,
      () => description,
      {
        input_ids: integers([copies, width], Array.from({ length: copies }, () => filled).flat()),
        rows: integers([all.length], all),
        mask: createTensor('f32', [copies, width, features], mask),
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
  const { decoder, weights } = causalDecoder(model)
  const plain = rowLogitsGraph(decoder, weights)
  const lookup = embeddingLookups({ graph: plain }).find(({ input }) => input === 'input_ids')
  const node = plain.nodes.find(each => plain.values[each.outputs[0]!]?.name === lookup?.layer)
  const table = node && plain.values[node.inputs[0]!]
  const features = table?.kind === 'parameter' ? table.shape.at(-1) : undefined
  if (lookup === undefined || typeof features !== 'number')
    throw new AscribeError('MODEL_CAPABILITY', `Where model ${model.name} looks its words up was not found`)
  const graph = new GraphBuilder()
  const mask = graph.input('mask', 'f32', ['B', 'T', features])
  const values = graph.include(plain, {
    replace: { [lookup.layer]: rows => graph.apply('mul', [rows, mask]) },
  })
  const probabilities = graph.apply('softmax', [values.get('logits')!], { axis: -1 })
  return { description: graph.build([graph.apply('sqrt', [probabilities])]), features }
}
