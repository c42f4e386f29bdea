/**
 * Does what people export load, and is it right? Every .onnx file of a folder (bench/architectures/export.py fills one),
 * judged as bench/correctness.bench.ts judges trained models, on seeded inputs.
 *
 *   node build/ts/bench/architectures.bench.js --folder FOLDER [--only NAME] [--record]
 *
 * --record writes bench/architectures/results.md.
 */
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { InferenceSession } from 'onnxruntime-node'
import { AscribeError, createTensor, loadModel, type Model, type Tensor } from '#lib/index.js'
import { embeddingLookups } from '#lib/model/embeddings.js'
import { repositoryRoot } from '../test/oracles/repository.js'
import { flags, isChosen, printTable, randomFloats } from './harness.js'
import { type Errors, measure } from './measure.js'

/** An export's errors, or why there are none; `missing`, where the exporter made no file. */
interface Row {
  name: string
  errors?: Errors
  failure?: string
  missing?: boolean
}

/** What export.py says about its folder. */
interface Exports {
  versions: Record<string, string>
  missing: Record<string, string>
}

const e = (value: number) => value.toExponential(1)

const criteria: {
  title: string
  bound: string
  cell(errors: Errors): string
  holds(errors: Errors): boolean
}[] = [
  {
    title: 'forward',
    bound: 'outputs within 1e-5 of ONNX Runtime’s',
    cell: ({ forward }) => e(forward),
    holds: ({ forward }) => forward <= 1e-5,
  },
  {
    title: 'top 5',
    bound: 'the same five greatest outputs',
    cell: ({ topFive }) => (topFive ? 'equal' : 'DIFFERS'),
    holds: ({ topFive }) => topFive,
  },
  {
    title: 'gradient, replayed',
    bound: 'single gradients within 1e-4 of double ones that take the same gates',
    cell: ({ replayed }) => e(replayed),
    holds: ({ replayed }) => replayed <= 1e-4,
  },
  {
    title: 'double vs differences',
    bound: 'double gradients within 1e-4 of differences',
    cell: ({ differences }) => e(differences),
    holds: ({ differences }) => differences <= 1e-4,
  },
]
const isGood = ({ errors }: Row) => errors !== undefined && criteria.every(({ holds }) => holds(errors))

/** Ids below 200, the last the one that CLIP takes for the end of its text; masks of ones. */
const inputsOf = (model: Model): Record<string, Tensor> =>
  Object.fromEntries(
    model.inputs.map(({ name, dtype, shape }): [string, Tensor] => {
      const dims = shape!.map(Number)
      const count = dims.reduce((product, dim) => product * dim, 1)
      if (dtype === 'f32') return [name, createTensor('f32', dims, randomFloats(count, 3))]
      const ids = BigInt64Array.from({ length: count }, (_, at) =>
        name === 'mask' ? 1n : at === count - 1 ? 199n : BigInt((at * 37 + 11) % 199),
      )
      return [name, createTensor('i64', dims, ids)]
    }),
  )

async function judge(path: string): Promise<Errors> {
  const model = await loadModel(path)
  const session = await InferenceSession.create(path, { logSeverityLevel: 3 })
  try {
    const explained =
      model.inputs.find(input => input.dtype === 'f32')?.name ?? embeddingLookups(model)[0]?.layer
    if (explained === undefined) throw new Error('nothing in it can be explained')
    return await measure(model, session, inputsOf(model), explained)
  } finally {
    await session.release()
    model.dispose()
  }
}

/** One line of the table. */
function cells({ name, errors, failure }: Row): string[] {
  if (errors === undefined) return [name, ...criteria.map(() => ''), '', failure!]
  const missed = criteria.filter(({ holds }) => !holds(errors)).map(({ title }) => title)
  return [
    name,
    ...criteria.map(({ cell }) => cell(errors)),
    e(errors.unreplayed),
    missed.length === 0 ? 'good' : `OFF: ${missed.join(', ')}`,
  ]
}

const judged = (rows: readonly Row[]) => rows.filter(({ missing }) => !missing)

function summary(rows: readonly Row[]): string {
  const missing = rows.length - judged(rows).length
  const good = `${rows.filter(isGood).length} of ${judged(rows).length} exports are good.`
  return missing === 0 ? good : `${good} ${missing} more could not be exported.`
}

const header = ['export', ...criteria.map(({ title }) => title), 'unreplayed', '']

function markdown(rows: readonly Row[], versions: Record<string, string>, left: number): string {
  const table = [
    ['architecture', 'exporter', ...header.slice(1)],
    ...rows.map(one => {
      const [name, ...others] = cells(one)
      const at = name!.lastIndexOf('-')
      return [name!.slice(0, at), name!.slice(at + 1), ...others.map(cell => cell.replaceAll('|', '\\|'))]
    }),
  ]
  const widths = table[0]!.map((_, at) => Math.max(3, ...table.map(row => row[at]!.length)))
  const row = (list: readonly string[]) =>
    `| ${list.map((cell, at) => cell.padEnd(widths[at]!)).join(' | ')} |`
  const made = Object.entries({ ...versions, ...peers() }).map(([name, version]) => `${name} ${version}`)
  return `# Architectures with random weights

Written by \`bench/architectures.bench.ts --record\` on ${new Date().toISOString().slice(0, 10)}: ${made.join(', ')}.

${left === 0 ? '' : `Interrupted with ${left} left. `}${summary(rows)} By criterion:

${criteria
  .map(({ title, bound, holds }) => {
    const held = rows.filter(({ errors }) => errors !== undefined && holds(errors)).length
    return `- ${title}: ${held} of ${judged(rows).length} (${bound})`
  })
  .join('\n')}

Errors are relative. _Unreplayed_ is the single gradient against the double one that chooses its own gates: no criterion,
since a gate that lies on a kink may open in one precision and not in the other.

${[table[0]!, widths.map(width => '-'.repeat(width)), ...table.slice(1)].map(row).join('\n')}
`
}

const peers = () => ({
  'onnxruntime-node': (createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string })
    .version,
})

const folder = flags.folder
if (folder === undefined || !existsSync(folder)) {
  console.log(
    'no folder of exports: `python bench/architectures/export.py FOLDER` makes one, --folder names it',
  )
} else {
  const about = join(folder, 'exports.json')
  const { versions, missing }: Exports = existsSync(about)
    ? JSON.parse(await readFile(about, 'utf8'))
    : { versions: {}, missing: {} }
  const files = (await readdir(folder)).filter(name => name.endsWith('.onnx'))
  const names = [...files.map(file => file.replace('.onnx', '')), ...Object.keys(missing)]
  const rows: Row[] = []
  const chosen = names.filter(isChosen).sort()
  for (const name of chosen) {
    const row: Row = { name }
    if (missing[name] !== undefined) {
      row.missing = true
      row.failure = missing[name]
    } else {
      try {
        row.errors = await judge(join(folder, `${name}.onnx`))
      } catch (error) {
        const what = error instanceof AscribeError ? error.code : (error as Error).name
        row.failure = `${what}: ${(error as Error).message.split('\n')[0]!.slice(0, 150)}`
      }
    }
    rows.push(row)
    console.log(cells(row).filter(Boolean).join('  '))
    // After each: an interrupted hour leaves what it has, and says so.
    if (flags.record)
      await writeFile(
        join(repositoryRoot, 'bench/architectures/results.md'),
        markdown(rows, versions, chosen.length - rows.length),
      )
  }
  printTable(header, rows.map(cells))
  console.log(summary(rows))
  process.exitCode = judged(rows).every(isGood) ? 0 : 1
}
