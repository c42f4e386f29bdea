import type { Tensor } from '../../data/tensor.js'
import type { Vocabulary } from '../../data/tokenizer/tokenizer.js'
import { AscribeError } from '../../errors.js'
import { padded } from '../../language/decoding.js'
import type { Model } from '../../model/model.js'
import type { ExplainedSequence } from './explainedSequence.js'
import { logProbabilities } from './predictionScores.js'
import { type Replacements, tableReplacements } from './replacements.js'

const maskNames = ['<mask>', '[MASK]', '<|mask|>']
/** Words that are taken from a place's distribution. */
const mostWords = 50
/** Places that are masked in one batch. */
const together = 16
const leading = /^[ \u2581\u0120]+/

/** How a token of either vocabulary reads: whether it begins a word, and its letters. */
const keyOf = (name: string, isWordPiece: boolean): string => {
  if (isWordPiece) return name.startsWith('##') ? name.slice(2) : ` ${name}`
  const own = name.replace(leading, '')
  return own === name ? own : ` ${own}`
}

const hasWordPieces = ({ tokens }: Vocabulary): boolean => tokens.some(token => /^##\p{L}/u.test(token))
/** Whether tokens say that they begin a word at all. */
const marksWords = (vocabulary: Vocabulary): boolean =>
  hasWordPieces(vocabulary) ||
  vocabulary.tokens.some(token => leading.test(token) && token.replace(leading, '') !== '')

/**
 * What a masked language model puts in the place of each token, one place masked at a time: its most likely words that the
 * other vocabulary has as one token of the same kind (beginning a word, or not), found by their letters.
 *
 * @throws AscribeError MODEL_CAPABILITY where the model does not predict masked words; TOKENIZER_REQUIRED.
 */
export async function maskedReplacements(
  masked: Model,
  known: Vocabulary | undefined,
  sequence: ExplainedSequence,
  places: readonly number[],
  vocabulary: number,
  signal?: AbortSignal,
): Promise<Replacements> {
  const { text, offsets } = sequence
  if (masked.tokenizer === undefined || known === undefined || text === undefined || offsets === undefined)
    throw new AscribeError(
      'TOKENIZER_REQUIRED',
      'Replacements by a masked language model need the tokenizers of both',
    )
  const theirs = await masked.tokenizer.vocabulary({ signal })
  const mask = maskNames.find(name => theirs.tokens.includes(name))
  const isText = masked.inputs.some(({ name }) => name === 'input_ids')
  if (mask === undefined || !isText || masked.outputs[0]?.shape?.length !== 3)
    throw new AscribeError('MODEL_CAPABILITY', `Model ${masked.name} does not predict masked words`, {
      hint: 'A checkpoint folder of BERT, RoBERTa, DistilBERT, ELECTRA or MPNet for masked language modelling does.',
    })
  const marked = marksWords(known) && marksWords(theirs)
  const read = (name: string, own: Vocabulary) => {
    const key = keyOf(name, hasWordPieces(own))
    return marked ? key : key.trimStart()
  }
  const special = new Set(known.special)
  const byWord = new Map<string, number>()
  for (const [id, name] of known.tokens.entries())
    if (id < vocabulary && name !== '' && !special.has(id) && !byWord.has(read(name, known)))
      byWord.set(read(name, known), id)
  const theirSpecial = new Set(theirs.special)
  const maskId = theirs.tokens.indexOf(mask)
  const table = new Map<number, { ids: number[]; weights: number[] }>()
  const seen = places.filter(at => offsets[at] !== null)
  for (let from = 0; from < seen.length; from += together) {
    const part = seen.slice(from, from + together)
    const rows: (readonly number[])[] = []
    for (const at of part) {
      const [start, end] = offsets[at]!
      const own = text.slice(0, start) + mask + text.slice(end)
      rows.push((await masked.tokenizer.encode(own, { signal })).ids)
    }
    const found = await distributions(masked, rows, maskId, signal)
    for (const [k, at] of part.entries()) {
      const own = known.tokens[sequence.ids[at]!] ?? ''
      const begins = read(own, known).startsWith(' ')
      const order = Array.from(found[k]!.keys())
        .sort((a, b) => found[k]![b]! - found[k]![a]! || a - b)
        .slice(0, mostWords)
      const entry = { ids: [] as number[], weights: [] as number[] }
      for (const word of order) {
        if (theirSpecial.has(word)) continue
        const key = read(theirs.tokens[word] ?? '', theirs)
        const id = key.startsWith(' ') === begins ? byWord.get(key) : undefined
        if (id === undefined) continue
        entry.ids.push(id)
        entry.weights.push(Math.exp(found[k]![word]!))
      }
      table.set(at, entry)
    }
  }
  return tableReplacements(table)
}

/** Logarithms of the probabilities of words in the masked place of each row. */
async function distributions(
  model: Model,
  rows: readonly (readonly number[])[],
  maskId: number,
  signal?: AbortSignal,
): Promise<Float64Array[]> {
  const padding = model.checkpoint?.config.optionalInteger('pad_token_id', 0) ?? 0
  const given: Record<string, Tensor> = {
    input_ids: padded(rows, padding, true),
    attention_mask: padded(
      rows.map(row => row.map(() => 1)),
      0,
      true,
    ),
    token_type_ids: padded(
      rows.map(row => row.map(() => 0)),
      0,
      true,
    ),
  }
  const inputs = Object.fromEntries(model.inputs.map(({ name }) => [name, given[name]!]))
  const name = model.outputs[0]!.name
  const { outputs } = await model.run(inputs, { outputs: [name], ...(signal ? { signal } : {}) })
  const { shape, data } = outputs[name]!
  const [, length, words] = shape as [number, number, number]
  return rows.map((row, at) => {
    const place = row.indexOf(maskId)
    if (place < 0)
      throw new AscribeError(
        'TOKENIZER_INVALID',
        `The tokenizer of ${model.name} does not keep its mask in a text`,
      )
    const first = (at * length + place) * words
    return logProbabilities((data as Float32Array).subarray(first, first + words))
  })
}
