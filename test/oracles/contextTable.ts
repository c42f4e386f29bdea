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
interface FaithRow {
  m: number
  method: string
  removed: Share
  kept: Share
  sufficiency: Share
  comprehensiveness: Share
}
interface InjectionRow {
  planted: number
  method: string
  precision: Share
  stillObeyed: Share
}

const percent = ({ mean, low, high }: Share): string =>
  `${(100 * mean).toFixed(1)} % (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`
const number = (value: number): string => {
  const text = value.toFixed(2)
  return text === '-0.00' ? '0.00' : text.replace('-', '\u2212')
}
const bounds = ({ mean, low, high }: Share): string => `${number(mean)} (${number(low)} to ${number(high)})`
const rank = (value: number | null): string =>
  value === null ? 'none' : value.toFixed(2).replace('-', '\u2212')

/** What bench/context.bench.ts recorded. */
export function contextTable(): string[] {
  const file = join(repositoryRoot, 'bench/context/results.json')
  const { texts, length, count, training, rows, faithRows, injectionRows } = JSON.parse(
    readFileSync(file, 'utf8'),
  ) as {
    texts: number
    length: number
    count: number
    training: number
    rows: Row[]
    faithRows: FaithRow[]
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
    'With 256 subsets, or a fifth of the texts kept, it finds them; the defaults are those of its authors. Shapley values share out',
    'what is left after the first of five in an order. Subsampling helps attention there.',
    '',
    `\`AT2\` has learnt its weights from ${training} contexts of another seed, of whose texts one to five say what is asked for, with the`,
    'defaults of `At2.fit` (a pass for each of 32 masks, which the column of passes leaves out). This model retrieves with most of its',
    'eight heads, so that little is to be learnt: the intervals with and without learnt weights overlap.',
    'The model is a circuit of two layers that was made for this, so that its attention is on few texts; of large models this',
    'table says little.',
    '',
    'How faithful that is: what the log-probability of the answer loses (in nats, mean over contexts and 95 % bootstrap interval) without the',
    'first m texts and with these alone (`removalCheck`), and soft normalised sufficiency and comprehensiveness',
    '(`softContextFaithfulness`, importances by range), beside the texts that say it and random numbers. m = 5.',
    '',
    '| scores | loses without the first 5 | with these alone | soft sufficiency | soft comprehensiveness |',
    '|---|---|---|---|---|',
    ...faithRows
      .filter(({ m }) => m === 5)
      .map(
        row =>
          `| ${row.method} | ${bounds(row.removed)} | ${bounds(row.kept)} | ${bounds(row.sufficiency)} | ${bounds(row.comprehensiveness)} |`,
      ),
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
