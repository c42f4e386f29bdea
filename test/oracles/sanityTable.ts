import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from './repository.js'

interface Correlation {
  mean: number
  low: number
  high: number
}
interface Row extends Record<'head' | 'upper' | 'all' | 'otherClass' | 'otherScene', Correlation> {
  model: string
  method: string
  fails: boolean
}

const short = ({ mean, low, high }: Correlation): string =>
  `${mean.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`

/** What bench/sanity.bench.ts recorded. */
export function sanitySection(): string[] {
  const file = join(repositoryRoot, 'bench/sanity/results.json')
  const { scenes, rows } = JSON.parse(readFileSync(file, 'utf8')) as { scenes: number; rows: Row[] }
  return [
    '## Which methods fail the sanity checks',
    '',
    `Spearman's correlation of the sizes of a map's scores with the original map's, means over ${scenes} held-out scenes with 95 %`,
    'intervals, on the two models of [models/](../models/README.md): with the head, the upper half of the layers, and all layers',
    'shuffled from the output down; of the maps of two classes (with signs), and of two scenes for one class. A method fails',
    'parameter randomisation where, with the upper half shuffled, it keeps more of its map than the plain gradient does (the',
    "lower end of its interval lies above the upper end of the gradient's).",
    '',
    '| method | model | head | upper half | all | another class | another scene | fails |',
    '|---|---|---|---|---|---|---|---|',
    ...rows.map(
      ({ method, model, head, upper, all, otherClass, otherScene, fails }) =>
        `| ${method} | ${model} | ${[head, upper, all, otherClass, otherScene].map(short).join(' | ')} | ${fails ? '**yes**' : 'no'} |`,
    ),
    '',
    'The rule is relative to the gradient and was settled with the figures in view: by a bar of one half, guided backpropagation',
    '(0.51) and `epsilonPlusFlat` (0.50) would lie on it for the sound model.',
    '',
    'Guided backpropagation fails on both models and hardly tells classes apart; so does deconvolution on the shortcut model. On',
    'the sound model deconvolution does change with the weights, but neither model pools by maxima, and without switches its map',
    'does not depend on the picture at all: the maps of two scenes are the same (correlation 1). Averaging over noise keeps more',
    'of a map than the gradient alone, which is what averaging does, and relevance that counts positive parts alone',
    '(`epsilonPlusFlat`) keeps the upper half of the sound model in view, as is known of such rules (Sixt et al. 2020).',
    '`node build/ts/bench/sanity.bench.js --record` measures it again.',
    '',
  ]
}
