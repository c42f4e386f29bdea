import { AscribeError } from '../../errors.js'
import {
  expectInteger,
  expectKnownKeys,
  expectNumber,
  expectObject,
  expectString,
  typeError,
} from '../../validate.js'
import type { ChatMessage } from '../chatPrompt.js'
import type { FinishReason, Prompt } from '../generator.js'
import type { TextGenerationOptions, TextGenerator } from '../services.js'
import type { Answer } from './answer.js'
import type { AnswerUsage } from './budget.js'
import type { LanguageEndpoint } from './endpoint.js'

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
  constructor(readonly endpoint: LanguageEndpoint) {}

  /** @throws AscribeError REMOTE_FAILED, BUDGET_SPENT, REPLAY_MISSING, ABORTED, OPTION_* */
  async generate(prompt: Prompt, options: RemoteGenerateOptions = {}): Promise<RemoteGeneration> {
    expectObject('generate options', options)
    expectKnownKeys('generate options', options, names)
    const { signal, schema, logProbabilities } = options
    const messages = messagesOf(prompt)
    const maximumTokens = expectInteger('maximumTokens', options.maximumTokens ?? usualTokens, 1, 1 << 20)
    if (logProbabilities !== undefined) expectInteger('logProbabilities', logProbabilities, 0, 20)
    const { answer, usage, isReplayed } = await this.endpoint.ask(
      'chat/completions',
      {
        messages,
        max_tokens: maximumTokens,
        temperature: expectNumber('temperature', options.temperature ?? 0, 0, 1000),
        ...(options.topP === undefined ? {} : { top_p: expectNumber('topP', options.topP, 0, 1) }),
        ...(options.stop === undefined ? {} : { stop: options.stop }),
        ...(options.seed === undefined ? {} : { seed: expectInteger('seed', options.seed) }),
        ...(logProbabilities === undefined ? {} : { logprobs: true, top_logprobs: logProbabilities }),
        ...(schema === undefined
          ? {}
          : {
              response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } },
            }),
      },
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
