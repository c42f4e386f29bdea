import type { Model } from '../../model/model.js'
import { native } from '../../native.js'
import { generating } from '../decoding.js'
import type { TextRows } from './planPacked.js'
import { runPacked } from './runPacked.js'
import { type WholeTexts, wholeStates } from './wholeTexts.js'

/** Whether the model's keys and values can lie in caches: where they are computed, and not on a GPU. */
export function keepsCaches(model: Model): boolean {
  if (generating(model).decoder.encode !== undefined) return false
  if (model.device !== 'auto') return !model.device.startsWith('cuda')
  return !native()
    .engine()
    .backends.some(({ name, available }) => name === 'cuda' && available)
}

export interface TextStates {
  /** Of each text the states of its rows, [rows, features]. */
  readonly states: readonly Float32Array[]
  /** Tokens that went through the model, without what runs are filled up with. */
  readonly tokens: number
}

/**
 * States of texts' rows, before the product with the vocabulary. What texts begin with in common is read once.
 */
export async function textStates(
  model: Model,
  texts: readonly TextRows[],
  options: WholeTexts = {},
): Promise<TextStates> {
  const { masks, signal } = options
  if (masks !== undefined || !keepsCaches(model)) {
    const states = await wholeStates(model, texts, options)
    return { states, tokens: texts.reduce((sum, { endRow, source = [] }) => sum + source.length + endRow, 0) }
  }
  const { features } = generating(model).decoder
  const states = texts.map(({ firstRow, endRow }) => new Float32Array((endRow - firstRow) * features))
  const tokens = await runPacked(
    model,
    texts,
    undefined,
    ({ text, position }, values) => states[text]!.set(values, (position - texts[text]!.firstRow) * features),
    signal,
  )
  return { states, tokens }
}
