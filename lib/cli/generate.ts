import type { Command } from 'commander'
import { exitCodes } from './exitCodes.js'
import { addLanguageModelFlags, collect, type ModelFlags, openModel, wholeNumber } from './modelFlags.js'
import { runCommand, type Session } from './session.js'

interface GenerateFlags extends ModelFlags {
  prompt?: string
  chat?: string
  system?: string
  maximumTokens?: string
  temperature?: string
  topK?: string
  topP?: string
  minP?: string
  repetitionPenalty?: string
  seed?: string
  stop?: string[]
}

export function addGenerate(program: Command): void {
  addLanguageModelFlags(
    program
      .command('generate <model>')
      .description('write text with a language model: a checkpoint folder, a GGUF or a llama2.c file'),
  )
    .option('--prompt <text>', 'what the text goes on from')
    .option('--chat <text>', "what the user says; goes through the checkpoint's chat template")
    .option('--system <text>', 'what the system says before it')
    .option('--maximum-tokens <n>', 'tokens to write at most')
    .option('--temperature <t>', 'logits are divided by it; 0 takes the most likely token')
    .option('--top-k <n>', 'only so many most likely tokens can be chosen')
    .option('--top-p <p>', 'only the fewest tokens that have this probability together')
    .option('--min-p <p>', 'only tokens at least this share as likely as the most likely one')
    .option('--repetition-penalty <x>', 'logits of tokens that are in the text are divided by it')
    .option('--seed <n>', 'of the random draws')
    .option('--stop <text>', 'ends the text; may be given several times', collect)
    .action(async (model: string, flags: GenerateFlags) => {
      await runCommand(flags, session => generate(session, model, flags))
    })
}

async function generate(session: Session, path: string, flags: GenerateFlags): Promise<number> {
  const [{ AscribeError }, { Generator }, { escapeLines }, { expectNumber }] = await Promise.all([
    import('../errors.js'),
    import('../language/generator.js'),
    import('../report/escape.js'),
    import('../validate.js'),
  ])
  if ((flags.prompt === undefined) === (flags.chat === undefined))
    throw new AscribeError('OPTION_RANGE', 'generate takes one of --prompt and --chat')
  if (flags.system !== undefined && flags.chat === undefined)
    throw new AscribeError('OPTION_RANGE', '--system goes with --chat')
  const real = (flag: string, text: string | undefined) =>
    text === undefined ? undefined : expectNumber(flag, text.trim() === '' ? Number.NaN : Number(text))
  const whole = async (flag: string, text: string | undefined, least: number) =>
    text === undefined ? undefined : wholeNumber(flag, text, least, Number.MAX_SAFE_INTEGER)
  const given = {
    temperature: real('--temperature', flags.temperature),
    topK: await whole('--top-k', flags.topK, 1),
    topP: real('--top-p', flags.topP),
    minP: real('--min-p', flags.minP),
    repetitionPenalty: real('--repetition-penalty', flags.repetitionPenalty),
    maximumTokens: await whole('--maximum-tokens', flags.maximumTokens, 1),
    seed: await whole('--seed', flags.seed, 0),
    stop: flags.stop,
  }
  const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const generator = new Generator(await openModel(path, flags))
  const system = flags.system === undefined ? [] : [{ role: 'system', content: flags.system }]
  const prompt = flags.prompt ?? [...system, { role: 'user', content: flags.chat! }]
  const all = { ...options, signal: session.signal }
  if (session.isJson) {
    session.result(await generator.generate(prompt, all), '')
    return exitCodes.ok
  }
  if (flags.prompt !== undefined) process.stdout.write(escapeLines(flags.prompt))
  for await (const { text } of generator.stream(prompt, all)) process.stdout.write(escapeLines(text))
  process.stdout.write('\n')
  return exitCodes.ok
}
