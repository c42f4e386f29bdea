import { AscribeError } from '../../errors.js'
import { type PredictionName, predictionReads } from '../../graph/predictionTarget.js'
import type { Prompt } from '../../language/generator.js'
import type { Model } from '../../model/model.js'
import { type ExplainedSequence, explainedSequence } from './explainedSequence.js'
import type { ExplainGenerationOptions } from './generationOptions.js'
import { logitsBehind } from './predictionScores.js'

/** What one step's prediction is compared with. */
export interface Contrasts {
  /** Another answer's token for each step. */
  readonly tokens?: readonly number[]
  /** Logits in another context for each step. */
  readonly logits?: readonly Float32Array[]
}

/** @throws AscribeError TARGET_INVALID where a function reads what was not given. */
export function checkContrasts(of: PredictionName, { tokens, logits }: Contrasts): void {
  const reads = predictionReads(of)
  const needs = (what: string) => new AscribeError('TARGET_INVALID', `The function ${of} needs ${what}`)
  if (reads === 'contrast' && tokens === undefined && logits === undefined)
    throw needs('a contrast: another answer or another prompt')
  if (reads === 'distributions' && logits === undefined) throw needs('a contrast with another prompt')
}

/** Another answer's tokens, another prompt's predictions. */
export async function contrastsOf(
  model: Model,
  prompt: Prompt,
  sequence: ExplainedSequence,
  start: number,
  positions: readonly number[],
  { contrast, signal }: ExplainGenerationOptions,
): Promise<Contrasts> {
  if (contrast === undefined) return {}
  const { answer } = contrast
  let tokens: readonly number[] | undefined
  if (answer !== undefined) {
    const other = await explainedSequence(model, prompt, answer, signal)
    const own = other.ids.slice(other.promptTokens)
    if (own.length < start + positions.length)
      throw new AscribeError(
        'INPUT_SHAPE',
        `The contrast has ${own.length} tokens, and the answer is explained up to its token ${start + positions.length}`,
        { hint: 'Explain fewer steps, or write both answers with as many tokens.' },
      )
    tokens = own.slice(start, start + positions.length)
  }
  if (contrast.prompt === undefined) return { ...(tokens ? { tokens } : {}) }
  const elsewhere = await explainedSequence(
    model,
    contrast.prompt,
    sequence.ids.slice(sequence.promptTokens),
    signal,
  )
  const places = positions.map(place => place - sequence.promptTokens + elsewhere.promptTokens - 1)
  return {
    ...(tokens ? { tokens } : {}),
    logits: await logitsBehind(model, elsewhere, places, signal),
  }
}
