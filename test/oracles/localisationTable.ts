import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from './repository.js'

interface Share {
  mean: number
  low: number
  high: number
}
interface Row extends Record<'object' | 'badge' | 'pointing', Share> {
  model: 'sound' | 'shortcut'
  method: string
  isNull: boolean
}

const percent = ({ mean, low, high }: Share): string =>
  `${(100 * mean).toFixed(1)} % (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`

/** What bench/localisation.bench.ts recorded. */
export function localisationSection(): string[] {
  const file = join(repositoryRoot, 'bench/localisation/results.json')
  const { scenes, rows } = JSON.parse(readFileSync(file, 'utf8')) as { scenes: number; rows: Row[] }
  const table = (model: Row['model']) => {
    const part = model === 'sound' ? 'object' : 'badge'
    const own = rows.filter(row => row.model === model)
    const nulls = own.filter(row => row.isNull)
    const isAbove = (row: Row) =>
      nulls.every(each => row[part].low > each[part].high && row.pointing.low > each.pointing.high)
    return [
      `| ${model} model | on the object | on the badge | pointing game, on the ${part} | above every null row |`,
      '|---|---|---|---|---|',
      ...own.map(row => {
        const cells = [row.object, row.badge, row.pointing].map(percent)
        return row.isNull
          ? `| *${row.method}* | ${cells.map(cell => `*${cell}*`).join(' | ')} | *knows nothing* |`
          : `| ${row.method} | ${cells.join(' | ')} | ${isAbove(row) ? 'yes' : '**no**'} |`
      }),
      '',
    ]
  }
  return [
    '## Do maps lie on what a model uses?',
    '',
    'Two classifiers of generated scenes are as accurate as each other: the sound one looks at the object, the shortcut one at a',
    `badge that was planted in a corner ([models/](../models/README.md)). Over ${scenes} held-out scenes that show both: the share of each`,
    "map's sizes that lies on the object and on the badge, and how often the strongest pixel lies on what the model is known to use,",
    'with 95 % intervals; in italics maps that know nothing. A method is above them where its intervals of share and pointing game',
    'lie above all of theirs. Maps of layers are enlarged to the picture; they are signed, and what speaks against the target has a',
    'size too, but in the row with `relu`. `node build/ts/bench/localisation.bench.js --record` measures it again; that it holds for',
    'these models says nothing of others.',
    '',
    ...table('sound'),
    ...table('shortcut'),
    'Deconvolution is no better than maps that know nothing: without pooling by maxima its map does not depend on the picture.',
    '',
  ]
}
