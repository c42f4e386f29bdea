import { AscribeError } from '../errors.js'
import type { Model } from '../model/model.js'
import { expectKnownKeys, expectObject, expectString } from '../validate.js'
import { renderChatTemplate } from './chatTemplate.js'
import { generating } from './decoding.js'
import { readChatTemplate } from './readChatTemplate.js'

/** One turn of a conversation. */
export interface ChatMessage {
  /** `system`, `user`, `assistant`, or what else the model's template knows. */
  readonly role: string
  readonly content: string
}

function checkMessages(messages: readonly ChatMessage[]): void {
  for (const message of messages) {
    expectObject('message', message)
    expectKnownKeys('message', message, ['role', 'content'])
    expectString('role', message.role)
    expectString('content', message.content)
  }
}

/** Whether the checkpoint says how conversations are written. */
export async function hasChatTemplate(model: Model): Promise<boolean> {
  const { checkpoint } = generating(model)
  return (checkpoint.chatTemplate ?? (await readChatTemplate(checkpoint.path))).template !== undefined
}

/**
 * A conversation as one text, written by the checkpoint's own chat template, with the beginning of the answer behind it.
 *
 * @throws AscribeError CHAT_TEMPLATE_REQUIRED where the checkpoint has none; CHAT_TEMPLATE_INVALID, DEADLINE_EXCEEDED.
 */
export async function chatPrompt(
  model: Model,
  messages: readonly ChatMessage[],
  signal?: AbortSignal,
): Promise<string> {
  checkMessages(messages)
  const { checkpoint } = generating(model)
  const { template, tokens } = checkpoint.chatTemplate ?? (await readChatTemplate(checkpoint.path))
  if (template === undefined)
    throw new AscribeError('CHAT_TEMPLATE_REQUIRED', `Model ${model.name} has no chat template`, {
      hint: 'Give the prompt as a text.',
    })
  return renderChatTemplate(template, { ...tokens, messages, add_generation_prompt: true }, { signal })
}
