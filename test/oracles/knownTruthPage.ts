import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Estimate, percentWithInterval } from '../../bench/intervals.js'
import { type SceneModel, withoutRow } from '../../bench/localisation/rows.js'
import { repositoryRoot } from './repository.js'

interface Row extends Record<'object' | 'badge' | 'pointing', Estimate> {
  model: SceneModel
  method: string
  isNull: boolean
  scenes: number
}

/** What bench/localisation.bench.ts recorded. */
export function localisationResults(): { scenes: number; rows: Row[] } {
  const file = join(repositoryRoot, 'bench/localisation/results.json')
  return JSON.parse(readFileSync(file, 'utf8')) as { scenes: number; rows: Row[] }
}

/** The registry's methods without a row, by the reason why. */
function reasons(): string[] {
  const entries = Object.entries(withoutRow)
  return [...new Set(Object.values(withoutRow))].map(reason => {
    const names = entries.filter(([, own]) => own === reason).map(([name]) => `\`${name}\``)
    return `- ${names.join(', ')}: ${reason}.`
  })
}

/** docs/known-truth.md */
export function knownTruthPage(): string {
  const { scenes, rows } = localisationResults()
  const table = (model: SceneModel, title: string) => {
    const part = model === 'shortcut' ? 'badge' : 'object'
    const own = rows.filter(row => row.model === model)
    const nulls = own.filter(row => row.isNull)
    const isAbove = (row: Row) =>
      nulls.every(each => row[part].low > each[part].high && row.pointing.low > each.pointing.high)
    return [
      `## ${title}`,
      '',
      `| method | on the object | on the badge | pointing game, on the ${part} | above every null row |`,
      '|---|---|---|---|---|',
      ...own.map(row => {
        const cells = [row.object, row.badge, row.pointing].map(percentWithInterval)
        const name = row.scenes === scenes ? row.method : `${row.method} (${row.scenes} scenes)`
        return row.isNull
          ? `| *${name}* | ${cells.map(cell => `*${cell}*`).join(' | ')} | *knows nothing* |`
          : `| ${name} | ${cells.join(' | ')} | ${isAbove(row) ? 'yes' : '**no**'} |`
      }),
      '',
    ]
  }
  return [
    '# Do maps lie on what a model uses?',
    '',
    'Two classifiers of generated scenes are as accurate as each other: the sound one looks at the object, the shortcut one at a',
    `badge that was planted in a corner ([models/](../models/README.md)). Over ${scenes} held-out scenes that show both: the share of each`,
    "map's sizes that lies on the object and on the badge, and how often the strongest pixel lies on what the model is known to use,",
    'with 95 % intervals; in italics maps that know nothing. A method is above them where its intervals of share and pointing game',
    'lie above all of theirs. Every method of the registry has a row, by its defaults where nothing else is said; methods of hundreds of',
    'passes are measured on fewer scenes. Those that read attention are measured on a vision transformer, which is a sound one.',
    'Maps of layers, their channels added up, and of cells are enlarged to the picture; they are signed, and what speaks against the',
    'target has a size too, but in the row with `relu`. The baseline is 0, a grey; `GradientShap` and `DeepLiftShap` have four other scenes.',
    '`node build/ts/bench/localisation.bench.js --record` measures it again; that it holds for these models says nothing of others.',
    'This page is generated from that record by `node scripts/docs.js`.',
    '',
    ...table('sound', 'The sound model'),
    ...table('shortcut', 'The shortcut model'),
    ...table('transformer', 'The vision transformer'),
    '## What stands out',
    '',
    '`Deconvolution` is no better than maps that know nothing: without pooling by maxima its map does not depend on the picture.',
    '`InternalInfluence` is uniform here: behind the layer come a mean and a linear head, whose gradient is the same at every place. The',
    'scores of `Rise` are means under masks, nearly alike everywhere, and those of `Smdl` are of whole regions: their strongest places are',
    'right more often than their shares. Cells and regions are far larger than the badge, which leaves their strongest pixel beside it. On',
    'the transformer `LeGrad` lies hardly more on the object than a map that knows nothing, twice as much with the scores of layers that its',
    'paper has, and the signed map of `GradCam` no more.',
    '',
    '## Methods without a row',
    '',
    ...reasons(),
    '',
  ].join('\n')
}
