/**
 * Tables of races. `node build/ts/bench/race/table.js --results RESULTS.jsonl` prints them as Markdown; with `--write`
 * they go into docs/speed.md, between the lines that mark their place.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compare, flags, type Race } from '../harness.js'
import { type CaseResult, type Kind, nameOf, type Results, readResults, type Side } from './results.js'

interface Bar {
  peer: Side
  /** What the lower end of every interval is to reach. */
  each: number
  /** What the geometric mean is to reach. */
  mean: number
}
const bars: Record<Kind, Bar> = {
  forward: { peer: 'onnxruntime', each: 0.95, mean: 1.15 },
  gradient: { peer: 'pytorch', each: 1.1, mean: 1.5 },
  integrated: { peer: 'pytorch', each: 1.2, mean: 1.6 },
  // Nothing was set for it; it is the same work as integrated gradients.
  smooth: { peer: 'pytorch', each: 1.2, mean: 1.6 },
}
const titles: Record<Kind, string> = {
  forward: 'Forward',
  gradient: 'Forward and input gradient',
  integrated: 'Integrated gradients, 50 steps',
  smooth: 'SmoothGrad, 50 samples',
}
const peers: Record<Side, string> = { ours: 'ours', onnxruntime: 'ONNX Runtime', pytorch: 'PyTorch' }

const digits = (value: number): string =>
  value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2)

/** Ours against one side, over the rounds that both were in. */
export function against(result: CaseResult, side: Side): Race | undefined {
  const rounds = result.rounds.filter(round => round[side] !== undefined)
  if (rounds.length < 3) return undefined
  return compare(
    rounds.map(({ ours }) => ours),
    rounds.map(round => round[side]!),
  )
}

const share = ({ gigaflops, peakGflops }: CaseResult, milliseconds: number): string =>
  gigaflops === undefined || peakGflops === undefined
    ? ''
    : `${((1e5 * gigaflops) / milliseconds / peakGflops).toFixed(0)} %`

const ratioText = ({ ratio, low, high }: Race): string =>
  `${ratio.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`

const wayText = ({ way }: CaseResult): string =>
  way === undefined
    ? ''
    : way.variant +
      (way.inner === undefined ? '' : `, ${way.inner === null ? 'default' : `${way.inner} at once`}`)

const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)

export interface Table {
  title: string
  header: string[]
  rows: string[][]
  summary: string
}

/** One table for each kind that was raced. */
export function raceTables({ cases }: Results): Table[] {
  return (Object.keys(bars) as Kind[]).flatMap(kind => {
    const { peer, each, mean } = bars[kind]
    const isOnePass = kind === 'forward' || kind === 'gradient'
    const ratios: number[] = []
    let clear = 0
    const rows = cases
      .filter(result => result.kind === kind)
      .flatMap(result => {
        const race = against(result, peer)
        if (race === undefined) return []
        ratios.push(race.ratio)
        if (race.low >= each) ++clear
        const beside = kind === 'forward' ? against(result, 'pytorch') : undefined
        return [
          [
            nameOf(result),
            digits(race.ours),
            digits(race.peer),
            ratioText(race),
            race.low >= each ? 'yes' : 'no',
            ...(isOnePass ? [share(result, race.ours), result.error?.toExponential(0) ?? ''] : []),
            ...(kind === 'forward'
              ? [beside ? `${digits(beside.peer)}${result.way ? ` (${wayText(result)})` : ''}` : '']
              : [wayText(result)]),
            String(race.rounds),
          ],
        ]
      })
    if (rows.length === 0) return []
    const header = [
      titles[kind],
      'ms',
      `${kind === 'forward' ? peers[peer] : kind === 'gradient' ? 'PyTorch' : 'Captum'} ms`,
      'ratio',
      `clears ${each}`,
      ...(isOnePass ? ['of the peak', 'differs by'] : []),
      kind === 'forward' ? 'PyTorch ms' : 'its best',
      'rounds',
    ]
    const summary = `${clear} of ${rows.length} clear ${each}; geometric mean ${geometricMean(ratios).toFixed(2)} (the aim is ${mean}).`
    return [{ title: titles[kind], header, rows, summary }]
  })
}

const root = join(import.meta.dirname, '../../../..')
const begin = '<!-- races: written by build/ts/bench/race/table.js -->'
const end = '<!-- end of races -->'

/** The tables as Markdown, with what was raced where. */
export function markdown(results: Results): string {
  const { cpu, threads, versions, build, isPacked } = results.setting
  const said = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const tables = raceTables(results).map(({ header, rows, summary }) =>
    [header, header.map(() => '---'), ...rows]
      .map(row => `| ${row.join(' | ')} |`)
      .concat('', summary)
      .join('\n'),
  )
  const where = `${cpu}, ${threads} threads each side; ${said.join(', ')}; ${isPacked ? 'the installed tarball' : 'a checkout'}, build ${build}.`
  return [where, ...tables].join('\n\n')
}

/** The page with the tables in their place. */
export function withTables(page: string, results: Results): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`The page has no place for tables: ${begin} … ${end}`)
  return `${page.slice(0, from + begin.length)}\n${markdown(results)}\n${page.slice(to)}`
}

if (process.argv[1] === import.meta.filename) {
  const results = readResults(flags.results ?? join(root, 'bench/race/results.jsonl'))
  if (results === undefined) throw new Error('There are no such results; --results RESULTS.jsonl')
  if (flags.write) {
    const page = join(root, 'docs/speed.md')
    writeFileSync(page, withTables(readFileSync(page, 'utf8'), results))
  } else console.log(markdown(results))
}
