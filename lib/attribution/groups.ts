import { arrayConstructors, createTensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { expectInteger, typeError } from '../validate.js'
import { aggregateInput } from './aggregate.js'
import type { AttributedInput } from './attributedInput.js'
import type { TokenUnits } from './units.js'

/** Parts of a text that tokens are put together to; spans are in UTF-16 units, in order and without overlap. */
export type TextGrouping =
  | 'word'
  | 'whitespace'
  | 'sentence'
  | readonly (readonly [start: number, end: number])[]

/**
 * How the scores of a group's tokens become one score. `sum` keeps completeness; `greatest` is the score of greatest
 * magnitude with its sign; `l2` the Euclidean norm; `product` the product.
 */
export const groupReductions = ['sum', 'mean', 'max', 'min', 'greatest', 'l2', 'product'] as const
export type GroupReduction = (typeof groupReductions)[number]

const reducers: Record<GroupReduction, (values: readonly number[]) => number> = {
  sum: values => values.reduce((total, value) => total + value, 0),
  mean: values => values.reduce((total, value) => total + value, 0) / values.length,
  max: values => values.reduce((most, value) => Math.max(most, value)),
  min: values => values.reduce((least, value) => Math.min(least, value)),
  greatest: values => values.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most)),
  l2: values => Math.sqrt(values.reduce((total, value) => total + value * value, 0)),
  product: values => values.reduce((total, value) => total * value, 1),
}

type Span = readonly [number, number]

function spansOf(text: string, into: TextGrouping): Span[] {
  if (into === 'whitespace')
    return Array.from(text.matchAll(/\S+/g), ({ index, 0: word }): Span => [index, index + word.length])
  if (into === 'word' || into === 'sentence')
    return Array.from(
      new Intl.Segmenter('und', { granularity: into }).segment(text),
      ({ index, segment }): Span => {
        const start = index + segment.length - segment.trimStart().length
        return [start, Math.max(start, index + segment.trimEnd().length)]
      },
    ).filter(([start, end]) => end > start)
  if (!Array.isArray(into))
    throw typeError('into', "'word', 'whitespace', 'sentence' or a list of spans", into)
  let last = 0
  return into.map((span: unknown, at): Span => {
    if (!Array.isArray(span) || span.length !== 2) throw typeError(`into[${at}]`, '[start, end]', span)
    const start = expectInteger(`into[${at}][0]`, span[0], last, text.length)
    last = expectInteger(`into[${at}][1]`, span[1], start + 1, text.length)
    return [start, last]
  })
}

/** Spans of which one token reaches over several are one. */
function joined(spans: readonly Span[], offsets: readonly (Span | null)[]): Span[] {
  const result: Span[] = []
  let at = 0
  for (const span of spans) {
    const last = result.at(-1)
    while (at < offsets.length && (offsets[at] === null || offsets[at]![1] <= span[0])) at += 1
    const isBridged =
      last !== undefined && at < offsets.length && offsets[at]![0] < last[1] && offsets[at]![1] > span[0]
    if (isBridged) result[result.length - 1] = [last[0], span[1]]
    else result.push(span)
  }
  return result
}

/** The group of each token: the span that holds its first character; undefined for one that is in none. */
function membership(spans: readonly Span[], offsets: readonly (Span | null)[]): (number | undefined)[] {
  let at = 0
  return offsets.map(place => {
    if (place === null) return undefined
    const [start, end] = place
    while (at < spans.length && spans[at]![1] <= start) at += 1
    const span = spans[at]
    // A token of nothing, as a space that was put in front, goes with what follows it.
    return span !== undefined && (start >= span[0] || (start === end ? start === span[0] : end > span[0]))
      ? at
      : undefined
  })
}

/** Tokens of one part of a text. */
export interface TokenGroup {
  readonly tokens: readonly number[]
  /** Absent for a token that is in no part. */
  readonly span: Span | undefined
}

/**
 * The parts that tokens are put together to, in the order of their first tokens. Tokens in none (those that the tokenizer
 * added among them) stay by themselves.
 *
 * @param name Of the input, for messages.
 * @throws AscribeError OPTION_RANGE where the tokens have no text, or spans are out of order.
 */
export function tokenGroups(units: TokenUnits, into: TextGrouping, name: string): TokenGroup[] {
  const { text, offsets } = units
  if (text === undefined || offsets === undefined)
    throw new AscribeError(
      'OPTION_RANGE',
      `the tokens of input ${name} have no text that they could be put together to`,
      {
        hint: 'Explain a text: loadModel(…, { tokenizer }), then attribute(text).',
      },
    )
  const given = spansOf(text, into)
  const spans = typeof into === 'string' ? joined(given, offsets) : given
  const groups: { tokens: number[]; span: Span | undefined }[] = []
  const bySpan = new Map<number, { tokens: number[] }>()
  for (const [token, span] of membership(spans, offsets).entries()) {
    const known = span === undefined ? undefined : bySpan.get(span)
    if (known !== undefined) {
      known.tokens.push(token)
      continue
    }
    const group = { tokens: [token], span: span === undefined ? undefined : spans[span]! }
    groups.push(group)
    if (span !== undefined) bySpan.set(span, group)
  }
  return groups
}

/** One score of several. */
export const reduceGroup = (how: GroupReduction, values: readonly number[]): number => reducers[how](values)

/** An input with its tokens put together by {@link tokenGroups}; features are added up first. */
export function groupInput(input: AttributedInput, into: TextGrouping, how: GroupReduction): AttributedInput {
  const flat = aggregateInput(input, 'sum', undefined)
  const units = flat.units as TokenUnits
  const groups = tokenGroups(units, into, input.name)
  const { tokens } = units
  const [text, offsets] = [units.text!, units.offsets!]
  const targets = flat.scores.data.length / tokens.length
  const data = new arrayConstructors[flat.scores.dtype](targets * groups.length)
  for (let target = 0; target < targets; target++)
    for (const [at, group] of groups.entries())
      data[target * groups.length + at] = reducers[how](
        group.tokens.map(token => flat.scores.data[target * tokens.length + token]!),
      )
  return {
    ...flat,
    units: {
      kind: 'tokens',
      tokens: groups.map(({ tokens: own, span }) =>
        span === undefined ? tokens[own[0]!]! : text.slice(...span),
      ),
      text,
      offsets: groups.map(({ tokens: own, span }) => span ?? offsets[own[0]!]!),
    },
    scores: createTensor(flat.scores.dtype, [...flat.scores.shape.slice(0, -1), groups.length], data),
  }
}
