import type { Span } from '../../regions/spans.js'
import type { CheckedQuery, QuerySource, SourceInterval } from './sources.js'

/** A stretch of a source that a highlight stands on. */
export interface LocalisedSpan extends SourceInterval {
  /** What stands there. */
  readonly text: string
  /** How well it fits; what it means is the method's. */
  readonly score: number
  /** 1 for the best. */
  readonly rank: number
}

/** Where a highlight of an output came from. */
export interface LocalisedAttribution {
  /** In the order of the sources and their texts, apart from each other, inside the candidates. Offsets are UTF-16 units. */
  readonly spans: readonly LocalisedSpan[]
  /** What of the output was explained; with hidden states whole tokens. */
  readonly highlight: readonly Span[]
  /** Stretches of sources that were looked at. */
  readonly candidates: readonly SourceInterval[]
  /** Nothing supports the highlight, as far as the method tells. */
  readonly isUnattributed: boolean
  readonly warnings: readonly { readonly code: string; readonly message: string }[]
  readonly method: { readonly name: string; readonly options: object }
}

/** The spans of one result, from stretches with scores: overlapping ones merged (with the greater score), ranked. */
export function rankedSpans(
  sources: readonly QuerySource[],
  found: readonly (SourceInterval & { readonly score: number })[],
): LocalisedSpan[] {
  const merged = sources.flatMap(({ id, text }) => {
    const own: { start: number; end: number; score: number }[] = []
    for (const { start, end, score } of found
      .filter(({ source }) => source === id)
      .toSorted((a, b) => a.start - b.start || a.end - b.end)) {
      const last = own.at(-1)
      if (last !== undefined && start < last.end) {
        last.end = Math.max(last.end, end)
        last.score = Math.max(last.score, score)
      } else own.push({ start, end, score })
    }
    return own.map(span => ({ source: id, ...span, text: text.slice(span.start, span.end) }))
  })
  const order = merged.map((_, at) => at).sort((a, b) => merged[b]!.score - merged[a]!.score || a - b)
  return merged.map((span, at) => ({ ...span, rank: order.indexOf(at) + 1 }))
}

/** A result for a query that nothing is known of. */
export const unattributed = (
  query: CheckedQuery,
  method: LocalisedAttribution['method'],
): LocalisedAttribution => ({
  spans: [],
  highlight: query.highlight,
  candidates: query.candidates,
  isUnattributed: true,
  warnings: [],
  method,
})
