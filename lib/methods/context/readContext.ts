import type { ContextPrompt } from '../../context/contextPrompt.js'
import { responseRows } from '../../context/responseRows.js'
import { traceRows } from '../../context/tracedRows.js'
import type { TextRows } from '../../language/textRows/planPacked.js'
import type { Span } from '../../regions/spans.js'
import type { TraceSample } from './attentionTrace.js'

export interface ReadContextOptions {
  /** One for each head of each layer. */
  readonly weights: Float32Array
  /** Rows behind those that predict the span: 1 counts the last token's own. */
  readonly extraRows?: 0 | 1
  /** Whether the mean of the rows is kept in their place. */
  readonly fold?: boolean
  readonly signal?: AbortSignal | undefined
}

/** What the rows of some of a response's tokens read of the context, for each set of its texts. */
export async function readContext(
  prompt: ContextPrompt,
  span: Span,
  subsets: readonly (readonly number[])[],
  { weights, extraRows = 0, fold = false, signal }: ReadContextOptions,
): Promise<{ samples: TraceSample[]; tokens: number }> {
  const { model, response } = prompt
  const texts: TextRows[] = []
  const spans: (readonly Span[])[] = []
  const rows = { start: span.start, end: span.end + extraRows }
  for (const kept of subsets) {
    const tokens = await prompt.tokens(kept, signal)
    const text = responseRows(model, tokens.ids, response.ids, rows)
    // What stands behind the last row is read by none.
    texts.push({ ...text, ids: text.ids.slice(0, text.endRow) })
    spans.push(tokens.spans)
  }
  const samples: TraceSample[] = []
  const tokens = await traceRows(
    model,
    texts,
    weights,
    (at, found, stride) => {
      const own = spans[at]!
      samples[at] = {
        kept: subsets[at]!,
        lengths: own.map(({ start, end }) => end - start),
        rows: ofContext(found, stride, rows.end - rows.start, own, fold),
      }
    },
    signal,
  )
  return { samples, tokens }
}

/** The columns of the texts, row by row, or (`fold`) their mean over the rows. */
function ofContext(
  rows: Float32Array,
  stride: number,
  count: number,
  spans: readonly Span[],
  fold: boolean,
): Float32Array {
  const width = spans.reduce((sum, { start, end }) => sum + end - start, 0)
  const sum = new Float64Array(width)
  const found = new Float32Array(fold ? width : count * width)
  for (let row = 0; row < count; row++) {
    let at = 0
    for (const { start, end } of spans)
      for (let place = row * stride + start; place < row * stride + end; place++, at++)
        if (fold) sum[at]! += rows[place]!
        else found[row * width + at] = rows[place]!
  }
  if (fold) for (let at = 0; at < width; at++) found[at] = sum[at]! / count
  return found
}
