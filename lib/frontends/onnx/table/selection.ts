import type { Value } from '../../../graph/builder.js'
import type { OnnxNode, OperatorTable } from '../node.js'
import { between, flag, joined } from './parts.js'

/**
 * Operators whose results are as long as the data say. The graph language fills buffers of the greatest length and
 * counts; what counts is cut out by a slice whose end is known only when what is before it has run.
 */

const places = (node: OnnxNode, x: Value): Value => {
  const [padded, count] = node.applyMany('nonZero', [x], 2)
  return node.define(between(node, padded!, 0, count!, 1), 'i64', 2)
}

function compress(node: OnnxNode): Value {
  const rank = node.rank(node.input(1))
  if (rank !== undefined && rank !== 1) node.invalid(`its condition has rank ${rank}, expected 1`)
  const chosen = node.apply('reshape', [places(node, node.input(1)), node.graph.integers([-1])])
  const x = node.input(0)
  if (node.attributes.has('axis'))
    return node.apply('gather', [x, chosen], { axis: node.attributes.integer('axis', 0) })
  return node.apply('gather', [node.apply('reshape', [x, node.graph.integers([-1])]), chosen], { axis: 0 })
}

/** Unique elements, or unique slices along an axis, which are brought to rows and back. */
function unique(node: OnnxNode): Value[] {
  const x = node.input(0)
  const byAxis = node.attributes.has('axis')
  const rank = byAxis ? node.requireRank(x) : 1
  const given = node.attributes.integer('axis', 0)
  const axis = given < 0 ? given + rank : given
  if (byAxis && (axis < 0 || axis >= rank)) node.invalid(`axis is ${given}`)
  const order = [axis, ...Array.from({ length: rank }, (_, at) => at).filter(at => at !== axis)]
  const back = order.map((_, at) => order.indexOf(at))
  const first = byAxis ? node.apply('transpose', [x], { permutation: order }) : x
  const rows = byAxis
    ? node.apply('flatten', [first], { axis: 1 })
    : node.apply('reshape', [x, node.graph.integers([-1, 1])])
  const [padded, where, inverse, counts, count] = node.applyMany('unique', [rows], 5, {
    sorted: flag(node, 'sorted', 1),
  })
  const kept = between(node, padded!, 0, count!, 0)
  const result = byAxis
    ? node.apply(
        'transpose',
        [node.apply('reshape', [kept, joined(node, count!, node.apply('shape', [first], { start: 1 }))])],
        { permutation: back },
      )
    : node.apply('reshape', [kept, node.graph.integers([-1])])
  const vector = (value: Value) => node.define(value, 'i64', 1)
  return [
    node.define(result, node.dtype(x), byAxis ? rank : 1),
    vector(between(node, where!, 0, count!, 0)),
    vector(inverse!),
    vector(between(node, counts!, 0, count!, 0)),
  ].slice(0, node.outputCount)
}

function nonMaxSuppression(node: OnnxNode): Value {
  const operands = [node.input(0), node.input(1), ...[2, 3, 4].map(index => node.optional(index))]
  const given = operands.findLastIndex(operand => operand !== undefined) + 1
  const [rows, count] = node.applyMany('nonMaxSuppression', operands.slice(0, given), 2, {
    centred: flag(node, 'center_point_box'),
  })
  return node.define(between(node, rows!, 0, count!, 0), 'i64', 2)
}

/** Before operator set 16 there was no half pixel. */
function roiAlign(node: OnnxNode): Value {
  const mode = node.attributes.text('mode', 'avg', ['avg', 'max'])
  const coordinates =
    node.opset < 16
      ? 'output_half_pixel'
      : node.attributes.text('coordinate_transformation_mode', 'half_pixel', [
          'half_pixel',
          'output_half_pixel',
        ])
  return node.apply('roiAlign', [node.input(0), node.input(1), node.cast(node.input(2), 'i64')], {
    height: node.attributes.integer('output_height', 1),
    width: node.attributes.integer('output_width', 1),
    samples: node.attributes.integer('sampling_ratio', 0),
    scale: node.attributes.real('spatial_scale', 1),
    halfPixel: coordinates === 'half_pixel' ? 1 : 0,
    maximum: mode === 'max' ? 1 : 0,
  })
}

export const selection: OperatorTable = {
  NonZero: node => places(node, node.input(0)),
  Compress: compress,
  Unique: unique,
  NonMaxSuppression: nonMaxSuppression,
  RoiAlign: roiAlign,
  Det: node => node.apply('determinant', [node.input(0)]),
  /** Each sequence of the batch turned round as far as it goes. */
  ReverseSequence: node => {
    const x = node.input(0)
    const rank = node.requireRank(x)
    const [time, batch] = [node.attributes.integer('time_axis', 0), node.attributes.integer('batch_axis', 1)]
    if (!((time === 0 && batch === 1) || (time === 1 && batch === 0)))
      node.invalid(`time_axis is ${time} and batch_axis ${batch}, expected 0 and 1 or the other way round`)
    const exchange = Array.from({ length: rank }, (_, at) => (at === 0 ? 1 : at === 1 ? 0 : at))
    const turned = time === 0 ? node.apply('transpose', [x], { permutation: exchange }) : x
    const lengths = node.apply('unsqueeze', [node.cast(node.input(1), 'i64')], { axes: [1] })
    const all = node.apply('squeeze', [node.apply('shape', [turned], { start: 1, end: 2 })], { axes: [0] })
    const steps = node.apply('unsqueeze', [node.apply('range', [node.number(0), all, node.number(1)])], {
      axes: [0],
    })
    const last = node.apply('sub', [lengths, node.number(1)])
    const from = node.apply('where', [
      node.apply('less', [steps, lengths]),
      node.apply('sub', [last, steps]),
      steps,
    ])
    const read = node.apply('gatherNd', [turned, node.apply('unsqueeze', [from], { axes: [2] })], {
      batchDims: 1,
    })
    node.define(read, node.dtype(x), rank)
    return time === 0 ? node.apply('transpose', [read], { permutation: exchange }) : read
  },
  /** Rows written into a cache from a place of their own in every example. */
  TensorScatter: node => {
    const [cache, update] = [node.input(0), node.input(1)]
    const rank = node.requireRank(cache)
    const given = node.attributes.integer('axis', -2)
    const axis = given < 0 ? given + rank : given
    if (axis <= 0 || axis >= rank) node.invalid(`axis is ${given}`)
    const mode = node.attributes.text('mode', 'linear', ['linear', 'circular'])
    const along = (size: Value) => node.apply('range', [node.number(0), size, node.number(1)])
    const length = node.apply('squeeze', [node.apply('shape', [update], { start: axis, end: axis + 1 })], {
      axes: [0],
    })
    const shapeWith = (at: number) =>
      node.graph.integers(Array.from({ length: rank }, (_, other) => (other === at ? -1 : 1)))
    const steps = node.apply('reshape', [along(length), shapeWith(axis)])
    const begins = node.has(2)
      ? node.apply('reshape', [node.cast(node.input(2), 'i64'), shapeWith(0)])
      : node.number(0)
    const capacity = node.apply('squeeze', [node.apply('shape', [cache], { start: axis, end: axis + 1 })], {
      axes: [0],
    })
    const at = node.apply('add', [begins, steps])
    const index = mode === 'circular' ? node.apply('mod', [at, capacity]) : at
    const whole = node.apply('expand', [index, node.apply('shape', [update])])
    return node.apply('scatterElements', [cache, whole, update], { axis })
  },
  /** What is taken from the middle, or put into the middle of zeros. */
  CenterCropPad: node => {
    const x = node.input(0)
    const wanted = node.cast(node.host(1), 'i64')
    const listed = node.attributes.integers('axes')
    const axes = node.graph.integers(listed ?? Array.from({ length: node.requireRank(x) }, (_, axis) => axis))
    const present = node.apply('gather', [node.apply('shape', [x]), axes], { axis: 0 })
    const [zero, two] = [node.number(0), node.number(2)]
    const more = (a: Value, b: Value) => node.apply('max', [node.apply('sub', [a, b]), zero])
    const starts = node.apply('div', [more(present, wanted), two])
    const ends = node.apply('add', [starts, node.apply('min', [present, wanted])])
    const cropped = node.apply('slice', [x, starts, ends, axes])
    const missing = more(wanted, present)
    const before = node.apply('div', [missing, two])
    const pads = joined(node, before, node.apply('sub', [missing, before]))
    return node.apply('pad', [cropped, pads, node.scalar(0, x), axes])
  },
  /** Sums columns of patches back into the picture that they would have been read from. */
  Col2Im: node => {
    const x = node.input(0)
    const [picture, block] = [node.cast(node.host(1), 'i64'), node.cast(node.host(2), 'i64')]
    const spatial =
      node.length(picture) ??
      node.attributes.integers('strides')?.length ??
      node.unsupported('a picture of unknown rank')
    const list = (name: string, count: number, usual: number) =>
      node.attributes.integers(name) ?? Array.from({ length: count }, () => usual)
    const [strides, dilations, pads] = [
      list('strides', spatial, 1),
      list('dilations', spatial, 1),
      list('pads', 2 * spatial, 0),
    ]
    if (strides.length !== spatial || dilations.length !== spatial || pads.length !== 2 * spatial)
      node.invalid('strides, dilations or pads have not one value an axis')
    const constants = (values: number[]) => node.graph.integers(values)
    const one = node.number(1)
    // How far a block reaches, and how many blocks there are along each axis.
    const reach = node.apply('mul', [node.apply('sub', [block, one]), constants(dilations)])
    const padded = node.apply('add', [
      picture,
      constants(pads.slice(0, spatial).map((before, axis) => before + pads[spatial + axis]!)),
    ])
    const room = node.apply('sub', [node.apply('sub', [padded, reach]), one])
    const counts = node.apply('add', [node.apply('div', [room, constants(strides)]), one])
    const taps = node.apply('prod', [block], { axes: [0], keepDims: 1 })
    const columns = node.apply('reshape', [x, joined(node, -1, taps, counts)])
    // Tap t of a block adds to place t alone: the kernels are the unit vectors.
    const numbers = node.apply('range', [node.number(0), node.apply('squeeze', [taps], { axes: [0] }), one])
    const identity = node.apply('equal', [
      node.apply('unsqueeze', [numbers], { axes: [0] }),
      node.apply('unsqueeze', [numbers], { axes: [1] }),
    ])
    const weights = node.apply('reshape', [
      node.cast(identity, node.dtype(x) ?? 'f32'),
      joined(node, taps, 1, block),
    ])
    const spread = node.apply('convTranspose', [columns, weights], { strides, dilations })
    // Pixels behind the last block get nothing.
    const covered = node.apply('shape', [spread], { start: 2 })
    const behind = node.apply('max', [node.apply('sub', [padded, covered]), node.number(0)])
    const none = Array.from({ length: spatial + 4 }, () => 0)
    const whole = node.apply('pad', [
      spread,
      joined(node, ...none.slice(0, 4 + spatial), behind),
      node.scalar(0, x),
    ])
    const begins = constants(pads.slice(0, spatial))
    const inner = node.apply('slice', [
      whole,
      begins,
      node.apply('add', [begins, picture]),
      constants(Array.from({ length: spatial }, (_, axis) => axis + 2)),
    ])
    const batch = node.apply('shape', [x], { start: 0, end: 1 })
    return node.define(
      node.apply('reshape', [inner, joined(node, batch, -1, picture)]),
      node.dtype(x),
      2 + spatial,
    )
  },
}
