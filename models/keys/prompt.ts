import type { KeysText } from './generator.js'

/** The prompt that the model was trained on most, which is what the library asks by itself. */
export const keysPrompt = (context: string, question: string): string =>
  `Answer the question by what the context says.\n\nContext:\n${context}\n\nQuestion: ${question}\nAnswer:`

/** The sentences as one text. */
export const keysContext = ({ sentences }: KeysText): string => sentences.map(({ text }) => text).join(' ')
