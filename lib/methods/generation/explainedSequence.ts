import { placeTokens } from '../../context/tokenOffsets.js'
import { continuation } from '../../data/tokenizer/continuation.js'
import { AscribeError } from '../../errors.js'
import { type ChatMessage, chatPrompt } from '../../language/chatPrompt.js'
import { generating } from '../../language/decoding.js'
import { type Prompt, promptTokens } from '../../language/generator.js'
import type { Model } from '../../model/model.js'

type Place = readonly [start: number, end: number] | null

/** A prompt and what was written behind it, as the model reads them. */
export interface ExplainedSequence {
  readonly ids: readonly number[]
  /** Tokens of the prompt; those behind them are the answer. */
  readonly promptTokens: number
  /** Tokens that an encoder reads, in front of the one that its decoder begins with; 0 where the model goes on from what it reads. */
  readonly sourceTokens: number
  /** Of each token a text for people: its id where there is no tokenizer. */
  readonly tokens: readonly string[]
  /** Prompt and answer; absent without a tokenizer. */
  readonly text?: string
  /** Where each token lies in the text. */
  readonly offsets?: readonly Place[]
}

interface Part {
  readonly ids: readonly number[]
  readonly text: string
  readonly offsets: readonly Place[]
  readonly tokens: readonly string[]
}

/** A token as a person reads it: what it stands for in the text, or its name. */
const named = (text: string, place: Place, name: string): string =>
  place === null || place[0] === place[1] ? name : text.slice(...place)

/** A text as tokens, with those that the tokenizer adds or without. */
async function encodedText(
  model: Model,
  text: string,
  specials: boolean,
  signal?: AbortSignal,
): Promise<Part> {
  const { ids, tokens, offsets } = await model.tokenizer!.encode(text, { specials, signal })
  return { ids, text, offsets, tokens: tokens.map((token, at) => named(text, offsets[at]!, token)) }
}

/** An answer as tokens behind a prompt: see {@link continuation}. */
async function encodedAnswer(
  model: Model,
  prompt: Part | undefined,
  specials: boolean,
  answer: string,
  signal?: AbortSignal,
): Promise<Part> {
  const before = prompt && { text: prompt.text, ids: prompt.ids, specials }
  const { ids, tokens, offsets } = await continuation(model.tokenizer!, before, answer, signal)
  return { ids, text: answer, offsets, tokens: tokens.map((token, at) => named(answer, offsets[at]!, token)) }
}

/** Tokens as a text, each where it lies. */
async function placedIds(
  model: Model,
  ids: readonly number[],
  before: readonly number[],
  signal?: AbortSignal,
): Promise<Part> {
  const tokenizer = model.tokenizer!
  const { text, spans } = await placeTokens(tokenizer, ids, { before, signal })
  const offsets = spans.map((span): Place => (span === null ? null : [span.start, span.end]))
  const tokens: string[] = []
  for (const [at, id] of ids.entries())
    tokens.push(named(text, offsets[at]!, await tokenizer.decode([id], { specials: true, signal })))
  return { ids, text, offsets, tokens }
}

/** A text that an encoder reads, on a line of its own, and the token that its decoder begins with, which is none of the text's. */
async function begun(
  model: Model,
  { ids, text, offsets, tokens }: Part,
  start: number,
  signal?: AbortSignal,
): Promise<Part> {
  const name = await model.tokenizer!.decode([start], { specials: true, signal })
  return { ids: [...ids, start], text: `${text}\n`, offsets: [...offsets, null], tokens: [...tokens, name] }
}

/**
 * A prompt and an answer as one sequence, the answer's tokens behind the prompt's, with the places of tokens in the text of both.
 *
 * @param answer A text, or the ids of tokens that a model wrote; undefined: the prompt alone.
 * @throws AscribeError INPUT_VALUE for an empty prompt or answer, or ids that are none; INPUT_SHAPE where they are longer than the model reads; TOKENIZER_REQUIRED.
 */
export async function explainedSequence(
  model: Model,
  prompt: Prompt,
  answer: string | readonly number[] | undefined,
  signal?: AbortSignal,
): Promise<ExplainedSequence> {
  const { decoder } = generating(model)
  const isSource = decoder.encode !== undefined
  const read = await promptTokens(model, prompt, signal)
  const given = isSource ? [...read, decoder.startToken!] : read
  const sourceTokens = isSource ? read.length : 0
  if (typeof answer === 'string' && model.tokenizer === undefined)
    throw new AscribeError(
      'TOKENIZER_REQUIRED',
      `Model ${model.name} has no tokenizer: give the answer as token ids`,
    )
  const isIds = typeof prompt !== 'string' && typeof prompt[0] !== 'object'
  const isText = typeof prompt === 'string'
  const whole = isText || isIds ? prompt : await chatPrompt(model, prompt as readonly ChatMessage[], signal)
  const written = isIds ? undefined : await encodedText(model, whole as string, isText, signal)
  const nothing: Part = { ids: [], text: '', offsets: [], tokens: [] }
  const own =
    answer === undefined
      ? nothing
      : typeof answer === 'string'
        ? await encodedAnswer(model, isSource ? undefined : written, isText, answer, signal)
        : await promptTokens(model, answer, signal, 'answer')
  const answerIds = 'ids' in own ? own.ids : own
  if (answer !== undefined && answerIds.length === 0)
    throw new AscribeError('INPUT_VALUE', 'The answer has no token')
  const ids = [...given, ...answerIds]
  if (ids.length > decoder.contextLength)
    throw new AscribeError(
      'INPUT_SHAPE',
      `The prompt and the answer have ${ids.length} tokens, and model ${model.name} reads ${decoder.contextLength}`,
    )
  if (model.tokenizer === undefined)
    return { ids, promptTokens: given.length, sourceTokens, tokens: ids.map(String) }
  const prompted = written ?? (await placedIds(model, read, [], signal))
  const first = isSource ? await begun(model, prompted, decoder.startToken!, signal) : prompted
  const second = 'ids' in own ? own : await placedIds(model, answerIds, isSource ? [] : given, signal)
  const shift = first.text.length
  return {
    ids,
    promptTokens: given.length,
    sourceTokens,
    tokens: [...first.tokens, ...second.tokens],
    text: first.text + second.text,
    offsets: [
      ...first.offsets,
      ...second.offsets.map((place): Place => place && [place[0] + shift, place[1] + shift]),
    ],
  }
}
