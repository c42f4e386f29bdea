import type { Attribution, TokenUnits } from '#lib/index.js'
import type { Review, ReviewSpan } from './generator.js'

/** What the word that speaks most for the target is of a text whose truth is known; undefined: neither. */
export function strongestWord(attribution: Attribution, review: Review): 'opinion' | 'town' | undefined {
  const words = attribution.group('word')
  const { offsets } = words.inputs[0]!.units as TokenUnits
  const [top] = words.top(1, { by: 'positive' })
  const place = offsets?.[top!.index[0]!]
  if (!place) return undefined
  const lies = ([start, end]: ReviewSpan) => place[0] >= start && place[1] <= end
  if (review.opinions.some(lies)) return 'opinion'
  return lies(review.town) ? 'town' : undefined
}
