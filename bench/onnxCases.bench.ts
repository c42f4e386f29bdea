/**
 * Every operator case that the onnx package generates (bench/onnx-cases/convert.py writes them): passed, refused with
 * which error, or failed with why; by operator with --table.
 *
 *   node build/ts/bench/onnxCases.bench.js --folder FOLDER [--only NAME] [--table] [--record]
 *
 * --record writes bench/onnx-cases/results.json, which docs/operators.md shows.
 */
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AscribeError, loadModel, type Tensor } from '#lib/index.js'
import { readTensor } from '../test/oracles/readTensor.js'
import { repositoryRoot } from '../test/oracles/repository.js'
import { flags, isChosen, printTable } from './harness.js'

interface Case {
  name: string
  operators: string[]
  tensors: boolean
  inputs: string[]
  outputs: number
  tolerance: number
}

type Fate = { kind: 'passed' | 'refused' | 'failed' | 'out of scope'; why: string }

/** Other domains than the default one, and what has no number to compare. */
const otherOperators =
  /^ai\.onnx\.|^(ImageDecoder|RegexFullMatch|TfIdfVectorizer|String\w*|Bernoulli|RandomUniform\w*|RandomNormal\w*|Multinomial)$/

const isRandom = /training_dropout_(default|mask)|training_dropout$/

/** Computed in single precision here, and rounded after every step where the expected values come from. */
const halfPrecision = /bf16|fp16|float16/i

/** Sequences, texts, and element types that the graph language has not: what the project leaves out. */
const outOfScope =
  /float8|float4|int4|uint4|int2|uint2|uint16|uint32|uint64|int16|complex|string|text|(?<!reverse)sequence|optional/i

const told = (error: unknown): string => {
  if (!(error instanceof AscribeError)) return `${(error as Error).stack}`
  return `${error.code} ${error.message.split('\n').slice(0, 2).join(' ')}`
}

function difference(actual: Tensor | undefined, expected: Tensor, tolerance: number): string | undefined {
  if (actual === undefined) return 'no such output'
  if (actual.dtype !== expected.dtype) return `element type ${actual.dtype}, expected ${expected.dtype}`
  if (actual.shape.join() !== expected.shape.join())
    return `shape [${actual.shape}], expected [${expected.shape}]`
  let largest = 0
  for (const value of expected.data)
    if (Number.isFinite(Number(value))) largest = Math.max(largest, Math.abs(Number(value)))
  // What is zero but for rounding is measured by the whole tensor.
  const noise = 1e-7 * Math.max(1, largest)
  for (let i = 0; i < expected.data.length; ++i) {
    const [a, b] = [Number(actual.data[i]), Number(expected.data[i])]
    if (!(Object.is(a, b) || a === b || Math.abs(a - b) <= noise + tolerance * Math.abs(b)))
      return `element ${i} is ${a}, expected ${b}`
  }
  return undefined
}

async function fate(folder: string, one: Case): Promise<Fate> {
  if (one.operators.some(name => otherOperators.test(name)))
    return { kind: 'out of scope', why: 'another domain' }
  if (!one.tensors) return { kind: 'out of scope', why: 'values that are no tensors' }
  if (isRandom.test(one.name)) return { kind: 'out of scope', why: "expected values are numpy's random ones" }
  const read = async (name: string) => (await readTensor(await readFile(join(folder, one.name, name)))).tensor
  try {
    const model = await loadModel(join(folder, one.name, 'model.onnx'))
    const inputs: Record<string, Tensor> = {}
    for (const [i, name] of one.inputs.entries())
      if (name !== '') inputs[name] = (await read(`input_${i}.pb`)) as Tensor
    const { outputs } = await model.run(inputs, { guard: false })
    for (let i = 0; i < one.outputs; ++i) {
      const expected = (await read(`output_${i}.pb`)) as Tensor
      const why = difference(
        outputs[model.outputs[i]!.name],
        expected,
        halfPrecision.test(one.name) ? 2 ** -7 : one.tolerance,
      )
      if (why !== undefined) return { kind: 'failed', why }
    }
    model.dispose()
    return { kind: 'passed', why: '' }
  } catch (error) {
    const why = told(error)
    if (!(error instanceof AscribeError)) return { kind: 'failed', why }
    if (outOfScope.test(why) || outOfScope.test(one.name)) return { kind: 'out of scope', why }
    const byName =
      error.code === 'MODEL_UNSUPPORTED_OP' ||
      (error.code === 'MODEL_INVALID' && error.message.includes('must be known when the plan'))
    return { kind: byName ? 'refused' : 'failed', why }
  }
}

const { folder } = flags
if (folder === undefined || !existsSync(join(folder, 'index.json'))) {
  console.log('no folder of cases: `python bench/onnx-cases/convert.py FOLDER` makes one, --folder names it')
} else {
  const cases = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8')) as Case[]
  const counts = { passed: 0, refused: 0, failed: 0, 'out of scope': 0 }
  const reasons: string[][] = []
  const byOperator = new Map<string, typeof counts>()
  for (const one of cases.filter(({ name }) => isChosen(name))) {
    const { kind, why } = await fate(folder, one)
    counts[kind]++
    if (kind === 'refused' || kind === 'failed') reasons.push([kind, one.name, why.slice(0, 160)])
    const operator = one.operators.length === 1 ? one.operators[0]! : 'several'
    const row = byOperator.get(operator) ?? { passed: 0, refused: 0, failed: 0, 'out of scope': 0 }
    row[kind]++
    byOperator.set(operator, row)
  }
  if (flags.table)
    printTable(
      ['operator', 'passed', 'refused', 'failed', 'out of scope'],
      [...byOperator].sort().map(([name, row]) => [name, ...Object.values(row).map(String)]),
    )
  for (const reason of reasons) console.log(reason.join('  '))
  if (flags.record) {
    const rows = [...byOperator].sort().map(([name, row]) => [name, ...Object.values(row)])
    const lines = (list: unknown[]) => `[\n${list.map(one => JSON.stringify(one)).join(',\n')}\n]`
    await writeFile(
      join(repositoryRoot, 'bench/onnx-cases/results.json'),
      `{"counts": ${JSON.stringify(counts)},\n"operators": ${lines(rows)},\n"reasons": ${lines(reasons)}}\n`,
    )
  }
  const inScope = counts.passed + counts.refused + counts.failed
  console.log(
    `${counts.passed} of ${inScope} in scope passed (${((100 * counts.passed) / inScope).toFixed(1)} %), ${counts.refused} refused by name, ${counts.failed} failed; ${counts['out of scope']} out of scope`,
  )
  process.exitCode = counts.failed === 0 ? 0 : 1
}
