import { writeSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { GraphBuilder, type Value } from '#lib/graph/builder.js'
import { errorCodes } from '#lib/index.js'
import { native, settle } from '#lib/native.js'
import type { DTypeName } from '#typings/addon.js'
import { FuzzRandom } from './random.js'

/**
 * Builds graphs of any operations with any attributes, compiles and runs them, and differentiates them: whatever
 * happens must be a result or an error with a code.
 *
 *   node build/ts/test/fuzz/fuzzGraphs.js --seed 1 --count 4000 [--first 0] [--verbose]
 */
const { values: options } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    count: { type: 'string', default: '4000' },
    verbose: { type: 'boolean', default: false },
  },
})

const operations = native()
  .operations()
  .filter(({ name }) => !/Grad$|(?<!^stop)Gradient$|^(fusedConv|reorder|vjp|customDerivative)$/.test(name))
const integers = [
  0,
  1,
  -1,
  2,
  -2,
  3,
  5,
  64,
  1 << 20,
  2 ** 31,
  -(2 ** 31),
  2 ** 40,
  2 ** 53 - 1,
  -(2 ** 53) + 1,
]
const reals = [0, 1, -1, 0.5, 1e-30, 1e38, -1e38, 1e300]
const words = [
  '',
  'constant',
  'reflect',
  'edge',
  'wrap',
  'nearest',
  'linear',
  'cubic',
  'tanh',
  'none',
  'f32',
  'i64',
  'bool',
  'f64',
  'sameUpper',
  'sameLower',
  'valid',
  'explicit',
  'DCR',
  'CRD',
  'add',
  'mul',
  'max',
  'halfPixel',
  'alignCorners',
  'x',
]
const dtypes: DTypeName[] = ['f32', 'f32', 'f32', 'f32', 'i64', 'i64', 'i32', 'bool', 'f64', 'i8', 'u8']

function shapeOf(random: FuzzRandom): number[] {
  return Array.from({ length: random.below(5) }, () => random.pick([1, 1, 2, 3, 4, 5, 0, 8]))
}
function number(random: FuzzRandom): number {
  return random.below(3) > 0 ? random.below(7) - 2 : random.pick(integers)
}
function attribute(kind: string, random: FuzzRandom): number | string | number[] {
  if (kind === 'integer') return number(random)
  if (kind === 'real') return random.pick(reals)
  if (kind === 'text') return random.pick(words)
  return Array.from({ length: random.below(5) }, () =>
    kind === 'integers' ? number(random) : random.pick(reals),
  )
}
function constant(graph: GraphBuilder, random: FuzzRandom): Value {
  const shape = random.below(2) ? [random.below(5)] : []
  const count = shape.reduce((product, size) => product * size, 1)
  if (random.below(3) === 0)
    return graph.constant(
      'f32',
      shape,
      Float32Array.from({ length: count }, () => random.pick(reals)),
    )
  return graph.constant(
    'i64',
    shape,
    BigInt64Array.from({ length: count }, () =>
      random.below(8) ? BigInt(number(random)) : random.pick([2n ** 63n - 1n, -(2n ** 63n)]),
    ),
  )
}

/** How many operands each operation takes, found out by asking. */
const operandCounts = new Map(
  operations.map(({ name, attributes }) => {
    const required = attributes
      .filter(each => each.required)
      .map(each => [each.name, { integer: 1, real: 1, text: 'x', integers: [1], reals: [1] }[each.kind]])
    const counts = [1, 2, 3, 4, 5].filter(count => {
      const graph = new GraphBuilder()
      const x = graph.input('x', 'f32', [2])
      try {
        native().createGraph(
          graph.build([
            graph.applyMany(
              name as 'add',
              new Array(count).fill(x),
              1,
              Object.fromEntries(required) as never,
            )[0]!,
          ]),
        )
        return true
      } catch {
        return false
      }
    })
    return [name, counts.length > 0 ? counts : [1]]
  }),
)

async function iterate(iteration: number): Promise<string> {
  const random = new FuzzRandom(Number(options.seed) * 1_000_003 + iteration)
  const graph = new GraphBuilder()
  const inputs: Record<string, unknown> = {}
  const values: Value[] = []
  for (let at = 0; at < 1 + random.below(3); at++) {
    const dtype = random.pick(dtypes)
    const shape = shapeOf(random)
    const count = shape.reduce((product, size) => product * size, 1)
    const draw = () => random.below(400) / 100 - 2
    const data =
      dtype === 'f32'
        ? Float32Array.from({ length: count }, draw)
        : dtype === 'f64'
          ? Float64Array.from({ length: count }, draw)
          : dtype === 'i64'
            ? BigInt64Array.from({ length: count }, () => BigInt(number(random)))
            : dtype === 'i32'
              ? Int32Array.from({ length: count }, () => number(random))
              : dtype === 'i8'
                ? Int8Array.from({ length: count }, () => number(random))
                : Uint8Array.from({ length: count }, () => random.below(dtype === 'bool' ? 2 : 256))
    values.push(graph.input(`x${at}`, dtype, shape))
    inputs[`x${at}`] = { dtype, shape, data }
  }
  const floating = values[0]!
  let stage = 'create'
  try {
    for (let count = 1 + random.below(4); count > 0; count--) {
      const operation = random.pick(operations)
      const attributes = Object.fromEntries(
        operation.attributes
          .filter(({ required }) => required || random.below(3) === 0)
          .map(({ name, kind }) => [name, attribute(kind, random)]),
      )
      const operands = Array.from({ length: random.pick(operandCounts.get(operation.name)!) }, () =>
        random.below(4) === 0 ? constant(graph, random) : random.pick(values),
      )
      values.push(graph.applyMany(operation.name as 'add', operands, 1, attributes as never)[0]!)
    }
    const output = values.at(-1)!
    const outputs = [output]
    if (random.below(2)) {
      const seed = graph.apply(
        'expandLike',
        [graph.constant('f32', new Array(random.below(2) + 1).fill(1), Float32Array.of(1)), output],
        { leading: 1 },
      )
      outputs.push(graph.vjp([output], [seed], [floating])[0]!)
    }
    if (process.env.FUZZ_SHOW)
      console.log(
        JSON.stringify(graph.build(outputs), (_, value) =>
          typeof value === 'bigint' ? String(value) : value,
        ),
      )
    const described = native().createGraph(graph.build(outputs))
    stage = 'compile'
    const plan = await settle(() => described.compile(native().createParameters([]), {}))
    stage = 'run'
    await settle(() =>
      plan.run(inputs as never, { memoryLimitBytes: 64 << 20, guard: random.below(2) === 0 }),
    )
    plan.dispose()
    return 'ok'
  } catch (error) {
    const { code, message, stack } = error as Error & { code?: string }
    if (code !== undefined && Object.hasOwn(errorCodes, code) && code !== 'INTERNAL')
      return process.env.FUZZ_MESSAGES
        ? `${stage} ${code} ${message.replace(/[0-9]+/g, '#').slice(0, 70)}`
        : `${stage} ${code}`
    throw new Error(`iteration ${iteration}, ${stage}: ${code} ${message}\n${stack}`)
  }
}

const outcomes = new Map<string, number>()
let findings = 0
for (
  let iteration = Number(options.first), end = iteration + Number(options.count);
  iteration < end;
  iteration++
) {
  // The last number on standard error is the iteration that ended the process.
  if (options.verbose) writeSync(2, `${iteration}\n`)
  try {
    const outcome = await iterate(iteration)
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  } catch (error) {
    findings++
    console.log(`FINDING ${(error as Error).message}`)
  }
}
for (const [outcome, count] of [...outcomes].sort((a, b) => b[1] - a[1]))
  console.log(`  ${count}  ${outcome}`)
console.log(`${findings} findings`)
process.exitCode = findings > 0 ? 1 : 0
