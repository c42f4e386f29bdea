import { AscribeError } from '../../errors.js'
import {
  expectInteger,
  expectKnownKeys,
  expectNumber,
  expectObject,
  expectSignalAndProgress,
  expectString,
  typeError,
} from '../../validate.js'
import type { ChatMessage } from '../chatPrompt.js'
import type { FinishReason, Prompt } from '../generator.js'
import type { TextGenerationOptions, TextGenerator } from '../services.js'
import type { Answer } from './answer.js'
import type { AnswerUsage } from './budget.js'
import { expectEndpoint, type LanguageEndpoint } from './endpoint.js'

export interface RemoteGenerateOptions extends TextGenerationOptions {
  /** How many of the most likely tokens in each place are wanted with their probabilities; 0: the written one alone. Default: none. */
  logProbabilities?: number
  /** A JSON schema: the text is then JSON of it, where the endpoint holds to schemas, and is parsed as {@link RemoteGeneration.value}. */
  schema?: Readonly<Record<string, unknown>>
}

/** One token of a text that an endpoint wrote. */
export interface RemoteToken {
  readonly token: string
  /** In nats. */
  readonly logProbability: number
  /** The most likely tokens in its place, as many as were asked for. */
  readonly top: readonly { readonly token: string; readonly logProbability: number }[]
}

/** A text that an endpoint wrote. */
export interface RemoteGeneration {
  readonly text: string
  /** Parsed, where a schema was given. */
  readonly value?: unknown
  /** Endpoints do not tell an end from a stop string: both are `end`. */
  readonly finish: Exclude<FinishReason, 'stop'>
  /** Where they were asked for and the endpoint gives them. */
  readonly tokens?: readonly RemoteToken[]
  readonly usage?: AnswerUsage
  /** What was asked. */
  readonly messages: readonly ChatMessage[]
  readonly model: string
  readonly isReplayed: boolean
}

/** A piece of a text that an endpoint is writing. */
export interface RemotePiece {
  readonly text: string
  /** As in {@link RemoteGeneration.tokens}, those of the piece. */
  readonly tokens?: readonly RemoteToken[]
  /** With the last piece. */
  readonly finish?: RemoteGeneration['finish']
  readonly isReplayed: boolean
}

const usualTokens = 256
const names = ['maximumTokens', 'temperature', 'topP', 'stop', 'seed', 'signal', 'logProbabilities', 'schema']

/** A prompt as messages: a text is what the user says. */
export function messagesOf(prompt: Prompt): readonly ChatMessage[] {
  if (typeof prompt === 'string') return [{ role: 'user', content: prompt }]
  if (!Array.isArray(prompt) || prompt.length === 0 || typeof prompt[0] !== 'object')
    throw typeError('prompt', 'a text or messages (an endpoint takes no token ids)', prompt)
  for (const message of prompt as readonly ChatMessage[]) {
    expectObject('message', message)
    expectKnownKeys('message', message, ['role', 'content'])
    expectString('role', message.role)
    expectString('content', message.content)
  }
  return prompt as readonly ChatMessage[]
}

/**
 * Writes texts by an endpoint's `chat/completions`. Without options the most likely token is taken each time, as far as the
 * endpoint holds to a temperature of 0.
 */
export class RemoteGenerator implements TextGenerator {
  constructor(readonly endpoint: LanguageEndpoint) {
    expectEndpoint(endpoint)
  }

  /** @throws AscribeError REMOTE_FAILED, BUDGET_SPENT, REPLAY_MISSING, ABORTED, OPTION_* */
  async generate(prompt: Prompt, options: RemoteGenerateOptions = {}): Promise<RemoteGeneration> {
    const { messages, request, maximumTokens } = requestOf(prompt, options)
    const { signal, schema, logProbabilities } = options
    const { answer, usage, isReplayed } = await this.endpoint.ask(
      'chat/completions',
      request,
      maximumTokens,
      signal,
    )
    const choice = answer.part('choices').list()[0]
    if (choice === undefined) throw answer.part('choices').failed('a list of at least one')
    const text = textOf(choice)
    const finish = finishOf(choice)
    const tokens = logProbabilities === undefined ? undefined : tokensOf(choice)
    return {
      text,
      finish,
      ...(schema === undefined ? {} : { value: parsed(text, finish, choice) }),
      ...(tokens ? { tokens } : {}),
      ...(usage ? { usage } : {}),
      messages,
      model: this.endpoint.model,
      isReplayed,
    }
  }

  /**
   * The same as the text is written: an `AsyncIterable` of pieces, of which the last says why it ended. Leaving the loop ends
   * the request.
   *
   * @throws AscribeError as {@link generate}; REMOTE_FAILED also where a stream ends in the middle.
   * @example
   * for await (const { text } of generator.stream('Who wrote Emma?', { signal })) process.stdout.write(text)
   */
  async *stream(
    prompt: Prompt,
    options: Omit<RemoteGenerateOptions, 'schema'> = {},
  ): AsyncGenerator<RemotePiece> {
    const { request, maximumTokens } = requestOf(prompt, options)
    if ('schema' in options)
      throw new AscribeError('OPTION_RANGE', 'An answer of a schema is parsed as a whole: use generate')
    const { signal, logProbabilities } = options
    let finish: 'end' | 'length' | undefined
    for await (const { answer, isReplayed } of this.endpoint.stream(
      'chat/completions',
      request,
      maximumTokens,
      signal,
    )) {
      const refused = answer.optional('error')
      if (refused !== undefined) throw refused.failed('no error')
      const choice = answer.part('choices').list()[0]
      // The last event says what the answer took.
      if (choice === undefined) continue
      if (finish !== undefined) throw answer.part('choices').failed('nothing behind the end')
      const refusal = choice.part('delta').optional('refusal')
      if (refusal !== undefined) throw refusal.failed('no refusal')
      const text = choice.part('delta').optional('content')?.text() ?? ''
      if (choice.optional('finish_reason') !== undefined) finish = finishOf(choice)
      const tokens = logProbabilities === undefined ? undefined : tokensOf(choice)
      if (text === '' && finish === undefined) continue
      yield { text, ...(tokens ? { tokens } : {}), ...(finish ? { finish } : {}), isReplayed }
    }
    if (finish === undefined)
      throw new AscribeError(
        'REMOTE_FAILED',
        `${this.endpoint.address.origin}: its stream does not say why it ended`,
      )
  }
}

function requestOf(prompt: Prompt, options: RemoteGenerateOptions) {
  expectObject('generate options', options)
  expectKnownKeys('generate options', options, names)
  expectSignalAndProgress(options)
  const { schema, logProbabilities } = options
  const messages = messagesOf(prompt)
  const maximumTokens = expectInteger('maximumTokens', options.maximumTokens ?? usualTokens, 1, 1 << 20)
  if (logProbabilities !== undefined) expectInteger('logProbabilities', logProbabilities, 0, 20)
  const request = {
    messages,
    max_tokens: maximumTokens,
    temperature: expectNumber('temperature', options.temperature ?? 0, 0, 1000),
    ...(options.topP === undefined ? {} : { top_p: expectNumber('topP', options.topP, 0, 1) }),
    ...(options.stop === undefined ? {} : { stop: options.stop }),
    ...(options.seed === undefined ? {} : { seed: expectInteger('seed', options.seed) }),
    ...(logProbabilities === undefined ? {} : { logprobs: true, top_logprobs: logProbabilities }),
    ...(schema === undefined
      ? {}
      : { response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } } }),
  }
  return { messages, request, maximumTokens }
}

function textOf(choice: Answer): string {
  const message = choice.part('message')
  const refusal = message.optional('refusal')
  if (refusal !== undefined) throw refusal.failed('no refusal')
  return message.part('content').text()
}

function finishOf(choice: Answer): 'end' | 'length' {
  const reason = choice.part('finish_reason')
  if (reason.value === 'stop') return 'end'
  if (reason.value === 'length') return 'length'
  throw reason.failed('"stop" or "length"')
}

function tokensOf(choice: Answer): RemoteToken[] | undefined {
  const content = choice.optional('logprobs')?.optional('content')
  const read = (each: Answer) => ({
    token: each.part('token').text(),
    logProbability: each.part('logprob').logProbability(),
  })
  return content?.list().map(each => ({
    ...read(each),
    top: each.optional('top_logprobs')?.list().map(read) ?? [],
  }))
}

function parsed(text: string, finish: string, choice: Answer): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    const reason = finish === 'length' ? ' (it was cut off at `maximumTokens`)' : ''
    throw new AscribeError('REMOTE_FAILED', `${choice.failed('JSON').message}${reason}`, { cause })
  }
}
