import type { Command } from 'commander'
import type { ComputePrecision, Model } from '../model/model.js'
import type { CommonFlags } from './session.js'

/** Flags of every command that loads a model. */
export interface ModelFlags extends CommonFlags {
  preprocessing?: string
  labels?: string
  tokenizer?: string
  device?: string
  precision?: ComputePrecision | 'f64' | undefined
  memoryLimit?: string
  recompute?: string
  threads?: string
  lanes?: string
}

const precisionHelp =
  'f32; bf16: factors of products are rounded, where the processor multiplies bf16; or int8: rows are rounded where weights are in blocks, forwards only'

export function addModelFlags(command: Command, precision = precisionHelp): Command {
  command
    .option(
      '--preprocessing <name>',
      'how pictures become input: imagenet, caffe-bgr, clip, inception, none, or a preprocessor_config.json',
    )
    .option('--labels <file>', 'class names, one a line or a JSON array')
  return addLanguageModelFlags(command, precision)
}

/** The same for commands whose models read texts and name no classes. */
export function addLanguageModelFlags(command: Command, precision = precisionHelp): Command {
  return command
    .option('--tokenizer <file>', 'how texts become tokens: a tokenizer.json')
    .option('--device <device>', 'auto, cpu, cuda or cuda:N', 'auto')
    .option('--precision <dtype>', `${precision} (default f32)`)
    .option('--memory-limit <MiB>', 'bound on the memory of one call; work is cut to fit')
    .option(
      '--recompute <when>',
      'compute activations again where a gradient reads them, in place of keeping them: auto (what does not fit --memory-limit), always, never, or MiB that they may take (default auto)',
    )
    .option('--threads <n>', 'threads of a lane; default every core')
    .option('--lanes <n>', 'jobs that run at once; default 1')
}

/** A whole number from a flag. @throws AscribeError `OPTION_TYPE`, `OPTION_RANGE` */
export async function wholeNumber(
  flag: string,
  text: string,
  minimum: number,
  maximum: number,
): Promise<number> {
  const { expectInteger } = await import('../validate.js')
  return expectInteger(flag, text.trim() === '' ? Number.NaN : Number(text), minimum, maximum)
}

/** @throws AscribeError `OPTION_TYPE`, `OPTION_RANGE` */
async function recomputation(text: string): Promise<boolean | 'auto' | number> {
  if (text === 'auto') return text
  if (text === 'always' || text === 'never') return text === 'always'
  return (await wholeNumber('--recompute', text, 1, 2 ** 30)) * 2 ** 20
}

/** Configures the engine and loads the model. */
export async function openModel(path: string, flags: ModelFlags): Promise<Model> {
  const [{ loadModel }, { computePrecisions }, { call, native }, { expectOneOf }] = await Promise.all([
    import('../model/loadModel.js'),
    import('../model/precision.js'),
    import('../native.js'),
    import('../validate.js'),
  ])
  const threadsPerLane =
    flags.threads === undefined ? undefined : await wholeNumber('--threads', flags.threads, 1, 1024)
  const lanes = flags.lanes === undefined ? undefined : await wholeNumber('--lanes', flags.lanes, 1, 1024)
  if (threadsPerLane !== undefined || lanes !== undefined)
    call(() =>
      native().configure({ ...(lanes ? { lanes } : {}), ...(threadsPerLane ? { threadsPerLane } : {}) }),
    )
  const limit =
    flags.memoryLimit === undefined
      ? undefined
      : await wholeNumber('--memory-limit', flags.memoryLimit, 1, 2 ** 30)
  const precision =
    flags.precision === undefined ? undefined : expectOneOf('--precision', flags.precision, computePrecisions)
  return loadModel(path, {
    ...(precision === undefined ? {} : { precision }),
    ...(flags.preprocessing === undefined ? {} : { preprocessing: flags.preprocessing }),
    ...(flags.labels === undefined ? {} : { labels: flags.labels }),
    ...(flags.tokenizer === undefined ? {} : { tokenizer: flags.tokenizer }),
    ...(flags.device === undefined ? {} : { device: flags.device }),
    ...(flags.recompute === undefined ? {} : { recompute: await recomputation(flags.recompute) }),
    ...(limit === undefined ? {} : { memoryLimitBytes: limit * 2 ** 20 }),
  })
}

/** `T=16` pairs. */
export async function readSizes(pairs: readonly string[]): Promise<Record<string, number>> {
  const { namedFiles } = await import('./inputs.js')
  const sizes: Record<string, number> = {}
  for (const [name, value] of namedFiles('--size', pairs))
    sizes[name] = await wholeNumber(`--size ${name}`, value, 0, 2 ** 40)
  return sizes
}

/** For flags that may be given several times. */
export const collect = (value: string, before: string[] = []): string[] => [...before, value]
