import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readFileBounded } from '../../data/files.js'
import { type Config, parseConfig } from './config.js'

const maximumBytes = 1 << 20

/** What a checkpoint says about generation: generation_config.json, and config.json where that says nothing. */
export interface GenerationDefaults {
  /** Tokens that end a text. */
  readonly endTokens: readonly number[]
  readonly maximumTokens?: number
  readonly temperature?: number
  readonly topK?: number
  readonly topP?: number
  readonly minP?: number
  readonly repetitionPenalty?: number
}

const isId = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

function endTokens(config: Config): number[] | undefined {
  const value = config.raw('eos_token_id')
  if (value === undefined) return undefined
  const list = Array.isArray(value) ? value : [value]
  if (list.length > 1000 || !list.every(isId))
    throw config.invalid('eos_token_id', 'a token id or a list of ids')
  return list
}

/** @param own generation_config.json, where there is one. */
export function generationDefaults(config: Config, own: Config | undefined): GenerationDefaults {
  const text = config.optionalPart('text_config')
  const ends = (own && endTokens(own)) ?? endTokens(config) ?? (text && endTokens(text)) ?? []
  if (own === undefined) return { endTokens: ends }
  const optional = <K extends string>(name: K, value: number | undefined) =>
    (value === undefined ? {} : { [name]: value }) as { [key in K]?: number }
  const maximum = optional('maximumTokens', own.optionalInteger('max_new_tokens'))
  const penalty = optional('repetitionPenalty', own.optionalReal('repetition_penalty', 1e-6, 1000))
  if (!own.flag('do_sample', false)) return { endTokens: ends, ...maximum, ...penalty }
  const topK = own.optionalInteger('top_k', 0)
  return {
    endTokens: ends,
    ...maximum,
    ...penalty,
    temperature: own.real('temperature', 1, 0, 1000),
    // transformers takes the 50 most likely tokens unless told; 0 stands for all.
    ...optional('topK', topK === 0 ? undefined : (topK ?? 50)),
    ...optional('topP', own.optionalReal('top_p', 0, 1)),
    ...optional('minP', own.optionalReal('min_p', 0, 1)),
  }
}

/** Reads generation_config.json of a folder, where there is one. */
export async function readGenerationDefaults(folder: string, config: Config): Promise<GenerationDefaults> {
  const name = 'generation_config.json'
  const path = join(folder, name)
  const isThere = (await stat(path).catch(() => undefined))?.isFile() === true
  const own = isThere
    ? parseConfig(new TextDecoder().decode(await readFileBounded(path, maximumBytes)), name)
    : undefined
  return generationDefaults(config, own)
}
