import { AscribeError } from '../errors.js'
import { type ChatMessage, chatPrompt, hasChatTemplate } from '../language/chatPrompt.js'
import type { Model } from '../model/model.js'
import type { Span } from '../regions/spans.js'
import { expectString, typeError } from '../validate.js'

/** What stands around a context. */
export interface PromptFrame {
  readonly before: string
  readonly after: string
  /** Whether the tokenizer adds its own tokens at the ends: not where a chat template wrote them. */
  readonly specials: boolean
  /** What of the context stands in the prompt: all, or all but white space at its ends. */
  readonly shown: Span
}

export interface FrameOptions {
  /** Text with `[context]` and, where a question is to be asked, `[question]`. */
  template?: string | undefined
  question?: string | undefined
  /** Whether the checkpoint's chat template is put around it. Default: where there is one. */
  chat?: boolean | undefined
  /** What the conversation begins with, in a message of the system. */
  system?: string | undefined
}

const instruction = 'Answer the question by what the context says.'
/** What is asked where there is no template. */
export const usualTemplate = (question: string | undefined, isChat: boolean): string => {
  if (question === undefined) return '[context]'
  return `${instruction}\n\nContext:\n[context]\n\nQuestion: [question]${isChat ? '' : '\nAnswer:'}`
}

/** The template cut at the first `[context]`, with the question filled in. @throws AscribeError OPTION_RANGE */
export function cutTemplate(template: string, question: string | undefined): [before: string, after: string] {
  const at = template.indexOf('[context]')
  if (at < 0)
    throw new AscribeError('OPTION_RANGE', 'The template has no [context]', {
      hint: 'Write [context] where the texts stand, and [question] where the question does.',
    })
  if (question !== undefined && !template.includes('[question]'))
    throw new AscribeError('OPTION_RANGE', 'There is a question, and the template has no [question]')
  if (question === undefined && template.includes('[question]'))
    throw new AscribeError('OPTION_RANGE', 'The template has a [question], and none was given')
  const filled = (part: string) => part.replaceAll('[question]', () => question ?? '')
  return [filled(template.slice(0, at)), filled(template.slice(at + '[context]'.length))]
}

/** What a model reads before and behind the context: the template's parts, inside the checkpoint's chat template. */
export async function promptFrame(
  model: Model,
  context: string,
  { template, question, chat, system }: FrameOptions,
  signal?: AbortSignal,
): Promise<PromptFrame> {
  if (chat !== undefined && typeof chat !== 'boolean') throw typeError('chat', 'true or false', chat)
  if (system !== undefined) expectString('system', system)
  const isChat = chat ?? (system !== undefined || (await hasChatTemplate(model)))
  if (!isChat && system !== undefined)
    throw new AscribeError('OPTION_RANGE', 'A message of the system needs the chat template')
  const [before, after] = cutTemplate(template ?? usualTemplate(question, isChat), question)
  if (!isChat) return { before, after, specials: true, shown: { start: 0, end: context.length } }
  const own: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }]
  const content = before + context + after
  const rendered = await chatPrompt(model, [...own, { role: 'user', content }], signal)
  // Many templates take white space off the ends of a message.
  const lost = content.length - content.trimStart().length
  for (const [text, skipped] of [
    [content, 0],
    [content.trim(), lost],
  ] as const) {
    const at = rendered.lastIndexOf(text)
    if (at < 0) continue
    const lead = before.length - skipped
    const shown = { start: Math.max(0, -lead), end: Math.min(context.length, text.length - lead) }
    return {
      before: rendered.slice(0, at + lead + shown.start),
      after: rendered.slice(at + lead + shown.end),
      specials: false,
      shown,
    }
  }
  throw new AscribeError(
    'CHAT_TEMPLATE_INVALID',
    'The chat template does not write the context as it is, so that its texts cannot be found in the prompt',
    { hint: 'Give `chat: false` and a template, or the token ids with the spans of the texts.' },
  )
}
