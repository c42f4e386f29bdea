import type { Generation } from '../language/generator.js'
import type { Span } from '../regions/spans.js'
import type { ContextAttribution } from './contextAttribution.js'
import type { ContextPrompt } from './contextPrompt.js'

/** A document that a context is made of. */
export interface TracedDocument {
  /** For people: the name of a file, say. */
  readonly name: string
  readonly text: string
}

/** One sentence of an answer, and where it came from. */
export interface TracedSentence extends Span {
  readonly text: string
  readonly attribution: ContextAttribution
  /** Numbers of the texts that it stands on, greatest score first. */
  readonly sources: readonly number[]
}

/** A text of the context that some sentence of the answer stands on. */
export interface AnswerSource {
  /** What it is cited as, from 1. */
  readonly number: number
  /** Its number among the context's texts. */
  readonly index: number
  readonly text: string
  readonly document: string
  /** The line that it begins in, from 1. */
  readonly line: number
  /** Of the whole answer; in a stream of the sentence that is told. */
  readonly score: number
}

/** What a trace of an answer is made of. */
export interface AnswerTraceParts {
  readonly documents: readonly (TracedDocument & Span)[]
  readonly question: string
  readonly answer: string
  /** Absent where the answer was given, or told as it was written. */
  readonly generation?: Generation
  readonly prompt: ContextPrompt
  /** Of the whole answer. */
  readonly attribution: ContextAttribution
  readonly sentences: readonly TracedSentence[]
  /** Whether sources are numbered in the order of the context (default), or as they are cited first. */
  readonly numbering?: 'context' | 'cited'
}

/** An answer, and for each of its sentences the texts that it came from. Made by {@link traceAnswer} and {@link streamAnswer}. */
export class AnswerTrace {
  readonly documents: AnswerTraceParts['documents']
  readonly question: string
  readonly answer: string
  readonly generation: Generation | undefined
  readonly prompt: ContextPrompt
  readonly attribution: ContextAttribution
  readonly sentences: readonly TracedSentence[]
  /** In the order of their numbers. */
  readonly sources: readonly AnswerSource[]

  constructor(parts: AnswerTraceParts) {
    this.documents = parts.documents
    this.question = parts.question
    this.answer = parts.answer
    this.generation = parts.generation
    this.prompt = parts.prompt
    this.attribution = parts.attribution
    this.sentences = parts.sentences
    const cited = [...new Set(parts.sentences.flatMap(({ sources }) => sources))]
    const ordered = parts.numbering === 'cited' ? cited : cited.sort((a, b) => a - b)
    this.sources = ordered.map((index, at) => ({
      number: at + 1,
      ...sourceAt(parts.documents, parts.attribution, index),
    }))
  }

  /** What a text of the context is cited as; undefined where no sentence stands on it. */
  numberOf(index: number): number | undefined {
    return this.sources.find(source => source.index === index)?.number
  }

  toJSON(): object {
    const { question, answer, sources, sentences, attribution, documents } = this
    return {
      question,
      answer,
      documents: documents.map(({ name, start, end }) => ({ name, start, end })),
      sources,
      sentences: sentences.map(each => ({
        text: each.text,
        start: each.start,
        end: each.end,
        sources: each.sources.map(index => this.numberOf(index)),
        scores: each.attribution.scores,
      })),
      attribution,
    }
  }
}

/** A text of the context as a source: which document it is in, and where. */
export function sourceAt(
  documents: AnswerTraceParts['documents'],
  { texts, scores }: ContextAttribution,
  index: number,
): Omit<AnswerSource, 'number'> {
  const { text, start } = texts[index]!
  const first = start + text.length - text.trimStart().length
  const document = documents.findLast(each => each.start <= first) ?? documents[0]!
  return {
    index,
    text: text.trim(),
    document: document.name,
    line: document.text.slice(0, Math.max(0, first - document.start)).split('\n').length,
    score: scores[index]!,
  }
}
