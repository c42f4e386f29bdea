import { basename } from 'node:path'
import type { Command } from 'commander'
import { writeFileAtomically } from '../data/files.js'
import { AscribeError } from '../errors.js'
import type { Score } from '../graph/target.js'
import { findMethod } from '../methods/registry.js'
import type { MethodComparison } from '../metrics/methodComparison.js'
import type { MetricSample } from '../metrics/sample.js'
import { formatNumber } from '../report/format.js'
import { libraryVersion } from '../version.js'
import { createMethod } from './createMethod.js'
import { exitCodes } from './exitCodes.js'
import { listInputs, readInput, readNamedTensors } from './inputs.js'
import { addModelFlags, collect, type ModelFlags, openModel, wholeNumber } from './modelFlags.js'
import { parseTarget } from './parseTarget.js'
import { startProgress } from './progress.js'
import { runCommand, type Session } from './session.js'

interface CompareFlags extends ModelFlags {
  methods: string
  base: string
  metrics: string
  target: string
  score?: Score
  output?: string
  input?: string[]
  seed: string
  out: string
}

const defaultMethods = 'Saliency,InputXGradient,IntegratedGradients,DeepLift,GuidedBackprop,GradCam'
const defaultMetrics = 'Insertion,Deletion,MuFidelity,Sparseness,Complexity'

export function addCompare(program: Command): void {
  addModelFlags(
    program
      .command('compare <model> [inputs...]')
      .description('maps of several methods side by side on one page: metrics, agreement, cost'),
  )
    .option(
      '--methods <names>',
      'methods, by commas; options behind a colon: IntegratedGradients:steps=32,Saliency',
      defaultMethods,
    )
    .option('--base <name>', 'the method that SmoothGrad and its kin go around', 'Saliency')
    .option('--metrics <names>', 'metrics, by commas (docs/metrics.md lists them)', defaultMetrics)
    .option('--target <target>', 'as for explain: top, a class index, a label …', 'top')
    .option('--score <form>', 'logit, probability or logProbability')
    .option('--output <name>', 'the output that is explained; default the first')
    .option('--input <NAME=FILE.npy>', 'a tensor for an input, by name; may be given several times', collect)
    .option('--seed <n>', 'of the random map', '0')
    .option('--out <file.html>', 'where the page goes', 'comparison.html')
    .action(async (model: string, inputs: string[], flags: CompareFlags) => {
      await runCommand(flags, session => compare(session, model, inputs, flags))
    })
}

const listOf = (text: string): string[] =>
  text
    .split(',')
    .map(each => each.trim())
    .filter(each => each !== '')

/** `IntegratedGradients:steps=32:rule=riemann_middle` as a name and options, which the method validates. */
function parseMethod(text: string): { name: string; options: Record<string, unknown> } {
  const [name, ...pairs] = text.split(':') as [string, ...string[]]
  const options = pairs.map((pair): [string, unknown] => {
    const at = pair.indexOf('=')
    if (at <= 0) throw new AscribeError('OPTION_RANGE', `"${pair}" in --methods is not OPTION=VALUE`)
    const [key, value] = [pair.slice(0, at), pair.slice(at + 1)]
    if (!Object.hasOwn(findMethod(name).options, key))
      throw new AscribeError('OPTION_UNKNOWN', `${findMethod(name).name} has no option called ${key}`)
    if (value === 'true' || value === 'false') return [key, value === 'true']
    return [key, value === '' || Number.isNaN(Number(value)) ? value : Number(value)]
  })
  return { name, options: Object.fromEntries(options) }
}

async function compare(
  session: Session,
  path: string,
  paths: readonly string[],
  flags: CompareFlags,
): Promise<number> {
  if (!flags.out.endsWith('.html'))
    throw new AscribeError('OPTION_RANGE', `--out must end in .html, received "${flags.out}"`)
  const [{ compareMethods }, { findMetric }, { comparisonPage }] = await Promise.all([
    import('../metrics/methodComparison.js'),
    import('../metrics/registry.js'),
    import('../report/comparisonPage.js'),
  ])
  const named = await readNamedTensors('--input', flags.input ?? [])
  const hasNamed = Object.keys(named).length > 0
  const files = await listInputs(paths)
  if (hasNamed === files.length > 0)
    throw new AscribeError(
      'INPUT_MISSING',
      hasNamed
        ? 'Give files or --input, not both'
        : 'There is nothing to compare: give pictures, .npy files or folders',
    )
  const metrics = listOf(flags.metrics).map(findMetric)
  const wanted = listOf(flags.methods).map(text => ({ text, ...parseMethod(text) }))
  for (const { name } of wanted) findMethod(name)
  const repeated = wanted.find(({ text }, at) => wanted.findIndex(each => each.text === text) < at)
  if (repeated !== undefined) throw new AscribeError('OPTION_RANGE', `--methods names ${repeated.text} twice`)
  const masked = metrics.find(({ needs }) => needs === 'mask')
  if (masked !== undefined)
    throw new AscribeError(
      'OPTION_RANGE',
      `${masked.name} needs a mask for each input, which this command cannot take`,
    )
  const seed = await wholeNumber('--seed', flags.seed, 0, Number.MAX_SAFE_INTEGER)
  const target = parseTarget(flags.target, {
    ...(flags.output === undefined ? {} : { output: flags.output }),
    ...(flags.score === undefined ? {} : { score: flags.score }),
  })
  const model = await openModel(path, flags)
  const methods = await Promise.all(
    wanted.map(async ({ text, name, options }) => ({
      name: `${findMethod(name).name}${text.slice(name.length)}`,
      method: await createMethod(model, name, flags.base, options),
    })),
  )
  const samples: MetricSample[] = hasNamed
    ? [{ input: named, target }]
    : await Promise.all(
        files.map(async file => ({ input: await readInput(file), target, id: basename(file) })),
      )
  const progress = await startProgress('comparing', !session.isJson)
  let comparison: MethodComparison
  try {
    comparison = await compareMethods(model, samples, methods, {
      metrics,
      seed,
      signal: session.signal,
      onProgress: (done, total) => progress.update(done, total),
    })
  } finally {
    progress.stop()
  }
  await writeFileAtomically(flags.out, await comparisonPage(comparison, libraryVersion))
  const { shown: _, metrics: __, ...figures } = comparison
  session.result({ out: flags.out, ...figures }, `${table(comparison)}\n-> ${flags.out}`)
  return exitCodes.ok
}

/** The means as lines of text: one row a method, one column a value. */
function table({ rows, metrics }: MethodComparison): string {
  const columns = metrics.flatMap(({ name }) =>
    [...new Set(rows.flatMap(row => Object.keys(row.metrics[name] ?? {})))].map(value => ({ name, value })),
  )
  const cells = [
    ['', ...columns.map(({ name, value }) => `${name} ${value}`)],
    ...rows.map(row => [
      row.name,
      ...columns.map(({ name, value }) => {
        const mean = row.metrics[name]?.[value]?.mean
        return mean === undefined || Number.isNaN(mean) ? '-' : formatNumber(mean)
      }),
    ]),
  ]
  const widths = cells[0]!.map((_, at) => Math.max(...cells.map(line => line[at]!.length)))
  return cells
    .map(line =>
      line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join('  '),
    )
    .join('\n')
}
