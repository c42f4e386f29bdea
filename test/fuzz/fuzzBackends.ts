import { parseArgs } from 'node:util'
import { GraphBuilder, type Value } from '#lib/graph/builder.js'
import { native, settle } from '#lib/native.js'
import type { CompileOptions, GraphDescription, NativeTensor } from '#typings/addon.js'
import { FuzzRandom } from './random.js'

/**
 * Random networks that make sense, forwards, backwards (VJP) and along a direction (JVP), by every choice of backends
 * against the reference kernels in double precision; and in double precision <u, J v> against <Jᵀ u, v>.
 *
 *   node build/ts/test/fuzz/fuzzBackends.js --seed 1 --count 300 [--first 0] [--seconds S] [--verbose]
 */
const { values: options } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    count: { type: 'string', default: '300' },
    seconds: { type: 'string', default: '1000000' },
    verbose: { type: 'boolean', default: false },
  },
})

const smooth = ['tanh', 'sigmoid', 'gelu', 'silu', 'softplus', 'erf', 'softsign', 'mish'] as const
/** Where a gate flips between precisions, a gradient may differ by more than rounding. */
const kinked = ['relu', 'leakyRelu', 'abs', 'hardSwish', 'elu'] as const

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)

class Network {
  readonly graph = new GraphBuilder()
  readonly steps: string[] = []
  readonly input: Value
  readonly inputShape: number[]
  value: Value
  shape: number[]
  hasKinks = false

  constructor(private readonly random: FuzzRandom) {
    const pick = (list: number[]) => random.pick(list)
    this.shape = random.pick([
      [pick([1, 2, 3]), pick([1, 3, 4, 8, 16, 19]), pick([4, 7, 9, 12]), pick([4, 6, 13])],
      [pick([1, 2]), pick([3, 5, 8, 17]), pick([4, 8, 12, 31])],
      [pick([1, 4, 7]), pick([3, 8, 33])],
    ])
    this.inputShape = this.shape
    this.input = this.graph.input('x', 'f32', this.shape)
    this.value = this.input
    for (let count = 2 + random.below(7); count > 0; count--) this.step()
  }

  /** Weights that keep activations alive: of deviation about 1 over the root of what a unit reads. */
  weights(shape: number[], reads: number): Value {
    const scale = 1.7 / Math.sqrt(Math.max(1, reads))
    return this.graph.constant(
      'f32',
      shape,
      Float32Array.from({ length: product(shape) }, () => scale * this.real()),
    )
  }
  real = () => (this.random.below(20001) - 10000) / 10000

  follow(op: string, value: Value, shape: number[]): void {
    this.steps.push(`${op} [${shape}]`)
    this.value = value
    this.shape = shape
  }

  step(): void {
    const rank = this.shape.length
    const common = [() => this.activation(), () => this.residual(), () => this.scaled()]
    const own =
      rank === 4
        ? [
            () => this.convolution(),
            () => this.convolution(),
            () => this.normPicture(),
            () => this.pool(),
            () => this.resize(),
            () => this.rows(),
            () => this.channels(),
            () => this.padded(),
          ]
        : [
            () => this.product(),
            () => this.product(),
            () => this.normRows(),
            () => this.softmax(),
            ...(rank === 3 ? [() => this.attention(), () => this.transposed(), () => this.mean()] : []),
          ]
    this.random.pick([...common, ...own])()
  }

  activation(): void {
    const isKinked = this.random.below(3) === 0
    this.hasKinks ||= isKinked
    const op = isKinked ? this.random.pick([...kinked]) : this.random.pick([...smooth])
    this.follow(op, this.graph.apply(op, [this.value]), this.shape)
  }
  residual(): void {
    const branch = this.graph.apply('mul', [this.graph.apply('tanh', [this.value]), this.value])
    this.follow('residual', this.graph.apply('add', [this.value, branch]), this.shape)
  }
  scaled(): void {
    const scale = this.weights([this.shape.at(-1)!], 1)
    const op = this.random.pick(['add', 'sub', 'mul'] as const)
    this.follow(op, this.graph.apply(op, [this.value, scale]), this.shape)
  }
  convolution(): void {
    const [n, c, h, w] = this.shape as [number, number, number, number]
    const kernel = this.random.pick([1, 3])
    const isDepthwise = this.random.below(3) === 0
    const out = isDepthwise ? c : this.random.pick([1, 3, 8, 16, 24])
    const stride = this.random.pick([1, 1, 2])
    const pad = kernel === 3 ? this.random.pick([0, 1]) : 0
    const size = (length: number) => Math.floor((length + 2 * pad - kernel) / stride) + 1
    if (size(h) < 1 || size(w) < 1) return
    const weights = this.weights(
      [out, isDepthwise ? 1 : c, kernel, kernel],
      (isDepthwise ? 1 : c) * kernel ** 2,
    )
    const bias = this.random.below(2) ? [this.weights([out], 4)] : []
    const y = this.graph.apply('conv', [this.value, weights, ...bias], {
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
      group: isDepthwise ? c : 1,
    })
    this.follow(`conv ${kernel}${isDepthwise ? ' depthwise' : ''} stride ${stride}`, y, [
      n,
      out,
      size(h),
      size(w),
    ])
  }
  normPicture(): void {
    const c = this.shape[1]!
    const [scale, shift] = [this.weights([c], 1), this.weights([c], 1)]
    if (this.random.below(2)) {
      const groups = c % 2 === 0 ? this.random.pick([1, 2]) : 1
      const y = this.graph.apply('groupNorm', [this.value, scale, shift], { groups, epsilon: 0.1 })
      this.follow('groupNorm', y, this.shape)
      return
    }
    const variance = this.graph.constant(
      'f32',
      [c],
      Float32Array.from({ length: c }, () => 1.5 + this.real()),
    )
    const y = this.graph.apply('batchNorm', [this.value, scale, shift, this.weights([c], 4), variance])
    this.follow('batchNorm', y, this.shape)
  }
  pool(): void {
    const [n, c, h, w] = this.shape as [number, number, number, number]
    if (h < 2 || w < 2) return
    const op = this.random.pick(['maxPool', 'averagePool'] as const)
    this.hasKinks ||= op === 'maxPool'
    const y = this.graph.apply(op, [this.value], { kernel: [2, 2], strides: [2, 2] })
    this.follow(op, y, [n, c, Math.floor(h / 2), Math.floor(w / 2)])
  }
  resize(): void {
    const [n, c, h, w] = this.shape as [number, number, number, number]
    if (h * w > 200) return
    const shape = [n, c, 2 * h, w + 1]
    const y = this.graph.apply('resize', [this.value, undefined, this.graph.integers(shape)], {
      mode: 'linear',
    })
    this.follow('resize', y, shape)
  }
  rows(): void {
    const [n, c, h, w] = this.shape as [number, number, number, number]
    const shape = this.random.pick([
      [n, c, h * w],
      [n, c * h * w],
    ])
    this.follow('reshape', this.graph.apply('reshape', [this.value, this.graph.integers(shape)]), shape)
  }
  channels(): void {
    const [n, c, h, w] = this.shape as [number, number, number, number]
    if (c > 1 && this.random.below(2)) {
      const ends = [0, c - 1, 1].map(value => this.graph.integers([value]))
      this.follow('slice', this.graph.apply('slice', [this.value, ...ends]), [n, c - 1, h, w])
      return
    }
    const twice = this.graph.apply('concat', [this.value, this.graph.apply('sin', [this.value])], { axis: 1 })
    this.follow('concat', twice, [n, 2 * c, h, w])
  }
  padded(): void {
    const [n, c, h, w] = this.shape as [number, number, number, number]
    const mode = this.random.pick(['constant', 'reflect', 'edge'] as const)
    if (h < 2 || w < 2) return
    const pads = this.graph.integers([0, 0, 1, 0, 0, 0, 1, 1])
    this.follow(`pad ${mode}`, this.graph.apply('pad', [this.value, pads], { mode }), [n, c, h + 2, w + 1])
  }
  product(): void {
    const width = this.shape.at(-1)!
    const out = this.random.pick([1, 5, 8, 16, 33])
    const y = this.graph.apply('matMul', [this.value, this.weights([width, out], width)])
    this.follow('matMul', y, [...this.shape.slice(0, -1), out])
  }
  normRows(): void {
    const width = this.shape.at(-1)!
    // A norm of one or two numbers is a sign.
    if (width < 4) return
    const op = this.random.pick(['layerNorm', 'rmsNorm'] as const)
    const y = this.graph.apply(op, [this.value, this.weights([width], 1)], { axis: -1, epsilon: 0.1 })
    this.follow(op, y, this.shape)
  }
  softmax(): void {
    const op = this.random.pick(['softmax', 'logSoftmax'] as const)
    this.follow(op, this.graph.apply(op, [this.value], { axis: -1 }), this.shape)
  }
  attention(): void {
    const width = this.shape.at(-1)!
    const heads = () =>
      this.graph.apply(
        'unsqueeze',
        [this.graph.apply('matMul', [this.value, this.weights([width, width], width)])],
        {
          axes: [1],
        },
      )
    const read = this.graph.apply('attention', [heads(), heads(), heads()], {
      scale: 1 / Math.sqrt(width),
      causal: this.random.below(2),
    })
    this.follow('attention', this.graph.apply('squeeze', [read], { axes: [1] }), this.shape)
  }
  transposed(): void {
    const [n, t, d] = this.shape as [number, number, number]
    this.follow('transpose', this.graph.apply('transpose', [this.value], { permutation: [0, 2, 1] }), [
      n,
      d,
      t,
    ])
  }
  mean(): void {
    const [n, , d] = this.shape as [number, number, number]
    this.follow('mean', this.graph.apply('mean', [this.value], { axes: [1], keepDims: 0 }), [n, d])
  }

  /** y, Jᵀ u and J v. */
  finished(): { description: GraphDescription; cotangent: Float32Array; tangent: Float32Array } {
    const cotangent = Float32Array.from({ length: product(this.shape) }, this.real)
    const tangent = Float32Array.from({ length: product(this.inputShape) }, this.real)
    const g = this.graph
    const u = g.constant('f32', [1, ...this.shape], cotangent)
    const [backward] = g.vjp([this.value], [u], [this.input])
    const zero = g.constant('f32', [1], Float32Array.of(0))
    const free = g.apply('expandLike', [zero, this.value], { leading: 1 })
    const [linear] = g.vjp([this.value], [free], [this.input])
    const v = g.constant('f32', [1, 1, ...this.inputShape], tangent)
    const [forward] = g.vjp([linear!], [v], [free])
    return { description: g.build([this.value, backward!, forward!]), cotangent, tangent }
  }
}

type Numbers = ArrayLike<number>
const inner = (a: Numbers, b: Numbers) => {
  let sum = 0
  for (let at = 0; at < a.length; at++) sum += a[at]! * b[at]!
  return sum
}
const norm = (a: Numbers) => Math.sqrt(inner(a, a))
/** ‖a - b‖ over ‖b‖; over `least` where b is almost nothing: the gradient of a constant is rounding alone. */
function distance(a: Numbers, b: Numbers, least: number): number {
  let off = 0
  for (let at = 0; at < b.length; at++) off += (a[at]! - b[at]!) ** 2
  return off === 0 ? 0 : Math.sqrt(off) / Math.max(norm(b), least)
}

async function run(graph: GraphDescription, x: NativeTensor, compile: CompileOptions): Promise<Numbers[]> {
  const plan = await settle(() => native().createGraph(graph).compile(native().createParameters([]), compile))
  const { outputs } = await settle(() => plan.run({ x }, {}))
  plan.dispose()
  return outputs.map(({ data }) => data as Float32Array)
}

const choices: CompileOptions[] = [{}, { backends: ['cpu', 'reference'] }]
const end = Date.now() + Number(options.seconds) * 1000
const worst = { output: 0, gradient: 0, direction: 0, identity: 0 }
let findings = 0
let iteration = Number(options.first)
const last = iteration + Number(options.count)
for (; iteration < last && Date.now() < end; iteration++) {
  const random = new FuzzRandom(Number(options.seed) * 1_000_003 + iteration)
  const network = new Network(random)
  const { description, cotangent, tangent } = network.finished()
  const data = Float32Array.from({ length: product(network.inputShape) }, network.real)
  const x: NativeTensor = { dtype: 'f32', shape: network.inputShape, data }
  const tell = (what: string) => {
    findings++
    console.log(
      `FINDING iteration ${iteration}: ${what}\n  [${network.inputShape}] ${network.steps.join(', ')}`,
    )
  }
  if (options.verbose) console.log(iteration, network.steps.join(', '))
  try {
    const exact = await run(description, x, { precision: 'f64' })
    const [u, v] = [norm(cotangent), norm(tangent)]
    const scale = Math.max(norm(exact[2]!) * u, 1e-3 * u * v)
    const identity = Math.abs(inner(exact[2]!, cotangent) - inner(exact[1]!, tangent)) / scale
    worst.identity = Math.max(worst.identity, identity)
    if (!(identity <= 1e-10)) tell(`<u, J v> and <Jᵀ u, v> differ by ${identity}`)
    for (const compile of choices) {
      const found = await run(description, x, compile)
      for (const [at, name] of (['output', 'gradient', 'direction'] as const).entries()) {
        const least = [0.05 * Math.sqrt(exact[0]!.length), 1e-2 * u, 1e-2 * v][at]!
        const off = distance(found[at]!, exact[at]!, least)
        if (!network.hasKinks || at === 0) worst[name] = Math.max(worst[name], off)
        // A norm of rows that hardly differ makes rounding larger.
        const bound = at === 0 ? 2e-4 : network.hasKinks ? 2e-2 : 2e-3
        if (!(off <= bound)) tell(`${name} of ${JSON.stringify(compile)} is off by ${off}`)
      }
    }
  } catch (error) {
    tell(String(error))
  }
  if (findings >= 10) break
}
console.log(
  `seed ${options.seed}: ${iteration - Number(options.first)} networks, worst ${JSON.stringify(worst)}`,
)
console.log(`${findings} findings`)
process.exitCode = findings > 0 ? 1 : 0
