import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createTensor, loadModel, Target, type Tensor } from '#lib/index.js'
import { isChosen } from '../harness.js'
import { dataRoot, type RealModel, realModels } from '../realModels.js'

type Inputs = Record<string, Tensor>

/** A model of the shared folder, and the number that is explained for an example; `undefined` is its top class. */
export interface ExplainedModel extends RealModel {
  targetOf: (inputs: Inputs) => Promise<Target | undefined>
}

const ids = (values: readonly number[]) =>
  createTensor('i64', [1, values.length], BigInt64Array.from(values, BigInt)) as Tensor

/** Place of the greatest of `count` numbers from `start` on. */
function greatest(data: ArrayLike<number>, start: number, count: number): number {
  let best = 0
  for (let at = 1; at < count; at++) if (data[start + at]! > data[start + best]!) best = at
  return best
}

async function outputOf({ model }: RealModel, inputs: Inputs, name: string): Promise<Tensor> {
  return (await model.run(inputs)).outputs[name]!
}

/** Inputs of a model: 200 steps that wait for each other take long. */
const most = 3

/** What is explained where there is no class: by the name of the model. */
const targets: Record<string, (real: RealModel, inputs: Inputs) => Promise<Target>> = {
  // The likeliest next letter behind the last one: logits [T, 1, 65].
  charrnn: async (real, inputs) => {
    const { data, shape } = await outputOf(real, inputs, 'logits')
    const [steps, , letters] = shape as [number, number, number]
    const letter = greatest(data as Float32Array, (steps - 1) * letters, letters)
    return Target.neuron('logits', [steps - 1, 0, letter])
  },
  'silero-vad': async () => Target.regression(),
  // The face that the detector is surest of.
  'version-RFB-320': async (real, inputs) => {
    const scores = (await outputOf(real, inputs, 'scores')).data as Float32Array
    const faces = Float32Array.from({ length: scores.length / 2 }, (_, at) => scores[2 * at + 1]!)
    const at = greatest(faces, 0, faces.length)
    const boxes = (await outputOf(real, inputs, 'boxes')).data as Float32Array
    const box = [...boxes.slice(4 * at, 4 * at + 4)] as [number, number, number, number]
    return Target.detection(1, box, { scores: 'scores', boxes: 'boxes' })
  },
  stories260k: async (real, inputs) => {
    const { data, shape } = await outputOf(real, inputs, 'logits')
    const [, tokens, words] = shape as [number, number, number]
    return Target.token(-1, greatest(data as Float32Array, (tokens - 1) * words, words))
  },
}

async function* textModels(quick: boolean): AsyncGenerator<RealModel> {
  // Those before have said so.
  if (!existsSync(dataRoot)) return
  const { embeddingLookups } = await import('#lib/model/embeddings.js')
  const loaded = async (name: string, file: string, texts: { name: string; ids: number[] }[]) => {
    const model = await loadModel(join(dataRoot, file))
    const examples = texts
      .slice(0, quick ? 1 : texts.length)
      .map(text => ({ name: text.name, inputs: { ids: ids(text.ids) } }))
    return { name, file, model, examples, explained: embeddingLookups(model)[0]!.layer }
  }
  if (isChosen('movie-review')) {
    const folder = join(dataRoot, 'text-avgemb-imdb')
    const vocabulary = JSON.parse(readFileSync(join(folder, 'vocab.json'), 'utf8')) as Record<string, number>
    const reviews = readFileSync(join(dataRoot, 'imdb-sample/reviews.jsonl'), 'utf8').split('\n').slice(0, 5)
    const texts = reviews.map((line, at) => {
      const { text } = JSON.parse(line) as { text: string }
      const words = text
        .toLowerCase()
        .split(/[^\w']+/)
        .filter(word => word !== '')
      const all = [1, ...words.map(word => vocabulary[word] ?? 2)].slice(0, 256)
      return { name: `review ${at}`, ids: [...all, ...new Array<number>(256 - all.length).fill(0)] }
    })
    yield await loaded('movie-review', 'text-avgemb-imdb/movie_review.onnx', texts)
  }
  if (isChosen('stories260k')) {
    const file = join(dataRoot, 'stories260k/reference.json')
    const { greedy_ids: story } = JSON.parse(readFileSync(file, 'utf8')) as { greedy_ids: number[] }
    const texts = [5, 12, 20, 32, 48].map(length => ({
      name: `${length} tokens`,
      ids: story.slice(0, length),
    }))
    yield await loaded('stories260k', 'stories260k/stories260K.onnx', texts)
  }
}

/** Every trained model of the shared folder, with real inputs and what is explained of them. */
export async function* explainedModels(quick: boolean): AsyncGenerator<ExplainedModel> {
  for (const list of [realModels(quick), textModels(quick)])
    for await (const real of list) {
      const target = targets[real.name]
      const examples = real.examples.slice(0, most)
      yield { ...real, examples, targetOf: inputs => target?.(real, inputs) ?? Promise.resolve(undefined) }
    }
}
