import { ContextPrompt, type ContextQuestion, type ContextRequest } from '../../context/contextPrompt.js'
import { AscribeError } from '../../errors.js'
import type { Model } from '../../model/model.js'
import type { Span } from '../../regions/spans.js'
import { expectKnownKeys, expectObject, expectSignalAndProgress } from '../../validate.js'
import type { TraceOptions } from './attnTrace.js'
import { checkedSpan } from './span.js'

/** The prompt that a caller made, or one of what the caller says. @throws AscribeError OPTION_RANGE for another model's */
export async function openPrompt(
  model: Model,
  given: ContextRequest | ContextQuestion | ContextPrompt,
  signal?: AbortSignal,
): Promise<ContextPrompt> {
  const prompt = given instanceof ContextPrompt ? given : await ContextPrompt.create(model, given, signal)
  if (prompt.model !== model)
    throw new AscribeError('OPTION_RANGE', `The prompt is one of model ${prompt.model.name}`)
  return prompt
}

/** What is traced: a prompt with its response, and which of the response's tokens. */
export async function openTrace(
  model: Model,
  given: ContextRequest | ContextPrompt,
  options: TraceOptions,
): Promise<{ prompt: ContextPrompt; span: Span }> {
  expectObject('trace options', options)
  expectKnownKeys('trace options', options, ['span', 'signal', 'onProgress'])
  expectSignalAndProgress(options)
  const prompt = await openPrompt(model, given, options.signal)
  return { prompt, span: checkedSpan(options.span, prompt.answered().ids.length) }
}
