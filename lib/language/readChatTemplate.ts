import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readFileBounded } from '../data/files.js'
import { AscribeError } from '../errors.js'
import type { ChatTemplate } from '../frontends/checkpoints/chatTemplate.js'

const maximumBytes = 32 << 20

async function readText(path: string): Promise<string | undefined> {
  if ((await stat(path).catch(() => undefined))?.isFile() !== true) return undefined
  return new TextDecoder().decode(await readFileBounded(path, maximumBytes))
}

async function readObject(path: string): Promise<Record<string, unknown>> {
  const text = await readText(path)
  if (text === undefined) return {}
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw new AscribeError('FILE_CORRUPT', `${path} is not JSON`, { cause })
  }
  return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {}
}

/** One template, or the one called "default" of several. */
function templateOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (!Array.isArray(value)) return undefined
  const named = value as { name?: unknown; template?: unknown }[]
  const found = named.find(each => each?.name === 'default')?.template
  return typeof found === 'string' ? found : undefined
}

/** A token's text, which may be an object with more about it. */
function tokenText(value: unknown): string | undefined {
  const text = typeof value === 'object' && value !== null ? (value as { content?: unknown }).content : value
  return typeof text === 'string' ? text : undefined
}

/** Reads the chat template of a checkpoint folder: chat_template.jinja, chat_template.json or tokenizer_config.json. */
export async function readChatTemplate(folder: string): Promise<ChatTemplate> {
  const configuration = await readObject(join(folder, 'tokenizer_config.json'))
  const names = ['bos_token', 'eos_token', 'unk_token', 'pad_token']
  const texts = names.map(name => [name, tokenText(configuration[name])] as const)
  const tokens = Object.fromEntries(texts.filter((each): each is [string, string] => each[1] !== undefined))
  const template =
    (await readText(join(folder, 'chat_template.jinja'))) ??
    templateOf((await readObject(join(folder, 'chat_template.json'))).chat_template) ??
    templateOf(configuration.chat_template)
  return { ...(template === undefined ? {} : { template }), tokens }
}
