import { extname } from 'node:path'
import type { Command } from 'commander'
import type { AnswerTrace } from '../context/answerTrace.js'
import type { ContextUnit } from '../context/segmentText.js'
import type { RemovalCheck } from '../metrics/removalCheck.js'
import type { TraceFindings } from '../report/tracePage.js'
import { exitCodes } from './exitCodes.js'
import { addLanguageModelFlags, collect, type ModelFlags, openModel, wholeNumber } from './modelFlags.js'
import { endpointOf, type QuoteFlags, quoted } from './quoteFlags.js'
import { runCommand, type Session } from './session.js'

interface TraceFlags extends ModelFlags, QuoteFlags {
  model: string
  context: string[]
  question: string
  answer?: string
  method: string
  option?: string[]
  unit?: ContextUnit
  sources?: string
  template?: string
  system?: string
  chat?: boolean
  maximumTokens?: string
  check?: boolean
  stream?: boolean
  out?: string
}

export function addTrace(program: Command): void {
  addLanguageModelFlags(
    program.command('trace').description('where an answer came from: which texts of a context it stands on'),
  )
    .requiredOption('--model <folder>', 'a language model: a checkpoint folder, a GGUF or a llama2.c file')
    .requiredOption('--context <files...>', 'what the model reads: text files')
    .requiredOption('--question <text>', 'what it is asked')
    .option('--answer <text>', "what was answered; default the model's own answer")
    .option(
      '--method <name>',
      'AttnTrace, ContextCite, TracLLM, …; `ascribe methods` lists them',
      'AttnTrace',
    )
    .option('--option <name=value>', 'an option of the method; may be given several times', collect)
    .option('--unit <unit>', 'what sources are: sentences, paragraphs, segments (of 100 words) or words')
    .option('--sources <n>', 'sources of a sentence at most')
    .option('--template <text>', 'the prompt, with [context] and [question]')
    .option('--system <text>', 'what the system says before it')
    .option('--no-chat', "leaves the checkpoint's chat template out")
    .option('--maximum-tokens <n>', 'tokens of the answer at most')
    .option(
      '--stream',
      'tells each sentence with its sources as the answer is written, by the attention that writes it; with --json as lines of JSON',
    )
    .option('--check', 'asks again without the sources, and with them alone')
    .option(
      '--quote <text>',
      'words of the answer: the spans that support just these; may be given several times',
      collect,
    )
    .option(
      '--quote-method <how>',
      'states: by hidden states (default); prompt: the model is asked, which takes a capable one with a chat template',
    )
    .option(
      '--endpoint <url>',
      'for --quote-method prompt: an endpoint that speaks the protocol of OpenAI is asked; ASCRIBE_ENDPOINT_KEY is sent as its key',
    )
    .option('--endpoint-model <name>', "the model's name there")
    .option(
      '--quote-within <where>',
      'sources: of the sentences that the words are in (default); documents: anywhere',
    )
    .option('--out <file>', 'a page (.html) or all numbers (.json)')
    .action(async (flags: TraceFlags) => {
      await runCommand(flags, session => trace(session, flags))
    })
}

async function trace(session: Session, flags: TraceFlags): Promise<number> {
  const [
    { AscribeError },
    { traceAnswer },
    { findContextMethod },
    { streamedTraceOptions },
    { foldedName },
    { expectOneOf },
  ] = await Promise.all([
    import('../errors.js'),
    import('../context/traceAnswer.js'),
    import('../methods/context/registry.js'),
    import('../methods/context/streamedTrace.js'),
    import('../methods/registry.js'),
    import('../validate.js'),
  ])
  const format = flags.out === undefined ? undefined : extname(flags.out).toLowerCase()
  if (format !== undefined && format !== '.html' && format !== '.json')
    throw new AscribeError('OPTION_RANGE', `--out takes a .html or .json file, received ${flags.out}`)
  const isStreamed = flags.stream === true
  if (isStreamed && (flags.answer !== undefined || foldedName(flags.method) !== foldedName('AttnTrace')))
    throw new AscribeError(
      'OPTION_RANGE',
      '--stream reads attention while the answer is written: --answer and --method do not go with it',
    )
  const entry = findContextMethod(flags.method)
  const given = await methodOptions(isStreamed ? streamedTraceOptions : entry.options, flags.option ?? [])
  const quoteMethod = expectOneOf('--quote-method', flags.quoteMethod ?? 'states', [
    'states',
    'prompt',
  ] as const)
  const within = expectOneOf('--quote-within', flags.quoteWithin ?? 'sources', [
    'sources',
    'documents',
  ] as const)
  if (flags.quote === undefined && (flags.quoteMethod ?? flags.quoteWithin) !== undefined)
    throw new AscribeError('OPTION_RANGE', '--quote-method and --quote-within go with --quote')
  const endpoint = endpointOf(flags, quoteMethod, AscribeError)
  const sources =
    flags.sources === undefined ? undefined : await wholeNumber('--sources', flags.sources, 1, 1000)
  const maximumTokens =
    flags.maximumTokens === undefined
      ? undefined
      : await wholeNumber('--maximum-tokens', flags.maximumTokens, 1, 1 << 20)
  const documents = await readDocuments(flags.context)
  const model = await openModel(flags.model, flags)
  const { signal } = session
  const request = {
    documents,
    question: flags.question,
    unit: flags.unit,
    template: flags.template,
    system: flags.system,
    ...(flags.chat === false ? { chat: false } : {}),
  }
  const settings = { sources, maximumTokens, signal }
  let found: AnswerTrace
  if (isStreamed) {
    const { streamed } = await import('./streamedAnswer.js')
    found = await streamed(session, model, request, { ...settings, ...given })
  } else {
    const method = (await entry.load())(model, given)
    const { startProgress } = await import('./progress.js')
    const progress = await startProgress('tracing', !session.isJson)
    try {
      const all = { ...settings, onProgress: progress.update }
      found = await traceAnswer(method, { ...request, answer: flags.answer }, all)
    } finally {
      progress.stop()
    }
  }
  // What took the time is the trace: it is told also where the answer does not hold what was quoted.
  let failure: unknown
  const findings: TraceFindings = {
    check: flags.check ? await checked(found, maximumTokens, signal) : undefined,
    quotes:
      flags.quote &&
      (await quoted(found, flags.quote, quoteMethod, within, endpoint, signal).catch(error => {
        failure = error
        return undefined
      })),
  }
  if (flags.out !== undefined) await write(found, findings, flags.out, format!)
  const { traceText } = await import('../report/traceText.js')
  const document = { ...found.toJSON(), ...findings }
  session.result(
    isStreamed ? { kind: 'end', ...document } : document,
    traceText(found, { ...findings, isAnswerShown: isStreamed }),
  )
  if (failure !== undefined) throw failure
  return exitCodes.ok
}

/** What becomes of the answer without its sources, and with them alone; undefined where it has none. */
async function checked(
  { prompt, sources }: AnswerTrace,
  maximumTokens: number | undefined,
  signal: AbortSignal,
): Promise<RemovalCheck | undefined> {
  if (sources.length === 0) return undefined
  const { removalCheck } = await import('../metrics/removalCheck.js')
  const texts = sources.map(({ index }) => index)
  return removalCheck(prompt, texts, { answers: true, maximumTokens, signal })
}

async function write(
  found: AnswerTrace,
  findings: TraceFindings,
  path: string,
  format: string,
): Promise<void> {
  const [{ writeFileAtomically }, { tracePage }, { libraryVersion }] = await Promise.all([
    import('../data/files.js'),
    import('../report/tracePage.js'),
    import('../version.js'),
  ])
  await writeFileAtomically(
    path,
    format === '.json'
      ? `${JSON.stringify({ ...found.toJSON(), ...findings })}\n`
      : tracePage(found, libraryVersion, findings),
  )
}

/** The largest file of a context; what a model reads is far shorter. */
const maximumBytes = 16 << 20

async function readDocuments(paths: readonly string[]): Promise<{ name: string; text: string }[]> {
  const [{ readFileBounded }, { basename }] = await Promise.all([
    import('../data/files.js'),
    import('node:path'),
  ])
  return Promise.all(
    paths.map(async path => ({
      name: basename(path),
      text: new TextDecoder().decode(await readFileBounded(path, maximumBytes)),
    })),
  )
}

/** `name=value` pairs as the schema of the method's options wants them. */
async function methodOptions(
  schema: import('../methods/options.js').OptionSchema,
  pairs: readonly string[],
): Promise<Record<string, unknown>> {
  const { AscribeError } = await import('../errors.js')
  const options: Record<string, unknown> = {}
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    if (at <= 0)
      throw new AscribeError('OPTION_RANGE', `--option takes NAME=VALUE, received ${JSON.stringify(pair)}`)
    const [name, value] = [pair.slice(0, at), pair.slice(at + 1)]
    const kind = Object.hasOwn(schema, name) ? schema[name]!.kind : undefined
    const isNumber = kind === 'integer' || kind === 'number'
    const isTruth = kind === 'boolean' && (value === 'true' || value === 'false')
    options[name] = isNumber && value.trim() !== '' ? Number(value) : isTruth ? value === 'true' : value
  }
  return options
}
