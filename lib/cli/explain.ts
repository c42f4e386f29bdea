import { existsSync } from 'node:fs'
import { mkdir, stat } from 'node:fs/promises'
import { extname, join } from 'node:path'
import type { Command } from 'commander'
import type { Attribution } from '../attribution/attribution.js'
import type { TextGrouping } from '../attribution/groups.js'
import { AscribeError } from '../errors.js'
import type { Score } from '../graph/target.js'
import type { Explained } from '../methods/inputs/gradientMethod.js'
import { findMethod } from '../methods/registry.js'
import type { Model } from '../model/model.js'
import { createMethod } from './createMethod.js'
import { exitCodes } from './exitCodes.js'
import { explainsGeneration, explainText, type GenerationFlags } from './explainText.js'
import { listInputs, readBaseline, readInput, readNamedTensors, resultNames } from './inputs.js'
import { addMethodFlags, modelPrecision } from './methodFlags.js'
import { addModelFlags, collect, type ModelFlags, openModel, wholeNumber } from './modelFlags.js'
import { parseTarget } from './parseTarget.js'
import { startProgress } from './progress.js'
import { runCommand, type Session } from './session.js'

interface ExplainFlags extends ModelFlags, GenerationFlags {
  method: string
  base: string
  target?: string[]
  layer?: string[]
  score?: Score
  output?: string
  input?: string[]
  text?: string[]
  group?: TextGrouping & string
  baseline?: string
  chunk?: string
  out?: string
  format?: string
  force?: boolean
  smoothing?: string
}

const formats = ['html', 'png', 'svg', 'json', 'npy']

/** Method flags depend on the method, which must therefore be found before the rest is parsed. */
function flagValue(argv: readonly string[], flag: string): string | undefined {
  const at = argv.findIndex(word => word === flag || word.startsWith(`${flag}=`))
  if (at < 0) return undefined
  return argv[at] === flag ? argv[at + 1] : argv[at]!.slice(flag.length + 1)
}

export function addExplain(program: Command, argv: readonly string[]): void {
  const command = addModelFlags(
    program
      .command('explain <model> [inputs...]')
      .description(
        "explain a model's output: pictures, .txt and .npy files, folders of them, texts, or tensors by name",
      ),
  )
    .option('--method <name>', 'attribution method; `ascribe methods` lists them', 'IntegratedGradients')
    .option('--base <name>', 'the method that SmoothGrad and its kin go around', 'Saliency')
    .option(
      '--target <target>',
      'top, a class index, a label, regression, difference:A:B, token:POSITION:ID, box:CHANNEL:LEFT,TOP,RIGHT,BOTTOM, segment:CHANNEL, neuron:LAYER:INDEX or detection:SCORES:BOXES:CLASS:LEFT,TOP,RIGHT,BOTTOM; may be given several times (default: top)',
      collect,
    )
    .option('--score <form>', 'logit, probability or logProbability')
    .option('--output <name>', 'the output that is explained; default the first')
    .option('--input <NAME=FILE.npy>', 'a tensor for an input, by name; may be given several times', collect)
    .option('--text <text>', 'a text, in place of a file; may be given several times', collect)
    .option(
      '--answer <text>',
      'what a causal language model answers to the text, whose tokens are explained; default what it writes',
    )
    .option('--maximum-tokens <n>', 'tokens that are written where there is no --answer; default 16')
    .option(
      '--function <name>',
      'what of each generated token is explained: logit (default), probability, entropy, contrastLogitDifference …',
    )
    .option('--contrast <text>', 'another answer, compared token by token')
    .option('--contrast-prompt <text>', 'another text before the same answer')
    .option(
      '--step-score <name>',
      'a number told of each generated token; may be given several times',
      collect,
    )
    .option(
      '--aggregation <how>',
      "how the features of a token's embedding become one score: sum (default), l2, absmax, mean",
    )
    .option('--group <part>', 'put tokens of texts together: word, whitespace or sentence')
    .option(
      '--layer <name>',
      'explain a value inside the model in place of its inputs (`ascribe inspect --layers` lists them); may be given several times',
      collect,
    )
    .option(
      '--baseline <value|FILE.npy>',
      'what absence looks like, in model space (default: 0; of methods on the regions of a picture: black)',
    )
    .option('--chunk <n>', 'examples of one pass; default as many as fit')
    .option(
      '--out <path>',
      'a file (.html, .png, .svg, .json, .npy), or a folder where there are several inputs',
    )
    .option('--format <extension>', `kind of the files in a folder: ${formats.join(', ')} (default: html)`)
    .option('--smoothing <cells>', 'Gaussian that smooths the drawn map (not the scores)')
    .option('--force', 'explain again what is already in the folder')
  for (const flag of ['--method', '--base']) {
    const name = flagValue(argv, flag) ?? (flag === '--method' ? 'IntegratedGradients' : 'Saliency')
    if (argv[0] !== 'explain') break
    // An unknown name is reported when the command runs.
    try {
      const entry = findMethod(name)
      if (flag === '--method' || findMethod(flagValue(argv, '--method') ?? 'IntegratedGradients').wraps)
        addMethodFlags(command, entry)
    } catch {
      break
    }
  }
  command.action(async (model: string, inputs: string[], flags: ExplainFlags) => {
    await runCommand(flags, session => explain(session, model, inputs, flags))
  })
}

const isText = (file: string): boolean => extname(file).toLowerCase() === '.txt'

/** Where each result goes; undefined: nowhere, it is shown. */
async function placeResults(inputs: readonly string[], flags: ExplainFlags): Promise<(string | undefined)[]> {
  const { out } = flags
  const format = flags.format ?? 'html'
  if (!formats.includes(format))
    throw new AscribeError('OPTION_RANGE', `--format is one of ${formats.join(', ')}`)
  const count = Math.max(inputs.length, 1)
  if (out === undefined) return Array.from({ length: count }, () => undefined)
  const isFolder =
    out.endsWith('/') || (existsSync(out) && (await stat(out)).isDirectory()) || extname(out) === ''
  if (!isFolder) {
    if (count > 1)
      throw new AscribeError('OPTION_RANGE', `There are ${count} inputs, and --out ${out} is one file`, {
        hint: 'Give a folder.',
      })
    if (!formats.includes(extname(out).slice(1).toLowerCase()))
      throw new AscribeError(
        'OPTION_RANGE',
        `--out must end in ${formats.map(each => `.${each}`).join(', ')}, or be a folder`,
      )
    return [out]
  }
  await mkdir(out, { recursive: true })
  return resultNames(inputs.length > 0 ? inputs : ['attribution'], format).map(name => join(out, name))
}

/** What is drawn how: said before anything is computed. @throws AscribeError OPTION_RANGE */
function checkKinds(
  isGeneration: boolean,
  isTokens: boolean,
  places: readonly (string | undefined)[],
  { smoothing }: ExplainFlags,
): void {
  if (smoothing !== undefined && isTokens)
    throw new AscribeError('OPTION_RANGE', '--smoothing is for pictures: tokens are not smoothed')
  if (!isTokens) return
  const kinds = isGeneration ? ['html', 'json', 'npy'] : formats.filter(each => each !== 'png')
  const other = places.find(
    place => place !== undefined && !kinds.includes(extname(place).slice(1).toLowerCase()),
  )
  if (other !== undefined)
    throw new AscribeError(
      'OPTION_RANGE',
      `${isGeneration ? 'Maps of generated tokens' : 'Maps of texts'} are ${kinds.map(each => `.${each}`).join(', ')}, received ${other}`,
    )
}

function summary(input: string | undefined, out: string | undefined, attribution: Attribution) {
  const { targets, output, method, checks, warnings, cost, environment } = attribution
  return {
    ...(input === undefined ? {} : { input }),
    ...(out === undefined ? {} : { out }),
    targets,
    output,
    method,
    checks,
    warnings,
    cost,
    environment,
  }
}

async function explain(
  session: Session,
  path: string,
  paths: readonly string[],
  flags: ExplainFlags,
): Promise<number> {
  const named = await readNamedTensors('--input', flags.input ?? [])
  const hasNamed = Object.keys(named).length > 0
  const texts = flags.text ?? []
  const files = await listInputs(paths)
  const kinds = [hasNamed, texts.length > 0, files.length > 0].filter(Boolean).length
  if (kinds !== 1)
    throw new AscribeError(
      'INPUT_MISSING',
      kinds > 1
        ? 'Give files, --text or --input, and one of them alone'
        : 'There is nothing to explain: give pictures, .txt or .npy files, folders, --text TEXT, or --input NAME=FILE.npy',
    )
  const places = await placeResults(files.length > 0 ? files : texts.map((_, at) => `text-${at + 1}`), flags)
  const targets = (flags.target ?? []).map(text =>
    parseTarget(text, {
      ...(flags.output === undefined ? {} : { output: flags.output }),
      ...(flags.score === undefined ? {} : { score: flags.score }),
    }),
  )
  const general = parseTarget('top', {
    ...(flags.output === undefined ? {} : { output: flags.output }),
    ...(flags.score === undefined ? {} : { score: flags.score }),
  })
  const baseline = await readBaseline(flags.baseline)
  const chunk = flags.chunk === undefined ? undefined : await wholeNumber('--chunk', flags.chunk, 1, 1 << 20)
  const model = await openModel(path, modelPrecision(flags, findMethod(flags.method)))
  const make = (explained: Model) =>
    createMethod(explained, flags.method, flags.base, flags as unknown as Record<string, unknown>)
  const isGeneration = explainsGeneration(model, !hasNamed && files.every(isText), flags)
  checkKinds(isGeneration, texts.length > 0 || (files.length > 0 && files.every(isText)), places, flags)
  const method = isGeneration ? undefined : await make(model)
  const results: unknown[] = []
  const color = process.stdout.isTTY === true && process.stdout.hasColors(2 ** 24)
  const shown: string[] = []
  const progress = await startProgress('explaining', !session.isJson)
  try {
    for (const [index, place] of places.entries()) {
      const file = files[index]
      if (
        file !== undefined &&
        place !== undefined &&
        places.length > 1 &&
        !flags.force &&
        existsSync(place)
      ) {
        session.note(`${place} is there already (--force explains it again)`)
        continue
      }
      const input: Explained = file === undefined ? (texts[index] ?? named) : await readInput(file)
      const onProgress = (done: number, total: number) =>
        progress.update(index * total + done, places.length * total)
      if (method === undefined) {
        const { signal } = session
        const map = await explainText(
          model,
          input as string,
          make,
          flags,
          signal,
          chunk,
          baseline,
          onProgress,
        )
        if (place !== undefined) await map.save(place)
        results.push({
          ...summary(file, place, map.attribution),
          steps: map.steps,
          stepScores: map.stepScores,
        })
        shown.push(place === undefined ? map.toText({ color }) : oneLine(file, place, map.attribution))
        continue
      }
      const whole = await method.attribute(input, {
        target: targets.length > 1 ? targets : (targets[0] ?? general),
        signal: session.signal,
        onProgress,
        ...(baseline === undefined ? {} : { baseline }),
        ...(chunk === undefined ? {} : { chunk }),
        ...(flags.layer === undefined ? {} : { layer: flags.layer }),
      })
      const attribution = flags.group === undefined ? whole : whole.group(flags.group)
      if (place !== undefined)
        await attribution.save(
          place,
          flags.smoothing === undefined ? {} : { smoothing: Number(flags.smoothing) },
        )
      results.push(summary(file, place, attribution))
      shown.push(
        place === undefined
          ? attribution.toText({ color, columns: Math.min(process.stdout.columns ?? 48, 64) })
          : oneLine(file, place, attribution),
      )
    }
  } finally {
    progress.stop()
  }
  session.result(hasNamed || places.length === 1 ? (results[0] ?? {}) : results, shown.join('\n'))
  return exitCodes.ok
}

function oneLine(file: string | undefined, place: string, attribution: Attribution): string {
  const warned = attribution.warnings.map(({ code, message }) => `\n  warning ${code}: ${message}`).join('')
  return `${file === undefined ? '' : `${file}: `}${attribution.targets.map(target => target.description).join('; ')} -> ${place}${warned}`
}
