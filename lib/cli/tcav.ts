import { extname } from 'node:path'
import type { Command } from 'commander'
import { writeFileAtomically } from '../data/files.js'
import { AscribeError } from '../errors.js'
import type { Score } from '../graph/target.js'
import { conceptMethods } from '../methods/concepts/registry.js'
import { significantBelow, type TcavResult } from '../methods/concepts/tcav.js'
import type { Explained } from '../methods/inputs/gradientMethod.js'
import { escapeTerminal } from '../report/escape.js'
import { conceptFiles, randomFiles } from './conceptExamples.js'
import { exitCodes } from './exitCodes.js'
import { listInputs, readInput } from './inputs.js'
import { addMethodFlags, methodOptions } from './methodFlags.js'
import { addModelFlags, collect, type ModelFlags, openModel, wholeNumber } from './modelFlags.js'
import { parseTarget } from './parseTarget.js'
import { startProgress } from './progress.js'
import { runCommand, type Session } from './session.js'

interface TcavFlags extends ModelFlags {
  target: string
  layer?: string[]
  concept?: string[]
  random?: string[]
  randomSets: string
  score?: Score
  output?: string
  seed?: number
  out?: string
}

const entry = conceptMethods.find(({ name }) => name === 'Tcav')!

export function addTcav(program: Command): void {
  const command = addModelFlags(
    program
      .command('tcav <model> <inputs...>')
      .description(
        'whether a target rises towards concepts that examples define, more than by chance; inputs are examples of the class',
      ),
  )
    .requiredOption('--target <target>', 'what is asked about, as for explain: a class index, a label …')
    .requiredOption(
      '--concept <FOLDER>',
      'examples of a concept, or NAME=FOLDER; may be given several times',
      collect,
    )
    .requiredOption(
      '--random <FOLDER>',
      'a set of random examples, or a folder of such folders; may be given several times (10 sets at least)',
      collect,
    )
    .option('--random-sets <n>', 'sets into which a single folder of random examples is dealt out', '10')
    .option(
      '--layer <name>',
      'where concepts are directions (`ascribe inspect --layers`); may be given several times (default: last-maps)',
      collect,
    )
    .option('--score <form>', 'logit, probability or logProbability')
    .option('--output <name>', 'the output that is explained; default the first')
    .option('--out <file>', 'a page (.html) or all numbers (.json)')
  addMethodFlags(command, entry)
  command.action(async (model: string, inputs: string[], flags: TcavFlags) => {
    await runCommand(flags, session => tcav(session, model, inputs, flags))
  })
}

async function tcav(
  session: Session,
  path: string,
  paths: readonly string[],
  flags: TcavFlags,
): Promise<number> {
  const kind = flags.out === undefined ? undefined : extname(flags.out).toLowerCase()
  if (kind !== undefined && kind !== '.html' && kind !== '.json')
    throw new AscribeError('OPTION_RANGE', `--out must end in .html or .json, received "${flags.out}"`)
  const sets = await wholeNumber('--random-sets', flags.randomSets, 10, 100_000)
  const target = parseTarget(flags.target, {
    ...(flags.output === undefined ? {} : { output: flags.output }),
    ...(flags.score === undefined ? {} : { score: flags.score }),
  })
  const files = {
    inputs: await listInputs(paths),
    concepts: await conceptFiles(flags.concept ?? []),
    random: await randomFiles(flags.random ?? [], sets, flags.seed ?? 0),
  }
  const model = await openModel(path, flags)
  const create = await entry.load()
  const layers = flags.layer ?? ['last-maps']
  const methods = layers.map(layer =>
    create(model, layer, methodOptions(entry, flags as unknown as Record<string, unknown>)),
  )
  const read = (list: readonly string[]): Promise<Explained[]> => Promise.all(list.map(readInput))
  const inputs = await read(files.inputs)
  const concepts: Record<string, Explained[]> = {}
  for (const [name, list] of files.concepts) concepts[name] = await read(list)
  const random: Explained[][] = []
  for (const list of files.random) random.push(await read(list))
  const results: TcavResult[] = []
  const progress = await startProgress('testing', !session.isJson)
  try {
    for (const [at, method] of methods.entries())
      results.push(
        await method.test(inputs, target, {
          concepts,
          random,
          signal: session.signal,
          onProgress: (done, total) => progress.update(at * total + done, methods.length * total),
        }),
      )
  } finally {
    progress.stop()
  }
  if (flags.out !== undefined) {
    const { tcavPage } = await import('../report/tcavPage.js')
    const text =
      kind === '.json' ? `${JSON.stringify({ results }, undefined, 1)}\n` : await tcavPage(results, concepts)
    await writeFileAtomically(flags.out, text)
  }
  session.result(
    { ...(flags.out === undefined ? {} : { out: flags.out }), results },
    [...results.map(table), ...(flags.out === undefined ? [] : [`-> ${flags.out}`])].join('\n'),
  )
  return exitCodes.ok
}

const verdict = ({ isReliable, pValue }: TcavResult['concepts'][number]): string =>
  isReliable ? (pValue < significantBelow ? 'yes' : 'no') : 'unreliable: not told from random examples'

function table({ layer, target, inputs, concepts, randomSignCounts }: TcavResult): string {
  const mean = randomSignCounts.reduce((sum, value) => sum + value, 0) / randomSignCounts.length
  const rows = [
    ['concept', 'rises for', 'by', 'accuracy', 'p', 'more or less than chance'],
    ...concepts.map(concept => [
      escapeTerminal(concept.name),
      `${(100 * concept.signCount).toFixed(1)} %`,
      concept.magnitude.toPrecision(3),
      concept.accuracy.toFixed(2),
      concept.pValue.toPrecision(2),
      verdict(concept),
    ]),
    [
      'random',
      `${(100 * mean).toFixed(1)} %`,
      '',
      '',
      '',
      `${randomSignCounts.length} sets, ${(100 * Math.min(...randomSignCounts)).toFixed(1)} to ${(100 * Math.max(...randomSignCounts)).toFixed(1)} %`,
    ],
  ]
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  return [
    `${escapeTerminal(target)}, ${inputs} inputs, in ${escapeTerminal(layer)}`,
    ...rows.map(row =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    ),
  ].join('\n')
}
