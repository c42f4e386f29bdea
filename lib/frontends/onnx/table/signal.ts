import type { DTypeName } from '#typings/addon.js'
import type { Value } from '../../../graph/builder.js'
import { elementType } from '../dataTypes.js'
import type { OnnxNode, OperatorTable } from '../node.js'
import { asVector, between, counted, flag, hostScalar, lengthOf } from './parts.js'

/** cos and sin of 2π j k / n, [j, k], reduced modulo n in integers and worked out in double precision. */
function turns(node: OnnxNode, rows: Value, columns: Value, n: Value, dtype: DTypeName): [Value, Value] {
  const product = node.apply('mul', [
    node.apply('unsqueeze', [counted(node, rows)], { axes: [1] }),
    node.apply('unsqueeze', [counted(node, columns)], { axes: [0] }),
  ])
  const part = node.cast(node.apply('mod', [product, n]), 'f64')
  const real = (value: number) => node.graph.constant('f64', [], Float64Array.of(value))
  const angle = node.apply('div', [node.apply('mul', [part, real(2 * Math.PI)]), node.cast(n, 'f64')])
  return [node.cast(node.apply('cos', [angle]), dtype), node.cast(node.apply('sin', [angle]), dtype)]
}

/** {@link hostScalar} of a number that counts something: where it is known, it is positive. */
function hostCount(node: OnnxNode, index: number, what: string): Value {
  const known = node.known(index)?.data[0]
  if (known !== undefined && !(known > 0)) node.invalid(`${what} is ${known}, expected a positive number`)
  return hostScalar(node, index)
}

interface Transform {
  /** Length of the transform, a scalar; undefined: that of the axis. */
  length: Value | undefined
  /** Counted from either end. */
  axis: number | Value
  inverse: boolean
  onesided: boolean
}

/** An axis of the signal, of which the last one of the tensor is none, as a scalar. */
function positiveAxis(node: OnnxNode, axis: number | Value, rank: number): Value {
  if (typeof axis === 'number') {
    const at = axis < 0 ? axis + rank : axis
    return at >= 0 && at < rank - 1
      ? node.number(at)
      : node.invalid(`axis is ${axis}, expected one of the signal's`)
  }
  const isNegative = node.apply('less', [axis, node.number(0)])
  return node.apply('where', [isNegative, node.apply('add', [axis, node.number(rank)]), axis])
}

/** The discrete Fourier transform of x [..., 1 or 2] along one axis, as a product with its matrix. */
function transform(node: OnnxNode, x: Value, { length, axis, inverse, onesided }: Transform): Value {
  const rank = node.requireRank(x)
  const dtype = node.dtype(x) ?? 'f32'
  const at = positiveAxis(node, axis, rank)
  // The signal's axis last; parts [..., n]. Axis i comes from i, or from behind the one that went.
  const places = counted(node, node.number(rank - 1))
  const before = node.apply('less', [places, at])
  const isLast = node.apply('equal', [places, node.number(rank - 2)])
  const shifted = (by: number) => node.apply('add', [places, node.number(by)])
  const order = node.apply('where', [isLast, at, node.apply('where', [before, places, shifted(1)])])
  const isMoved = node.apply('equal', [places, at])
  const back = node.apply('where', [
    isMoved,
    node.number(rank - 2),
    node.apply('where', [before, places, shifted(-1)]),
  ])
  const half = inverse && onesided
  const usual = node.apply('gather', [node.apply('shape', [x]), at], { axis: 0 })
  const n =
    length ?? (half ? node.apply('mul', [node.apply('sub', [usual, node.number(1)]), node.number(2)]) : usual)
  const spectrum = node.apply('add', [node.apply('div', [n, node.number(2)]), node.number(1)])
  const used = half ? spectrum : n
  // A missing imaginary part is a sum over nothing: zeros.
  const part = (from: number) => {
    const one = node.apply('sum', [between(node, x, from, from + 1, -1)], { axes: [-1], keepDims: 0 })
    return between(node, node.apply('transpose', [one, order]), 0, asVector(node, used), -1)
  }
  const [real, imaginary] = [part(0), part(1)]
  const rows = lengthOf(node, real, -1)
  const columns = onesided && !inverse ? spectrum : n
  const [cosine, sine] = turns(node, rows, columns, n, dtype)
  const product = (a: Value, b: Value) => node.apply('matMul', [a, b])
  const combined = (op: 'add' | 'sub', a: Value, b: Value) => node.apply(op, [a, b])
  let results: Value[]
  if (half) {
    // The half that is not there mirrors the one that is: all but the ends count twice.
    const index = counted(node, rows)
    const isEnd = node.apply('or', [
      node.apply('equal', [index, node.number(0)]),
      node.apply('equal', [node.apply('mul', [index, node.number(2)]), n]),
    ])
    const weight = node.apply('where', [isEnd, node.scalar(1, real), node.scalar(2, real)])
    const weighted = (value: Value) => node.apply('mul', [value, weight])
    results = [combined('sub', product(weighted(real), cosine), product(weighted(imaginary), sine))]
  } else {
    const [first, second] = inverse ? (['sub', 'add'] as const) : (['add', 'sub'] as const)
    results = [
      combined(first, product(real, cosine), product(imaginary, sine)),
      combined(second, product(imaginary, cosine), product(real, sine)),
    ]
  }
  const divisor = node.cast(n, dtype)
  const sides = results.map(result => {
    const scaled = inverse ? node.apply('div', [result, divisor]) : result
    return node.apply('unsqueeze', [node.apply('transpose', [scaled, back])], { axes: [rank - 1] })
  })
  return node.define(
    sides.length === 1 ? sides[0]! : node.apply('concat', sides, { axis: rank - 1 }),
    dtype,
    rank,
  )
}

function dft(node: OnnxNode): Value {
  const axis =
    node.opset < 20
      ? node.attributes.integer('axis', 1)
      : node.has(2) && node.known(2) === undefined
        ? hostScalar(node, 2)
        : (node.integer(2, 'axis') ?? -2)
  return transform(node, node.input(0), {
    length: node.has(1) ? hostCount(node, 1, 'dft_length') : undefined,
    axis,
    inverse: flag(node, 'inverse') === 1,
    onesided: flag(node, 'onesided') === 1,
  })
}

/** Frames of a signal [B, length, 1 or 2], windowed, each transformed. */
function stft(node: OnnxNode): Value {
  const x = node.input(0)
  const step = hostCount(node, 1, 'frame_step')
  const window = node.optional(2)
  const all = lengthOf(node, x, 1)
  const size = node.has(3) ? hostCount(node, 3, 'frame_length') : window ? lengthOf(node, window, 0) : all
  const count = node.apply('add', [node.apply('div', [node.apply('sub', [all, size]), step]), node.number(1)])
  const begins = node.apply('mul', [counted(node, count), step])
  const index = node.apply('add', [
    node.apply('unsqueeze', [begins], { axes: [1] }),
    node.apply('unsqueeze', [counted(node, size)], { axes: [0] }),
  ])
  const frames = node.apply('gather', [x, index], { axis: 1 })
  const weighted = window
    ? node.apply('mul', [frames, node.apply('unsqueeze', [window], { axes: [1] })])
    : frames
  node.define(weighted, node.dtype(x), 4)
  return transform(node, weighted, {
    length: undefined,
    axis: 2,
    inverse: false,
    onesided: flag(node, 'onesided', 1) === 1,
  })
}

/** Triangles on the mel scale, [spectrum bins, mel bins]. */
function melWeights(node: OnnxNode): Value {
  const { name, compute } = elementType(node.attributes.integer('output_datatype', 1))
  if (compute === undefined) node.unsupported(`element type ${name}`)
  const real = (value: number) => node.graph.constant('f64', [], Float64Array.of(value))
  const scalar = (index: number) =>
    node.apply('reshape', [node.cast(node.host(index), 'f64'), node.graph.integers([])])
  const [bins, length] = [hostCount(node, 0, 'num_mel_bins'), hostCount(node, 1, 'dft_length')]
  const spectrum = node.apply('add', [node.apply('div', [length, node.number(2)]), node.number(1)])
  const mel = (hertz: Value) =>
    node.apply('mul', [
      node.apply('log', [node.apply('add', [node.apply('div', [hertz, real(700)]), real(1)])]),
      real(2595 / Math.LN10),
    ])
  const [low, high] = [mel(scalar(3)), mel(scalar(4))]
  const edges = node.apply('add', [bins, node.number(2)])
  const step = node.apply('div', [node.apply('sub', [high, low]), node.cast(edges, 'f64')])
  const mels = node.apply('add', [node.apply('mul', [node.cast(counted(node, edges), 'f64'), step]), low])
  const growth = node.apply('sub', [
    node.apply('exp', [node.apply('mul', [mels, real(Math.LN10 / 2595)])]),
    real(1),
  ])
  const hertz = node.apply('mul', [growth, real(700)])
  const scaled = node.apply('mul', [node.cast(node.apply('add', [length, node.number(1)]), 'f64'), hertz])
  const places = node.apply('floor', [node.apply('div', [scaled, scalar(2)])])
  const edge = (from: number) => {
    const end = asVector(node, node.apply('add', [bins, node.number(from)]))
    return node.apply('unsqueeze', [between(node, places, from, end, 0)], { axes: [0] })
  }
  const [left, centre, right] = [edge(0), edge(1), edge(2)]
  const at = node.apply('unsqueeze', [node.cast(counted(node, spectrum), 'f64')], { axes: [1] })
  const both = (a: Value, b: Value) => node.apply('and', [a, b])
  const rise = node.apply('sub', [centre, left])
  const isPoint = node.apply('equal', [rise, real(0)])
  const rising = node.apply('where', [
    isPoint,
    node.cast(node.apply('equal', [at, centre]), 'f64'),
    node.apply('where', [
      both(node.apply('lessOrEqual', [left, at]), node.apply('lessOrEqual', [at, centre])),
      node.apply('div', [node.apply('sub', [at, left]), node.apply('where', [isPoint, real(1), rise])]),
      real(0),
    ]),
  ])
  const fall = node.apply('sub', [right, centre])
  const falls = node.apply('greater', [fall, real(0)])
  const falling = node.apply('div', [
    node.apply('sub', [right, at]),
    node.apply('where', [falls, fall, real(1)]),
  ])
  const isFalling = both(
    falls,
    both(node.apply('lessOrEqual', [centre, at]), node.apply('less', [at, right])),
  )
  return node.define(node.cast(node.apply('where', [isFalling, falling, rising]), compute), compute, 2)
}

export const signals: OperatorTable = { DFT: dft, STFT: stft, MelWeightMatrix: melWeights }
