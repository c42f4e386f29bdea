import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { compare } from '../../bench/harness.js'
import { bestWay, variantsBy } from '../../bench/race/pilot.js'
import { type CaseResult, readResults, resumeResults, writeResults } from '../../bench/race/results.js'
import { markdown, raceTables, withTables } from '../../bench/race/table.js'

const setting = { cpu: 'a CPU', threads: 2, versions: { torch: '2' }, build: 'b1', isPacked: true }
const forward: CaseResult = {
  ...{ kind: 'forward', net: 'net', batch: 8, gigaflops: 1, peakGflops: 200, error: 2e-7 },
  rounds: [10, 11, 12, 13, 14, 15, 16, 17, 18].map(ms => ({ ours: 10, onnxruntime: ms, pytorch: 20 })),
}
const gradient: CaseResult = {
  ...{ kind: 'gradient', net: 'net', batch: 1, way: { variant: 'channels_last' } },
  rounds: [10, 11, 12, 13, 14, 15].map(ms => ({ ours: 10, pytorch: ms })),
}

test('a ratio is the median over rounds, its interval by order statistics', t => {
  // Nine numbers: 0.98 * 3 = 2.94 places around the fifth, so from the second to the eighth.
  const { ratio, low, high, rounds } = compare(Array(9).fill(10), [18, 10, 17, 11, 16, 12, 15, 13, 14])
  t.deepEqual([ratio, low, high, rounds], [1.4, 1.1, 1.7, 9])
})

test('tables say ratio, interval, whether the lower end clears the bar, and the share of the peak', t => {
  const [first, second] = raceTables({ setting, cases: [forward, gradient] })
  t.deepEqual(first!.rows, [
    ['net x8', '10.0', '14.0', '1.40 [1.10, 1.70]', 'yes', '50 %', '2e-7', '20.0', '9'],
  ])
  t.is(first!.summary, '1 of 1 clear 0.95; geometric mean 1.40 (the aim is 1.15).')
  t.deepEqual(second!.rows[0]!.slice(3, 5), ['1.25 [1.00, 1.50]', 'no'])
  t.is(second!.rows[0]![7], 'channels_last')
})

test('the tables stand in the page between their marks, however often they are written', t => {
  const page = `before
<!-- races: written by build/ts/bench/race/table.js -->
old
<!-- end of races -->
after`
  const results = { setting, cases: [forward] }
  const written = withTables(page, results)
  t.true(written.includes(markdown(results)))
  t.false(written.includes('old'))
  t.is(withTables(written, results), written)
  t.throws(() => withTables('no marks', results), { message: /no place for tables/ })
})

test('a race goes on from its file; one of another build begins anew and keeps its pilots', t => {
  const folder = mkdtempSync(join(tmpdir(), 'ascribe-race-'))
  const file = join(folder, 'results.jsonl')
  const cases = [{ ...gradient, pilot: { plain: 20, channels_last: 12 } }]
  writeResults(file, { setting, cases })
  t.deepEqual(readResults(file), { setting, cases })
  t.deepEqual(resumeResults(file, setting).cases, cases)
  const other = { ...setting, build: 'b2' }
  t.deepEqual(resumeResults(file, other), {
    setting: other,
    cases: [{ kind: 'gradient', net: 'net', batch: 1, rounds: [], pilot: { plain: 20, channels_last: 12 } }],
  })
  rmSync(folder, { recursive: true })
})

test('the fastest way counts; many gradients try only layouts that may win', t => {
  t.deepEqual(bestWay('gradient', { plain: 20, channels_last: 12 }, []), { variant: 'channels_last' })
  t.deepEqual(
    bestWay('integrated', { 'plain, 8': 20, 'plain, default': 12, 'plain, 4': 'too large' }, ['plain']),
    { variant: 'plain', inner: null },
  )
  t.throws(() => bestWay('forward', { plain: 'no memory' }, []), { message: /no memory/ })
  t.deepEqual(variantsBy([{ plain: 20, channels_last: 12 }]), ['channels_last'])
  t.deepEqual(variantsBy([]), ['plain', 'channels_last'])
})
