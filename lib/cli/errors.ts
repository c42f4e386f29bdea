import { basename, join } from 'node:path'
import type { Command } from 'commander'
import { writeFileAtomically } from '../data/files.js'
import { readImage } from '../data/readImage.js'
import { AscribeError } from '../errors.js'
import type { RegionSearchMethod } from '../methods/regions/regionSearchMethod.js'
import { findMethod } from '../methods/registry.js'
import type { KnownPicture } from '../tools/reportErrors.js'
import { exitCodes } from './exitCodes.js'
import { listInputs, readBaseline } from './inputs.js'
import { addMethodFlags, methodOptions, modelPrecision } from './methodFlags.js'
import { addModelFlags, type ModelFlags, openModel, wholeNumber } from './modelFlags.js'
import { startProgress } from './progress.js'
import { runCommand, type Session } from './session.js'

interface ErrorsFlags extends ModelFlags {
  truth?: string
  out: string
  limit: string
  chunk?: string
  baseline?: string
}

export function addErrors(program: Command): void {
  const command = addModelFlags(
    program
      .command('errors <model> <folder>')
      .description('the wrong predictions of a folder of pictures on one page: what misled the model'),
  )
    .option(
      '--truth <file.csv>',
      'what is right, two columns: file, and its class by index or label; --labels FILE.csv says the same where class names are not needed',
    )
    .option('--out <file.html>', 'where the page goes', 'errors.html')
    .option('--limit <n>', 'the most errors that are explained; all are counted', '50')
    .option('--baseline <value|FILE.npy>', 'what absence looks like, in model space (default: black)')
    .option('--chunk <n>', 'examples of one pass; default as many as fit')
  addMethodFlags(command, findMethod('Lima'))
  command.action(async (model: string, folder: string, flags: ErrorsFlags) => {
    await runCommand(flags, session => errors(session, model, folder, flags))
  })
}

/** A class as the table has it: an index where it is a number and no label says the same. */
function className(text: string, labels: readonly string[] | undefined): number | string {
  return /^\d+$/.test(text) && !labels?.includes(text) ? Number(text) : text
}

async function errors(session: Session, path: string, folder: string, flags: ErrorsFlags): Promise<number> {
  const [{ readTruth }, { reportErrors }] = await Promise.all([
    import('../data/readTruth.js'),
    import('../tools/reportErrors.js'),
  ])
  if (!flags.out.endsWith('.html'))
    throw new AscribeError('OPTION_RANGE', `--out must end in .html, received "${flags.out}"`)
  const limit = await wholeNumber('--limit', flags.limit, 0, 100_000)
  const chunk = flags.chunk === undefined ? undefined : await wholeNumber('--chunk', flags.chunk, 1, 1 << 20)
  // Class names have one column, so that a table under --labels can only be the truth.
  const isTable = flags.truth === undefined && flags.labels?.toLowerCase().endsWith('.csv')
  const { labels, ...others } = flags
  const table = isTable ? labels : flags.truth
  if (table === undefined)
    throw new AscribeError('INPUT_MISSING', 'What is right of the pictures is not given', {
      hint: 'Give --truth FILE.csv (or --labels FILE.csv) with two columns: file, and its class by index or label.',
    })
  const truth = await readTruth(table)
  const files = new Map((await listInputs([folder])).map(file => [basename(file), file]))
  const missing = [...truth.keys()].filter(name => !files.has(basename(name)))
  if (missing.length > 0)
    throw new AscribeError(
      'FILE_NOT_FOUND',
      `${folder} lacks ${missing.length} of the files in ${table}: ${missing.slice(0, 5).join(', ')}`,
    )
  const entry = findMethod('Lima')
  const model = await openModel(path, modelPrecision(isTable ? others : flags, entry))
  const baseline = await readBaseline(flags.baseline)
  const method = (await entry.load())(
    model,
    methodOptions(entry, flags as unknown as Record<string, unknown>),
  ) as RegionSearchMethod
  const pictures: KnownPicture[] = [...truth].map(([name, of]) => ({
    name,
    truth: className(of, model.labels),
    read: () => readImage(files.get(basename(name)) ?? join(folder, name)),
  }))
  const progress = await startProgress('explaining', !session.isJson)
  try {
    const report = await reportErrors(method, pictures, {
      folder: basename(folder) || folder,
      limit,
      chunk,
      baseline,
      signal: session.signal,
      onProgress: (done, total) => progress.update(done, total),
    })
    await writeFileAtomically(flags.out, report.html)
    const { html: _, ...document } = report
    session.result(
      { out: flags.out, ...document },
      `${report.wrong} of ${report.pictures} wrong, ${report.errors.length} explained -> ${flags.out}`,
    )
  } finally {
    progress.stop()
  }
  return exitCodes.ok
}
