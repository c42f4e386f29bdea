import { AscribeError } from '../errors.js'
import type { Span } from '../regions/spans.js'
import { expectKnownKeys, expectObject, expectString, typeError } from '../validate.js'
import type { TracedDocument } from './answerTrace.js'
import type { ContextAttribution } from './contextAttribution.js'
import type { ResponseTokens } from './responseTokens.js'

const between = '\n\n'

/** The documents as one text, and where each is in it. */
export function joinedDocuments(documents: readonly TracedDocument[]): {
  text: string
  places: (TracedDocument & Span)[]
} {
  if (!Array.isArray(documents)) throw typeError('documents', 'a list of { name, text }', documents)
  if (documents.length === 0) throw new AscribeError('INPUT_VALUE', 'The context has no documents')
  let text = ''
  const places = (documents as TracedDocument[]).map(document => {
    expectObject('document', document)
    expectKnownKeys('document', document, ['name', 'text'])
    expectString('document.name', document.name)
    if (expectString('document.text', document.text).trim() === '')
      throw new AscribeError('INPUT_VALUE', `The document ${document.name} is empty`)
    if (text !== '') text += between
    const start = text.length
    text += document.text
    return { name: document.name, text: document.text, start, end: text.length }
  })
  return { text, places }
}

/** The tokens that a sentence is made of. */
export function sentenceTokens({ ids, spans }: ResponseTokens, { start, end }: Span): Span {
  const own = ids.flatMap((_, at) => {
    const span = spans![at]
    return span && span.start < end && span.end > start ? [at] : []
  })
  if (own.length === 0)
    throw new AscribeError('INPUT_VALUE', 'A sentence of the answer has no token of its own')
  return { start: own[0]!, end: own.at(-1)! + 1 }
}

/** The first `most` texts, of those with at least a share of the greatest score. */
export function sourcesOf(attribution: ContextAttribution, most: number, share: number): number[] {
  const greatest = Math.max(...attribution.scores)
  if (greatest <= 0) return []
  const order = attribution.ranking().slice(0, most)
  return order.filter(
    index => attribution.scores[index]! > 0 && attribution.scores[index]! >= share * greatest,
  )
}
