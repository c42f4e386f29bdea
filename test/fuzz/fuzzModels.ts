import { fork } from 'node:child_process'
import { readdirSync, readFileSync, writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { AscribeError, loadModel, Saliency, Target, type Tensor } from '#lib/index.js'
import { onnxCases } from '../oracles/onnxCases/index.js'
import { writeModel } from '../oracles/onnxWriter.js'
import { mutateModel } from './mutateModel.js'
import { FuzzRandom } from './random.js'

/**
 * Damages models and follows each through the whole engine: load, run, gradient. Whatever happens must be a result or
 * an AscribeError. A child process does the work, so that a crash, a hang or an explosion of memory is a finding with
 * its iteration's number, which repeats it.
 *
 *   node build/ts/test/fuzz/fuzzModels.js --seconds 60 --seed 1 [--first 0] [--corpus FOLDER]
 */
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    count: { type: 'string', default: '1000000000' },
    corpus: { type: 'string' },
    child: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
})

const hangMs = 30_000
const greatestResidentBytes = 3 * 2 ** 30

function corpus(): Uint8Array[] {
  const own = onnxCases.map(({ model }) => writeModel(model))
  if (!options.corpus) return own
  const folder = options.corpus
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name =>
    name.endsWith('.onnx'),
  )
  return [...own, ...files.map(name => new Uint8Array(readFileSync(`${folder}/${name}`)))]
}

const typedArrays = {
  f32: Float32Array,
  f64: Float64Array,
  i64: BigInt64Array,
  i32: Int32Array,
  i8: Int8Array,
  u8: Uint8Array,
  bool: Uint8Array,
} as const

function input(
  dtype: string,
  shape: readonly (number | string)[] | undefined,
  sizes: Record<string, number>,
  random: FuzzRandom,
): Tensor {
  const sizeOf = (symbol: string) => {
    sizes[symbol] ??= random.below(4)
    return sizes[symbol]
  }
  const dims = (shape ?? []).map(dim => (typeof dim === 'number' ? dim : sizeOf(dim)))
  const count = Math.min(
    dims.reduce((product, size) => product * Math.max(size, 0), 1),
    1 << 20,
  )
  const Elements = typedArrays[dtype as keyof typeof typedArrays] ?? Uint16Array
  const data = new Elements(count)
  for (let i = 0; i < count; i++) {
    const number = random.below(200) / 50 - 2
    if (data instanceof BigInt64Array) data[i] = BigInt(Math.trunc(number))
    else
      data[i] =
        data instanceof Float32Array || data instanceof Float64Array
          ? number
          : Math.abs(Math.trunc(number)) % 2
  }
  return { dtype, shape: dims, data } as unknown as Tensor
}

async function iterate(seeds: readonly Uint8Array[], iteration: number): Promise<string> {
  const random = new FuzzRandom(Number(options.seed) * 1_000_003 + iteration)
  const bytes = mutateModel(random.pick(seeds), random)
  let stage = 'load'
  try {
    const model = await loadModel(bytes, { memoryLimitBytes: 256 << 20 })
    const sizes: Record<string, number> = {}
    const inputs = Object.fromEntries(
      model.inputs.map(each => [each.name, input(each.dtype ?? 'f32', each.shape, sizes, random)]),
    )
    stage = 'run'
    const { outputs } = await model.run(inputs)
    stage = 'gradient'
    const name = Object.keys(outputs)[0] ?? ''
    if (outputs[name]?.dtype === 'f32') {
      const sum = Target.expression('sum', (graph, values) => {
        const output = values.get(name)!
        const flat = graph.apply('flatten', [output], { axis: 1 })
        return graph.apply('sum', [flat], { axes: [1], keepDims: 0 })
      })
      await new Saliency(model).attribute(inputs, { target: sum })
    }
    model.dispose()
    return 'ok'
  } catch (error) {
    if (error instanceof AscribeError && error.code !== 'INTERNAL') return `${stage} ${error.code}`
    throw new Error(`iteration ${iteration}, ${stage}: ${(error as Error).stack}`)
  }
}

async function child(): Promise<void> {
  const seeds = corpus()
  const end = Date.now() + Number(options.seconds) * 1000
  const first = Number(options.first)
  const outcomes: Record<string, number> = {}
  let iteration = first
  for (; Date.now() < end && iteration < first + Number(options.count); iteration++) {
    process.send?.({ iteration, resident: process.memoryUsage.rss() })
    if (options.verbose) writeSync(2, `${iteration}\n`)
    try {
      const outcome = await iterate(seeds, iteration)
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    } catch (error) {
      process.send?.({ finding: (error as Error).message })
    }
  }
  process.send?.({ outcomes, next: iteration })
  process.disconnect?.()
}

interface Message {
  iteration?: number
  resident?: number
  finding?: string
  outcomes?: Record<string, number>
  next?: number
}

async function parent(): Promise<void> {
  const end = Date.now() + Number(options.seconds) * 1000
  let first = Number(options.first)
  const findings: string[] = []
  const outcomes: Record<string, number> = {}
  while (Date.now() < end) {
    const seconds = Math.max(1, (end - Date.now()) / 1000)
    const again = [
      '--child',
      '--seconds',
      String(seconds),
      '--seed',
      options.seed,
      '--first',
      String(first),
      '--count',
      options.count,
    ]
    const worker = fork(fileURLToPath(import.meta.url), [
      ...again,
      ...(options.corpus ? ['--corpus', options.corpus] : []),
    ])
    let last = first
    let seen = Date.now()
    let over = false
    let hung = ''
    const watch = setInterval(() => {
      if (Date.now() - seen < hangMs) return
      hung = `iteration ${last}: no progress for ${hangMs / 1000} s`
      worker.kill('SIGKILL')
    }, 1000)
    worker.on('message', (message: Message) => {
      seen = Date.now()
      if (message.iteration !== undefined) last = message.iteration
      if (message.finding) findings.push(message.finding)
      if ((message.resident ?? 0) > greatestResidentBytes && !hung) {
        hung = `iteration ${last - 1}: ${((message.resident ?? 0) / 2 ** 30).toFixed(1)} GiB resident`
        worker.kill('SIGKILL')
      }
      for (const [name, count] of Object.entries(message.outcomes ?? {}))
        outcomes[name] = (outcomes[name] ?? 0) + count
      if (message.next !== undefined) {
        over = true
        first = message.next
      }
    })
    const [code, signal] = await new Promise<[number | null, string | null]>(resolve =>
      worker.once('exit', (...how) => resolve(how)),
    )
    clearInterval(watch)
    if (!over) {
      findings.push(hung || `iteration ${last}: the process ended with ${signal ?? `code ${code}`}`)
      first = last + 1
    } else if (first >= Number(options.first) + Number(options.count)) break
  }
  console.log(`seed ${options.seed}: iterations up to ${first}`)
  for (const [name, count] of Object.entries(outcomes).sort((a, b) => b[1] - a[1]))
    console.log(`  ${count}  ${name}`)
  for (const finding of findings) console.log(`FINDING ${finding}`)
  console.log(`${findings.length} findings`)
  process.exitCode = findings.length > 0 ? 1 : 0
}

await (options.child ? child() : parent())
