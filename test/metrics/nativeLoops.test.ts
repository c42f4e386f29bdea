import test from 'ava'
import { GraphBuilder } from '#lib/graph/builder.js'
import { copyRows } from '#lib/metrics/copyRows.js'
import type { Masked } from '#lib/metrics/perturbation.js'
import { drawKeys, randomStream, subsetsOf } from '#lib/metrics/randomStream.js'
import type { Subject } from '#lib/metrics/subject.js'
import { call, native, settle } from '#lib/native.js'
import type { NativeTensor, RowsRequest } from '#typings/addon.js'

/** The code of the error that a call throws. */
function codeOf(work: () => unknown): string | undefined {
  try {
    work()
  } catch (error) {
    return (error as { code?: string }).code
  }
  return undefined
}

const f32 = (shape: number[], numbers: readonly number[]): NativeTensor => ({
  dtype: 'f32',
  shape,
  data: Float32Array.from(numbers),
})
const i32 = (numbers: readonly number[]): NativeTensor => ({
  dtype: 'i32',
  shape: [numbers.length],
  data: Int32Array.from(numbers),
})
const addNoise = (tensors: NativeTensor[], distribution: 'uniform' | 'normal', weights?: Float64Array) =>
  native().addNoise({
    tensors,
    keys: drawKeys(7, 'dog', 3, 5),
    distribution,
    scale: 0.25,
    ...(weights ? { weights } : {}),
  })

test('noise is drawn as a random stream draws it, number for number through all tensors', async t => {
  const given = [f32([1, 3], [1, -2, 3]), { ...f32([1, 2], []), dtype: 'f64', data: Float64Array.of(0.5, 0) }]
  const weights = Float64Array.of(1, 2, -1, 0.5, 4)
  const numbers = [1, -2, 3, 0.5, 0]
  const uniform = await settle(() => addNoise(given as NativeTensor[], 'uniform', weights))
  const normal = await settle(() => addNoise(given as NativeTensor[], 'normal'))
  t.deepEqual(
    uniform.copies.map(({ dtype, shape }) => [dtype, shape]),
    [
      ['f32', [5, 3]],
      ['f64', [5, 2]],
    ],
  )
  t.is(normal.sums, undefined)
  for (let copy = 0; copy < 5; copy++) {
    const stream = randomStream(7, 'dog', 3 + copy)
    const drawn = numbers.map(() => 0.25 * (2 * stream.uniform() - 1))
    const moved = numbers.map((value, at) => value + drawn[at]!)
    const [floats, doubles] = uniform.copies as [NativeTensor, NativeTensor]
    t.deepEqual(
      [...(floats.data as Float32Array).subarray(3 * copy, 3 * copy + 3)],
      moved.slice(0, 3).map(Math.fround),
    )
    t.deepEqual([...(doubles.data as Float64Array).subarray(2 * copy, 2 * copy + 2)], moved.slice(3))
    const sum = drawn.reduce((total, step, at) => total + step * weights[at]!, 0)
    t.true(Math.abs(uniform.sums![copy]! - sum) < 1e-15)
    const bell = randomStream(7, 'dog', 3 + copy)
    const doublesOf = normal.copies[1]!.data as Float64Array
    const expected = numbers.map(value => value + 0.25 * bell.normal())
    for (const at of [0, 1]) t.true(Math.abs(doublesOf[2 * copy + at]! - expected[3 + at]!) < 1e-14)
  }
})

test('noise refuses what it cannot be added to', t => {
  const refused = (tensors: NativeTensor[], weights?: Float64Array) =>
    codeOf(() => addNoise(tensors, 'uniform', weights))
  t.is(refused([i32([1])]), 'INPUT_DTYPE')
  t.is(refused([f32([2, 1], [1, 2])]), 'INPUT_SHAPE')
  t.is(refused([f32([1, 1], [1])], new Float64Array(2)), 'INPUT_SHAPE')
})

/** Per row: the sum of a table where the row's mask is set, plus the row's own number. */
async function maskedSums(chunk: number) {
  const builder = new GraphBuilder()
  const table = builder.input('table', 'f32', [1, 4])
  const own = builder.input('own', 'f32', ['rows'])
  const mask = builder.input('mask', 'bool', ['rows', 4])
  const chosen = builder.apply('where', [mask, table, builder.scalar(0)])
  const sums = builder.apply('sum', [chosen], { axes: [1], keepDims: 0 })
  const graph = call(() => native().createGraph(builder.build([builder.apply('add', [sums, own])])))
  const parameters = native().createParameters([])
  return settle(() => graph.compile(parameters, { sizes: { rows: chunk } }))
}

const request = (chunk: number): RowsRequest => ({
  tables: { table: f32([1, 4], [1, 10, 100, 1000]) },
  rows: { own: f32([5], [0.5, 1.5, 2.5, 3.5, 4.5]) },
  marks: { mask: { ends: i32([0, 2, 3, 3, 7]), places: i32([0, 3, 1, 3, 2, 1, 0]) } },
  count: 5,
  chunk,
})
const expected = [0.5, 1002.5, 12.5, 3.5, 1115.5]

test('rows come out the same however many share a pass, and what one pass set is gone in the next', async t => {
  for (const chunk of [1, 2, 3, 5, 8]) {
    const plan = await maskedSums(chunk)
    const { outputs } = await settle(() => plan.rows(request(chunk), {}))
    t.deepEqual(outputs[0]!.shape, [5])
    t.deepEqual([...(outputs[0]!.data as Float32Array)], expected, `chunk ${chunk}`)
  }
})

/** exp(number of the row) over a wide row, so that a pass takes a moment. */
async function exponentials(chunk: number) {
  const builder = new GraphBuilder()
  const table = builder.input('table', 'f32', [1, 20_000])
  const own = builder.input('own', 'f32', ['rows', 1])
  const grown = builder.apply('exp', [builder.apply('add', [table, own])])
  const graph = call(() =>
    native().createGraph(builder.build([builder.apply('mean', [grown], { axes: [1], keepDims: 0 })])),
  )
  return settle(() => graph.compile(native().createParameters([]), { sizes: { rows: chunk } }))
}
const wide = (count: number, chunk: number, at: (row: number) => number): RowsRequest => ({
  tables: { table: f32([1, 20_000], new Array(20_000).fill(0)) },
  rows: {
    own: f32(
      [count, 1],
      Array.from({ length: count }, (_, row) => at(row)),
    ),
  },
  count,
  chunk,
})

test('places in the order of falling scores are tables, shared by inputs, for each item', async t => {
  const builder = new GraphBuilder()
  const first = builder.input('first', 'f32', ['items', 3])
  const second = builder.input('second', 'f32', ['items', 2, 2])
  const row = builder.input('row', 'i64', ['rows'])
  const [ofFirst, ofSecond] = [first, second].map(table => builder.apply('gather', [table, row], { axis: 0 }))
  const graph = call(() => native().createGraph(builder.build([ofFirst!, ofSecond!])))
  const sizes = { rows: 1, items: 2 }
  const plan = await settle(() => graph.compile(native().createParameters([]), { sizes }))
  const rows: NativeTensor = { dtype: 'i64', shape: [2], data: BigInt64Array.of(0n, 1n) }
  const given = (dtype: 'f64' | 'f32', shape: number[], scores: number[], tables: string[]): RowsRequest => ({
    tables: {},
    ranked: {
      scores: { dtype, shape, data: (dtype === 'f64' ? Float64Array : Float32Array).from(scores) },
      tables,
    } as never,
    rows: { row: rows },
    count: 2,
    chunk: 1,
  })
  const singles = [0.5, -0, 2, 0, 2, -3, 0.25]
  // The last two differ in double precision alone.
  const doubles = [1e-300, -1e300, 0, 1, 1e300, 0.1, 0.1 + 2 ** -54]
  for (const tables of [
    ['first', 'second'],
    ['second', 'first'],
  ]) {
    const { outputs } = await settle(() =>
      plan.rows(given('f64', [2, 7], [...singles, ...doubles], tables), {}),
    )
    const places = [...[2, 4, 0, 5, 1, 6, 3], ...[4, 6, 5, 1, 0, 3, 2]]
    const share = (from: number, width: number) =>
      [0, 7].flatMap(item => places.slice(item + from, item + from + width))
    const isFirst = tables[0] === 'first'
    t.deepEqual([...(outputs[0]!.data as Float32Array)], share(isFirst ? 0 : 4, 3))
    t.deepEqual([...(outputs[1]!.data as Float32Array)], share(isFirst ? 3 : 0, 4))
  }
  const refused = (...ranked: Parameters<typeof given>) => codeOf(() => plan.rows(given(...ranked), {}))
  const both = ['first', 'second']
  t.is(refused('f32', [2, 7], [...singles, ...singles], both), 'INPUT_DTYPE')
  t.is(refused('f64', [2, 6], [...singles, ...singles].slice(2), both), 'INPUT_SHAPE')
  t.is(refused('f64', [1, 7], singles, both), 'INPUT_SHAPE')
  t.is(refused('f64', [14], [...singles, ...singles], both), 'INPUT_SHAPE')
  t.is(refused('f64', [2, 1], [1, 2], ['row']), 'INPUT_DTYPE')
  t.is(refused('f64', [2, 7], [...singles, ...singles], ['first', 'third']), 'OPTION_UNKNOWN')
})

test("passes on several threads give what one pass after the other gives, and the failure of any is the job's", async t => {
  t.true(native().engine().threadsPerLane >= 1)
  const plan = await exponentials(3)
  const { outputs } = await settle(() =>
    plan.rows(
      wide(100, 3, row => row / 10),
      {},
    ),
  )
  for (const [row, mean] of (outputs[0]!.data as Float32Array).entries())
    t.true(Math.abs(mean / Math.exp(row / 10) - 1) < 1e-5, `row ${row}`)
  // One row of a hundred overflows, in any of the passes.
  for (const bad of [0, 50, 99]) {
    const failing = wide(100, 3, row => (row === bad ? 1e3 : 0))
    const error = await t.throwsAsync(settle(() => plan.rows(failing, { guard: true })))
    t.is((error as { code?: string }).code, 'NOT_FINITE')
    t.regex(error!.message, /exp/)
  }
})

test('passes run beside each other as far as the memory bound allows, one at least', async t => {
  const plan = await exponentials(4)
  const run = (memoryLimitBytes?: number) =>
    settle(() =>
      plan.rows(
        wide(40, 4, row => row),
        memoryLimitBytes ? { memoryLimitBytes } : {},
      ),
    )
  const free = await run()
  const { arenaBytes, scratchBytes } = plan.describe()
  // Room for the working memory of one pass, its outputs, and nothing like a second one.
  const bound = Math.ceil(1.5 * (arenaBytes + scratchBytes))
  const tight = await run(bound)
  t.true(tight.peakBytes <= bound)
  t.deepEqual(tight.outputs[0]!.data, free.outputs[0]!.data)
  const error = await t.throwsAsync(run(arenaBytes / 2))
  t.is((error as { code?: string }).code, 'OUT_OF_MEMORY_BUDGET')
})

test('passes on several threads stop when they are cancelled', async t => {
  const plan = await exponentials(3)
  const abort = new AbortController()
  const running = settle(
    () =>
      plan.rows(
        wide(60_000, 3, () => 0),
        {},
      ),
    abort.signal,
  )
  setTimeout(() => abort.abort(), 20)
  const error = await t.throwsAsync(running)
  t.is((error as { code?: string }).code, 'ABORTED')
})

test('rows that do not fit the plan are refused', async t => {
  const plan = await maskedSums(2)
  const refused = (change: Partial<RowsRequest>) => codeOf(() => plan.rows({ ...request(2), ...change }, {}))
  const mask = (ends: number[], places: number[]) => ({
    marks: { mask: { ends: i32(ends), places: i32(places) } },
  })
  t.is(refused({ chunk: 3 }), 'INPUT_SHAPE')
  t.is(refused({ count: 4 }), 'INPUT_SHAPE')
  t.is(refused({ rows: { own: i32([1, 2, 3, 4, 5]) } }), 'INPUT_DTYPE')
  t.is(refused(mask([0, 2, 1, 3, 7], [0, 3, 1, 3, 2, 1, 0])), 'INPUT_SHAPE')
  t.is(refused(mask([0, 2, 3, 3, 7], [0, 3, 1, 3, 2, 1, 4])), 'INPUT_VALUE')
  t.is(refused(mask([0, 2, 3, 3, 7], [0, 3, 1, 3, 2, 1, -1])), 'INPUT_VALUE')
  t.is(refused({ marks: { own: { ends: i32([0, 0, 0, 0, 0]), places: i32([]) } } }), 'INPUT_DTYPE')
  const { rows: _, ...without } = request(2)
  const error = await t.throwsAsync(settle(() => plan.rows({ ...without, rows: {} }, {})))
  t.is((error as { code?: string }).code, 'INPUT_MISSING')
})

test('subsets are of their size, without repetition, and leave nothing behind', t => {
  for (const [count, size] of [
    [10, 3],
    [10, 8],
    [7, 7],
  ] as const) {
    const draw = subsetsOf(count, size)
    for (let at = 0; at < 20; at++) {
      const drawn = [...draw(randomStream(0, 'x', at))]
      t.is(new Set(drawn).size, size)
      t.deepEqual(drawn, [...subsetsOf(count, size)(randomStream(0, 'x', at))])
    }
  }
})

test('copies that remove few of many places go in one call; where all may go, calls are bounded', async t => {
  const features = 200_000
  const tensor = { dtype: 'f32', shape: [1, features], data: new Float32Array(features) }
  const subject = { explained: { names: ['x'], tensors: { x: tensor } } } as unknown as Subject
  const masked = (count: number, mostRemoved?: number): Masked => ({
    kind: 'masked',
    players: features,
    count,
    removed: at => [at, at + 1],
    weights: new Float64Array(features),
    said: new Float64Array(count),
    ...(mostRemoved === undefined ? {} : { mostRemoved }),
  })
  const callsOf = async (perturbation: Masked) => {
    const counts: number[] = []
    for await (const { count } of copyRows([subject], [perturbation], 2, false)) counts.push(count)
    return counts
  }
  t.deepEqual(await callsOf(masked(100, 224)), [100])
  // 4 million places hold 20 copies.
  t.deepEqual(await callsOf(masked(50)), [20, 20, 10])
})
