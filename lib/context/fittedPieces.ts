import { AscribeError } from '../errors.js'
import { generating } from '../language/decoding.js'
import type { Model } from '../model/model.js'
import type { TokenPiece } from './promptPieces.js'
import type { ContextText } from './segmentText.js'

/** The pieces, checked, and where that is allowed cut to what the model reads. */
export function fitted(
  model: Model,
  texts: readonly ContextText[],
  pieces: readonly TokenPiece[],
  response: number,
  overlong: 'error' | 'drop',
): { texts: readonly ContextText[]; pieces: readonly TokenPiece[]; warnings: readonly string[] } {
  for (const { ids, text } of pieces)
    if (text !== undefined && ids.length === 0)
      throw new AscribeError(
        'INPUT_VALUE',
        `Text ${text} of the context (${JSON.stringify(texts[text]!.text.slice(0, 40))}) has no token of its own`,
      )
  const { contextLength } = generating(model).decoder
  const length = pieces.reduce((sum, { ids }) => sum + ids.length, response)
  if (length <= contextLength) return { texts, pieces, warnings: [] }
  const message = `The prompt has ${length - response} tokens and the response ${response}, and model ${model.name} reads ${contextLength} in all`
  if (overlong === 'error')
    throw new AscribeError('INPUT_SHAPE', message, {
      hint: "overlong: 'drop' leaves texts out from the end on.",
    })
  let [left, kept] = [length, texts.length]
  for (const { ids, text } of pieces.toReversed()) {
    if (left <= contextLength) break
    if (text === undefined) continue
    left -= ids.length
    kept = text
  }
  if (left > contextLength || kept === 0)
    throw new AscribeError('INPUT_SHAPE', `${message}, even without its texts`)
  return {
    texts: texts.slice(0, kept),
    pieces: pieces.filter(({ text }) => text === undefined || text < kept),
    warnings: [`${message}: the last ${texts.length - kept} of ${texts.length} texts were left out`],
  }
}
