import { parseArgs } from 'node:util'
import { AscribeError } from '#lib/index.js'
import { FuzzRandom } from './random.js'

/** What a file came to, or why it is a finding. */
export type Outcome = { file: Uint8Array; outcome: () => string }

/**
 * The course of a fuzzer of files: `--seed`, `--count`, `--first`, `--seconds`. `make` gives a file and reads it; an
 * AscribeError with one of `codes` is an answer, any other error a finding, as is a file that takes a second.
 */
export function fuzzFiles(make: (random: FuzzRandom) => Outcome, codes: readonly string[]): void {
  const { values: options } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      first: { type: 'string', default: '0' },
      count: { type: 'string', default: '100000' },
      seconds: { type: 'string', default: '1000000' },
    },
  })
  const outcomes = new Map<string, number>()
  let findings = 0
  const end = Date.now() + Number(options.seconds) * 1000
  const first = Number(options.first)
  let iteration = first
  for (; iteration < first + Number(options.count) && Date.now() < end && findings < 10; iteration++) {
    const { file, outcome } = make(new FuzzRandom(Number(options.seed) * 1_000_003 + iteration))
    const started = performance.now()
    let result = ''
    try {
      result = outcome()
    } catch (error) {
      if (error instanceof AscribeError && codes.includes(error.code)) result = error.code
      else {
        findings++
        const text = JSON.stringify(Buffer.from(file).toString('latin1'))
        console.log(`FINDING iteration ${iteration}: ${(error as Error).stack}\n${text}`)
        continue
      }
    }
    const ms = performance.now() - started
    if (ms > 1000) {
      findings++
      console.log(`FINDING iteration ${iteration} took ${ms} ms`)
    }
    outcomes.set(result, (outcomes.get(result) ?? 0) + 1)
  }
  console.log(`seed ${options.seed}: ${iteration - first} files`)
  for (const [outcome, count] of [...outcomes].sort((a, b) => b[1] - a[1]))
    console.log(`  ${count}  ${outcome}`)
  console.log(`${findings} findings`)
  process.exitCode = findings > 0 ? 1 : 0
}
