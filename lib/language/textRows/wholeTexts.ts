import type { Tensor } from '../../data/tensor.js'
import { statesGraph } from '../../frontends/checkpoints/tokenGraph.js'
import type { Model } from '../../model/model.js'
import { generating, integers, padded, paddedSources, roundedLength } from '../decoding.js'
import type { TextRows } from './planPacked.js'
import { rowCount } from './runPacked.js'

/** Tokens that go through the model at once, filled up ones too. */
const tokensTogether = 4096

export interface WholeTexts {
  /** Of each text's tokens (where an encoder reads some, of these), 1 for those that may be read. Default: all may. */
  readonly masks?: readonly (readonly number[])[]
  readonly signal?: AbortSignal | undefined
}

/**
 * Texts by their places that go through side by side: those of like length, so that little is filled up.
 *
 * @param kindOf What must be equal in a group.
 */
export function groupsOfLength(
  lengths: readonly number[],
  kindOf: (length: number) => number = () => 0,
): number[][] {
  const groups: number[][] = []
  for (const at of lengths.map((_, place) => place).toSorted((a, b) => lengths[a]! - lengths[b]! || a - b)) {
    const [group, length] = [groups.at(-1), lengths[at]!]
    const fits =
      group !== undefined &&
      (group.length + 1) * length <= tokensTogether &&
      kindOf(lengths[group[0]!]!) === kindOf(length)
    if (fits) group.push(at)
    else groups.push([at])
  }
  return groups
}

/**
 * States of texts' rows, each text read by itself: where a model has an encoder, where masks hide tokens, and where it
 * keeps no caches.
 *
 * @returns of each text the states of its rows, [rows, features].
 */
export async function wholeStates(
  model: Model,
  texts: readonly TextRows[],
  { masks, signal }: WholeTexts = {},
): Promise<Float32Array[]> {
  const { decoder, checkpoint } = generating(model)
  const found: Float32Array[] = []
  const lengths = texts.map(({ ids, source = [] }) => Math.max(ids.length, source.length))
  for (const group of groupsOfLength(lengths, length => decoder.turning?.(length) ?? 0)) {
    const own = group.map(at => texts[at]!)
    const ids = own.map(text => text.ids)
    const longest = Math.max(...ids.map(row => row.length))
    const rounded = Math.min(roundedLength(longest), decoder.contextLength)
    // What a text is filled up with must not change how its positions turn.
    const length = decoder.turning?.(rounded) === decoder.turning?.(longest) ? rounded : longest
    const rows = own.flatMap(({ firstRow, endRow }, at) =>
      Array.from({ length: endRow - firstRow }, (_, k) => at * length + firstRow + k),
    )
    const count = rowCount(rows.length)
    const shown = masks && group.map(at => masks[at]!)
    const sources = own.flatMap(({ source }) => (source === undefined ? [] : [source]))
    const filledUp = sources.length > 0 ? paddedSources(sources, shown) : undefined
    const given: Record<string, Tensor> = filledUp
      ? { source_ids: filledUp.ids, attention_mask: filledUp.kept }
      : shown
        ? { attention_mask: padded(shown, 1, true, length) }
        : {}
    const isMasked = shown !== undefined && filledUp === undefined
    const sizes = {
      B: group.length,
      T: length,
      R: count,
      ...(filledUp ? { S: filledUp.ids.shape[1]! } : {}),
    }
    const [states] = await model.runPlan(
      `states ${isMasked ? 'masked ' : ''}${JSON.stringify(sizes)}`,
      () => statesGraph(decoder, checkpoint.weights, isMasked),
      // Filled up behind their ends, where causal attention does not look.
      {
        input_ids: padded(ids, 0, true, length),
        rows: integers([count], [...rows, ...new Array<number>(count - rows.length).fill(0)]),
        ...given,
      },
      { sizes },
      signal,
    )
    const values = states!.data as Float32Array
    const width = values.length / count
    let from = 0
    for (const [k, at] of group.entries()) {
      const to = from + (own[k]!.endRow - own[k]!.firstRow) * width
      found[at] = values.slice(from, to)
      from = to
    }
  }
  return found
}
