import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from './repository.js'

interface Share {
  mean: number
  low: number
  high: number
}
interface Row {
  m: number
  method: string
  precision: Share
  withLeaveOneOut: number | null
  withShapley: number | null
  passes: number
}
interface InjectionRow {
  planted: number
  method: string
  precision: Share
  stillObeyed: Share
}

const percent = ({ mean, low, high }: Share): string =>
  `${(100 * mean).toFixed(1)} % (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`
const rank = (value: number | null): string =>
  value === null ? 'none' : value.toFixed(2).replace('-', '\u2212')

/** What bench/context.bench.ts recorded. */
export function contextTable(): string[] {
  const file = join(repositoryRoot, 'bench/context/results.json')
  const { texts, length, count, rows, injectionRows } = JSON.parse(readFileSync(file, 'utf8')) as {
    texts: number
    length: number
    count: number
    rows: Row[]
    injectionRows: InjectionRow[]
  }
  const supports = [...new Set(rows.map(({ m }) => m))]
  const names = [...new Set(rows.map(({ method }) => method))]
  const found = (name: string, m: number) => rows.find(row => row.method === name && row.m === m)!
  return [
    '## What methods find where it is known',
    '',
    `Contexts of ${texts} sentences of ${length} tokens, of which m say the key that is asked for, three others' keys, and the rest`,
    `nothing of keys; read by \`models/keys-transformer\`. Precision@m is the share of the first m texts that are among these; mean and`,
    `95 % interval over ${count} contexts (bootstrap; Wilson where each gives all or nothing). A method that knows nothing has m/${texts}. Beside it Spearman's rank correlation with`,
    'leave-one-out and with Shapley values (5 orders), mean over contexts in which scores differ, and passes, which mostly read',
    'a part of the context. `node build/ts/bench/context.bench.js` measures it again.',
    '',
    `| method | ${supports.map(m => `precision@${m}, m = ${m} | with leave-one-out, Shapley |`).join(' ')} passes |`,
    `|---|${'---|---|'.repeat(supports.length)}---|`,
    ...names.map(name => {
      const cells = supports.map(m => {
        const row = found(name, m)
        return `${percent(row.precision)} | ${rank(row.withLeaveOneOut)}, ${rank(row.withShapley)} |`
      })
      return `| ${name} | ${cells.join(' ')} ${found(name, supports[0]!).passes} |`
    }),
    '',
    'Leave-one-out is blind where several texts say the same, since none of them is missed: its precision is that of chance, m/20.',
    'ContextCite at m = 5 is a matter of how many subsets it reads, not of the lasso (without a penalty it finds less): of its 64',
    'subsets, which keep each text with probability 1/2, one in 32 keeps none of five, so that about two tell of what is asked for.',
    'With 256 subsets it finds 98 %, with 64 that keep a fifth of the texts 92 %; the defaults are those of its authors. Shapley values',
    'share out what is left after the first of five in an order. Subsampling helps attention there.',
    'The model is a circuit of two layers that was made for this, so that its attention is on few texts; of large models this',
    'table says little. `AT2` is not in it: its weights of heads would have to be trained first.',
    '',
    'The same contexts with one planted instruction that says otherwise: how often the first text is that one, and how often the answer is',
    'still what was planted once the first text is gone (95 % Wilson interval).',
    '',
    '| method | the first text is the planted one | still obeyed without it |',
    '|---|---|---|',
    ...injectionRows.map(
      ({ method, precision, stillObeyed }) =>
        `| ${method} | ${percent(precision)} | ${percent(stillObeyed)} |`,
    ),
    '',
  ]
}
