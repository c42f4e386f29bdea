/** What does loading a single-file model of 500 MB cost the JavaScript side? Heap, buffers, and the longest standstill. */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeLargeModel } from '../test/oracles/largeModel.js'
import { printTable, quick } from './harness.js'

const program = join(import.meta.dirname, '../test/robustness/programs/loadLarge.js')
const folder = await mkdtemp(join(tmpdir(), 'ascribe-bench-'))
try {
  const file = join(folder, 'large.onnx')
  await writeLargeModel(file, quick ? 1 : 8)
  const megabytes = (await stat(file)).size / 1e6
  const runs = Array.from({ length: quick ? 1 : 5 }, () =>
    JSON.parse(
      execFileSync(process.execPath, ['--expose-gc', program, file, 'models/scenes-sound.onnx'], {
        encoding: 'utf8',
      }),
    ),
  )
  const most = (key: string) => Math.max(...runs.map(run => run[key])).toFixed(1)
  printTable(
    ['case', 'file MB', 'load ms', 'heap MB', 'buffers MB', 'event loop stood still ms'],
    [
      [
        `most of ${runs.length}`,
        megabytes.toFixed(0),
        ...['loadMs', 'heap', 'external', 'stoodStill'].map(most),
      ],
    ],
  )
  console.log('wanted: under 50 MB of heap, under 20 ms')
} finally {
  await rm(folder, { recursive: true, force: true })
}
