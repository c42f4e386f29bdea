import type { TextGrouping } from '../attribution/groups.js'
import { AscribeError } from '../errors.js'
import type { PredictionName } from '../graph/predictionTarget.js'
import type { AttributionMethod } from '../methods/attributionMethod.js'
import type { StepScoreName } from '../methods/generation/predictionScores.js'
import type { AttributeOptions } from '../methods/inputs/gradientMethod.js'
import type { Model } from '../model/model.js'
import { type ModelFlags, wholeNumber } from './modelFlags.js'

/** Flags of `explain` for models that go on from a text. */
export interface GenerationFlags {
  answer?: string
  maximumTokens?: string
  function?: string
  contrast?: string
  contrastPrompt?: string
  stepScore?: string[]
  aggregation?: string
}

const names = [
  'answer',
  'maximumTokens',
  'function',
  'contrast',
  'contrastPrompt',
  'stepScore',
  'aggregation',
] as const

/** Whether the model writes texts, so that it is its next tokens that are explained. */
const writes = ({ checkpoint }: Model): boolean => checkpoint?.decoder !== undefined

/**
 * Whether a call explains generated tokens: of a model that writes texts, unless it asks for a target of its own.
 *
 * @throws AscribeError OPTION_RANGE for flags of generated tokens elsewhere.
 */
export function explainsGeneration(model: Model, isText: boolean, flags: GenerationFlags & Others): boolean {
  const other = (['target', 'layer', 'output', 'score'] as const).find(name => flags[name] !== undefined)
  const isIt = writes(model) && isText && other === undefined
  const given = names.find(name => flags[name] !== undefined)
  if (isIt || given === undefined) return isIt
  const flag = `--${given.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`
  throw new AscribeError(
    'OPTION_RANGE',
    other === undefined
      ? `${flag} is for texts that a language model answers`
      : `${flag} explains generated tokens, which --${other} does not`,
  )
}

interface Others {
  target?: unknown
  layer?: unknown
  output?: unknown
  score?: unknown
}

/** The map of the tokens that a model writes behind a text. */
export async function explainText(
  model: Model,
  text: string,
  make: (model: Model) => Promise<AttributionMethod>,
  flags: GenerationFlags & ModelFlags & { group?: TextGrouping & string },
  signal: AbortSignal,
  chunk: number | undefined,
  baseline: AttributeOptions['baseline'],
  onProgress: (done: number, total: number) => void,
) {
  const { explainGeneration } = await import('../methods/generation/explainGeneration.js')
  const { expectOneOf } = await import('../validate.js')
  const { aggregations } = await import('../attribution/aggregate.js')
  const maximumTokens =
    flags.maximumTokens === undefined
      ? undefined
      : await wholeNumber('--maximum-tokens', flags.maximumTokens, 1, 1 << 20)
  const contrast = {
    ...(flags.contrast === undefined ? {} : { answer: flags.contrast }),
    ...(flags.contrastPrompt === undefined ? {} : { prompt: flags.contrastPrompt }),
  }
  const map = await explainGeneration(model, text, {
    method: make,
    signal,
    onProgress,
    ...(chunk === undefined ? {} : { chunk }),
    ...(baseline === undefined ? {} : { baseline }),
    ...(flags.answer === undefined ? {} : { answer: flags.answer }),
    ...(maximumTokens === undefined ? {} : { maximumTokens }),
    ...(flags.function === undefined ? {} : { function: flags.function as PredictionName }),
    ...(Object.keys(contrast).length === 0 ? {} : { contrast }),
    ...(flags.stepScore === undefined ? {} : { stepScores: flags.stepScore as StepScoreName[] }),
    ...(flags.aggregation === undefined
      ? {}
      : { aggregation: expectOneOf('--aggregation', flags.aggregation, aggregations) }),
  })
  return flags.group === undefined ? map : map.group(flags.group)
}
