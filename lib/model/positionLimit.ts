import type { Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import type { Model } from './model.js'

/** Tables of positions, by the names that checkpoints give them; those of pictures are none of tokens. */
const table = /^(?!.*vision_model\.).*(position_embeddings?|embed_positions|wpe)\.weight$/

/**
 * The most tokens that a checkpoint has positions for, where it looks them up in a table; undefined where positions are
 * computed, or it is no checkpoint.
 */
export function positionLimit(model: Model): number | undefined {
  const { checkpoint } = model
  if (checkpoint === undefined) return undefined
  const found = model.graph.values.find(
    ({ kind, name }) => kind === 'parameter' && name !== undefined && table.test(name),
  )
  const rows = found?.kind === 'parameter' ? found.shape[0] : undefined
  if (typeof rows !== 'number') return undefined
  // Some begin to count behind the padding, and OPT two places further on.
  if (/roberta|mpnet/.test(checkpoint.modelType))
    return rows - 1 - (checkpoint.config.optionalInteger('pad_token_id', 0) ?? 1)
  return checkpoint.modelType === 'opt' ? rows - 2 : rows
}

/** @throws AscribeError INPUT_SHAPE for more tokens than a checkpoint has positions for. */
export function checkPositions(model: Model, { input_ids: ids }: Readonly<Record<string, Tensor>>): void {
  const limit = ids === undefined || ids.shape.length !== 2 ? undefined : positionLimit(model)
  if (limit === undefined || ids!.shape[1]! <= limit) return
  const { checkpoint } = model
  const padding = /roberta|mpnet/.test(checkpoint!.modelType)
    ? (checkpoint!.config.optionalInteger('pad_token_id', 0) ?? 1)
    : undefined
  const [rows, length] = ids!.shape as [number, number]
  for (let row = 0; row < rows; row++) {
    const own = Array.from(ids!.data.subarray(row * length, (row + 1) * length) as BigInt64Array, Number)
    // Where positions are counted by what is no padding, that alone takes them.
    const tokens = own.filter(id => id !== padding).length
    if (tokens > limit)
      throw new AscribeError(
        'INPUT_SHAPE',
        `The text has ${tokens} tokens, and model ${model.name} has positions for ${limit}`,
        { hint: 'Shorten the text, or split it and give its parts one by one.' },
      )
  }
}
