import type { AnswerTrace } from '../context/answerTrace.js'
import { type StreamAnswerOptions, streamAnswer } from '../context/streamAnswer.js'
import type { TraceAnswerRequest } from '../context/traceAnswer.js'
import type { Model } from '../model/model.js'
import { escapeLines } from '../report/escape.js'
import type { Session } from './session.js'

/**
 * Tells an answer as it is written, and behind each sentence the numbers of its sources; with --json a line of JSON for every piece
 * of text and every sentence.
 */
export async function streamed(
  session: Session,
  model: Model,
  request: Omit<TraceAnswerRequest, 'answer'>,
  options: StreamAnswerOptions,
): Promise<AnswerTrace> {
  /** Each sentence stands on a line of its own, without the white space between two. */
  let isBegun = false
  for await (const event of streamAnswer(model, request, options)) {
    if (event.kind === 'end') return event.trace
    if (event.kind === 'text') {
      if (session.isJson) session.result(event, '')
      else if (isBegun || event.text.trim() !== '') {
        process.stdout.write(escapeLines(isBegun ? event.text : event.text.trimStart()))
        isBegun = true
      }
      continue
    }
    const { text, start, end } = event.sentence
    const { kind, sources } = event
    if (session.isJson) session.result({ kind, text, start, end, sources }, '')
    else {
      const numbers = sources.map(({ number }) => number).sort((a, b) => a - b)
      process.stdout.write(`${numbers.length > 0 ? ` [${numbers.join('][')}]` : ''}\n`)
    }
    isBegun = false
  }
  throw new Error('A streamed answer ends with its trace')
}
