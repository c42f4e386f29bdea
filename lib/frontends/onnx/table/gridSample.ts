import type { Value } from '../../../graph/builder.js'
import type { OnnxNode, OperatorTable } from '../node.js'
import { counted, dimension, flag, joined, lengthOf } from './parts.js'

type Padding = 'zeros' | 'border' | 'reflection'

/** One direction of the picture: how long it is, as a vector of one integer and as a real number. */
interface Extent {
  whole: Value
  real: Value
}

function extentOf(node: OnnxNode, x: Value, axis: number): Extent {
  const whole = dimension(node, x, axis)
  return { whole, real: node.cast(whole, node.dtype(x) ?? 'f32') }
}

/** From -1 … 1 to places of pixels. */
function toPixels(node: OnnxNode, at: Value, { real }: Extent, aligned: boolean): Value {
  const one = node.scalar(1, at)
  const shifted = node.apply('add', [at, one])
  const scaled = aligned
    ? node.apply('mul', [shifted, node.apply('sub', [real, one])])
    : node.apply('sub', [node.apply('mul', [shifted, real]), one])
  return node.apply('mul', [scaled, node.scalar(0.5, at)])
}

/** Mirrored at the first and last pixel, or at the edges around them, as often as needed. */
function reflected(node: OnnxNode, at: Value, { real }: Extent, aligned: boolean): Value {
  const one = node.scalar(1, at)
  const low = node.scalar(aligned ? 0 : -0.5, at)
  const span = aligned ? node.apply('sub', [real, one]) : real
  const away = node.apply('abs', [node.apply('sub', [at, low])])
  // One pixel mirrors to itself.
  const safe = node.apply('max', [span, node.scalar(1e-6, at)])
  const turns = node.apply('floor', [node.apply('div', [away, safe])])
  const rest = node.apply('sub', [away, node.apply('mul', [turns, safe])])
  const half = node.apply('mul', [turns, node.scalar(0.5, at)])
  const isEven = node.apply('equal', [node.apply('floor', [half]), half])
  const folded = node.apply('where', [isEven, rest, node.apply('sub', [safe, rest])])
  return node.apply('add', [folded, low])
}

const within = (node: OnnxNode, at: Value, { real }: Extent): Value =>
  node.apply('min', [
    node.apply('max', [at, node.scalar(0, at)]),
    node.apply('sub', [real, node.scalar(1, at)]),
  ])

/** Pictures with their pixels in a row, [N, C, P], how long they are in each direction, and what lies outside. */
interface Pixels {
  flat: Value
  channels: Value
  extents: readonly Extent[]
  padding: Padding
}

/** Pixels at whole coordinates [N, P] in each direction, as [N, C, P]. */
function pixelsAt(node: OnnxNode, { flat, channels, extents, padding }: Pixels, at: readonly Value[]): Value {
  const inside = at.map((one, axis) => within(node, one, extents[axis]!))
  const index = inside
    .map(one => node.cast(one, 'i64'))
    .reduce((whole, one, axis) => node.apply('add', [node.apply('mul', [whole, extents[axis]!.whole]), one]))
  const everyChannel = node.apply('expand', [
    node.apply('unsqueeze', [index], { axes: [1] }),
    joined(node, dimension(node, index, 0), channels, dimension(node, index, 1)),
  ])
  const pixels = node.apply('gatherElements', [flat, everyChannel], { axis: 2 })
  if (padding !== 'zeros') return pixels
  const isInside = at
    .map((one, axis) => node.apply('equal', [inside[axis]!, one]))
    .reduce((all, one) => node.apply('and', [all, one]))
  return node.apply('where', [
    node.apply('unsqueeze', [isInside], { axes: [1] }),
    pixels,
    node.scalar(0, pixels),
  ])
}

/** A place in one direction as neighbouring pixels, each with its weight. */
type Neighbours = readonly { at: Value; weight: Value }[]

function linearNeighbours(node: OnnxNode, place: Value): Neighbours {
  const one = node.scalar(1, place)
  const low = node.apply('floor', [place])
  const beyond = node.apply('sub', [place, low])
  return [
    { at: low, weight: node.apply('sub', [one, beyond]) },
    { at: node.apply('add', [low, one]), weight: beyond },
  ]
}

/** Keys' cubic convolution with a = -0.75. */
function cubicNeighbours(node: OnnxNode, place: Value, inPicture: (at: Value) => Value): Neighbours {
  const a = -0.75
  const low = node.apply('floor', [place])
  const beyond = node.apply('sub', [place, low])
  const number = (value: number) => node.scalar(value, place)
  const polynomial = (x: Value, [c3, c2, c1, c0]: readonly [number, number, number, number]) =>
    [c2, c1, c0].reduce((sum, c) => node.apply('add', [node.apply('mul', [sum, x]), number(c)]), number(c3))
  const near = [a + 2, -(a + 3), 0, 1] as const
  const far = [a, -5 * a, 8 * a, -4 * a] as const
  return [-1, 0, 1, 2].map(step => {
    const distance =
      step <= 0 ? node.apply('add', [beyond, number(-step)]) : node.apply('sub', [number(step), beyond])
    const at = node.apply('add', [low, number(step)])
    return { at: inPicture(at), weight: polynomial(distance, step === 0 || step === 1 ? near : far) }
  })
}

/** The sum over every choice of a neighbour in each direction. */
function blended(node: OnnxNode, pixels: Pixels, directions: readonly Neighbours[]): Value {
  const choices = directions.reduce<{ at: Value; weight: Value }[][]>(
    (all, neighbours) => all.flatMap(chosen => neighbours.map(one => [...chosen, one])),
    [[]],
  )
  return choices
    .map(chosen => {
      const weight = chosen.map(one => one.weight).reduce((a, b) => node.apply('mul', [a, b]))
      return node.apply('mul', [
        pixelsAt(
          node,
          pixels,
          chosen.map(one => one.at),
        ),
        node.apply('unsqueeze', [weight], { axes: [1] }),
      ])
    })
    .reduce((sum, one) => node.apply('add', [sum, one]))
}

const flattened = (node: OnnxNode, x: Value): Value =>
  node.apply('reshape', [x, node.graph.integers([0, 0, -1])])

function gridSample(node: OnnxNode): Value {
  const mode = node.attributes.text('mode', 'linear', ['linear', 'bilinear', 'nearest', 'cubic', 'bicubic'])
  const padding = node.attributes.text('padding_mode', 'zeros', ['zeros', 'border', 'reflection'])
  const aligned = flag(node, 'align_corners') === 1
  const [x, grid] = [node.input(0), node.input(1)]
  const spatial = node.requireRank(x) - 2
  if (spatial < 1 || spatial > 3) node.unsupported(`${spatial} spatial axes`)
  if (mode.endsWith('cubic') && spatial !== 2) node.unsupported('mode cubic for other than pictures')
  const extents = Array.from({ length: spatial }, (_, axis) => extentOf(node, x, axis + 2))
  const places = node.apply('reshape', [grid, node.graph.integers([0, -1, spatial])])
  const inPicture = (at: Value, extent: Extent) =>
    padding === 'zeros'
      ? at
      : within(node, padding === 'border' ? at : reflected(node, at, extent, aligned), extent)
  // The grid names the last axis first.
  const pixels = extents.map((extent, axis) =>
    toPixels(
      node,
      node.apply('gather', [places, node.number(spatial - 1 - axis)], { axis: 2 }),
      extent,
      aligned,
    ),
  )
  const source: Pixels = {
    flat: flattened(node, x),
    channels: dimension(node, x, 1),
    extents,
    padding: padding as Padding,
  }
  const sampled = mode.endsWith('cubic')
    ? blended(
        node,
        source,
        pixels.map((place, axis) => cubicNeighbours(node, place, at => inPicture(at, extents[axis]!))),
      )
    : mode === 'nearest'
      ? pixelsAt(
          node,
          source,
          pixels.map((place, axis) => node.apply('round', [inPicture(place, extents[axis]!)])),
        )
      : blended(
          node,
          source,
          pixels.map((place, axis) => linearNeighbours(node, inPicture(place, extents[axis]!))),
        )
  const size = node.apply('shape', [grid], { start: 1, end: 1 + spatial })
  const shape = joined(node, node.apply('shape', [x], { start: 0, end: 2 }), size)
  return node.define(node.apply('reshape', [sampled, shape]), node.dtype(x), 2 + spatial)
}

/** Where each pixel of the output is read, from one affine map for each example. */
function affineGrid(node: OnnxNode): Value {
  const theta = node.input(0)
  const aligned = flag(node, 'align_corners') === 1
  const size = node.cast(node.host(1), 'i64')
  const rank = node.length(size) ?? node.unsupported('a size of unknown rank')
  const spatial = rank - 2
  if (spatial !== 2 && spatial !== 3) node.unsupported(`${spatial} spatial axes`)
  const dtype = node.dtype(theta) ?? 'f32'
  const shape = node.apply('slice', [size, node.graph.integers([2]), node.graph.integers([rank])])
  const [one, two] = [node.scalar(1, theta), node.scalar(2, theta)]
  const coordinates = Array.from({ length: spatial }, (_, axis) => {
    const length = node.apply('gather', [size, node.number(axis + 2)], { axis: 0 })
    const at = node.cast(counted(node, length), dtype)
    const real = node.cast(length, dtype)
    // A single pixel lies at the first corner.
    const span = node.apply('max', [node.apply('sub', [real, one]), node.scalar(aligned ? 1 : 0, theta)])
    const part = aligned
      ? node.apply('div', [node.apply('mul', [at, two]), span])
      : node.apply('div', [node.apply('add', [node.apply('mul', [at, two]), one]), real])
    const line = node.apply('reshape', [
      node.apply('sub', [part, one]),
      node.graph.integers(Array.from({ length: spatial }, (_, other) => (other === axis ? -1 : 1))),
    ])
    return node.apply('unsqueeze', [node.apply('expand', [line, shape])], { axes: [spatial] })
  })
  const ones = node.apply('expand', [one, joined(node, shape, 1)])
  const grid = node.apply('concat', [...coordinates.reverse(), ones], { axis: spatial })
  const rows = node.apply('reshape', [grid, node.graph.integers([-1, spatial + 1])])
  const mapped = node.apply('matMul', [rows, theta], { transposeB: 1 })
  const result = node.apply('reshape', [mapped, joined(node, dimension(node, theta, 0), shape, spatial)])
  return node.define(result, dtype, rank)
}

/** Taps of a deformable kernel, whose places are constants of the graph. */
const mostTaps = 1 << 20

/** A convolution whose taps are read beside their places, between the pixels. */
function deformableConvolution(node: OnnxNode): Value {
  const [x, weights, offsets] = [node.input(0), node.input(1), node.input(2)]
  const kernel =
    node.attributes.integers('kernel_shape') ??
    node.tensorShape(1)?.slice(2) ??
    node.unsupported('a kernel of unknown size')
  if (node.requireRank(x) !== 4 || kernel.length !== 2) node.unsupported('other than pictures')
  const list = (name: string, usual: number[]) => node.attributes.integers(name) ?? usual
  const [strides, dilations] = [list('strides', [1, 1]), list('dilations', [1, 1])]
  const pads = list('pads', [0, 0, 0, 0])
  const isPositive = (size: number) => size > 0
  if (![...kernel, ...strides, ...dilations].every(isPositive) || kernel[0]! * kernel[1]! > mostTaps)
    node.invalid(
      `its kernel is ${kernel.join(' by ')}, strides ${strides.join(', ')}, dilations ${dilations.join(', ')}`,
    )
  if (strides.length !== 2 || dilations.length !== 2 || pads.length !== 4)
    node.invalid('strides, dilations or pads have not one value an axis')
  const groups = node.attributes.integer('group', 1)
  const offsetGroups = node.attributes.integer('offset_group', 1)
  if (groups <= 0 || offsetGroups <= 0) node.invalid('a group is not positive')
  const taps = kernel[0]! * kernel[1]!
  const extents = [extentOf(node, x, 2), extentOf(node, x, 3)]
  const area = [2, 3].map(axis => lengthOf(node, offsets, axis))
  const batch = dimension(node, x, 0)
  const many = node.apply('mul', [batch, node.graph.integers([offsetGroups])])
  const dtype = node.dtype(x) ?? 'f32'
  // [N · offset groups, taps, 2, output pixels]
  const apart = node.apply('reshape', [offsets, joined(node, many, taps, 2, -1)])
  const places = [0, 1].map(axis => {
    const offset = node.apply('gather', [apart, node.number(axis)], { axis: 2 })
    const tap = Float32Array.from({ length: taps }, (_, at) => {
      const place = axis === 0 ? Math.floor(at / kernel[1]!) : at % kernel[1]!
      return place * dilations[axis]! - pads[axis]!
    })
    const steps = node.apply('mul', [
      node.cast(counted(node, area[axis]!), dtype),
      node.scalar(strides[axis]!, x),
    ])
    const line = node.apply('unsqueeze', [steps], { axes: [axis === 0 ? 1 : 0] })
    const grid = node.apply('expand', [line, node.apply('shape', [offsets], { start: 2, end: 4 })])
    const begins = node.apply('add', [
      node.cast(node.graph.constant('f32', [taps, 1], tap), dtype),
      node.apply('reshape', [grid, node.graph.integers([1, -1])]),
    ])
    return node.apply('reshape', [node.apply('add', [offset, begins]), joined(node, many, -1)])
  })
  const flat = node.apply('reshape', [
    x,
    joined(node, many, -1, node.apply('mul', [extents[0]!.whole, extents[1]!.whole])),
  ])
  const source: Pixels = { flat, channels: dimension(node, flat, 1), extents, padding: 'zeros' }
  let sampled = blended(
    node,
    source,
    places.map(place => linearNeighbours(node, place)),
  )
  if (node.has(4))
    sampled = node.apply('mul', [sampled, node.apply('reshape', [node.input(4), joined(node, many, 1, -1)])])
  const pixels = node.apply('mul', [dimension(node, offsets, 2), dimension(node, offsets, 3)])
  const columns = node.apply('reshape', [sampled, joined(node, batch, groups, -1, pixels)])
  const rows = node.apply('reshape', [
    weights,
    joined(
      node,
      1,
      groups,
      node.apply('div', [dimension(node, weights, 0), node.graph.integers([groups])]),
      -1,
    ),
  ])
  const product = node.apply('reshape', [
    node.apply('matMul', [rows, columns]),
    joined(node, batch, -1, node.apply('shape', [offsets], { start: 2, end: 4 })),
  ])
  node.define(product, dtype, 4)
  return node.has(3)
    ? node.apply('add', [product, node.apply('unsqueeze', [node.input(3)], { axes: [1, 2] })])
    : product
}

export const sampling: OperatorTable = {
  GridSample: gridSample,
  AffineGrid: affineGrid,
  DeformConv: deformableConvolution,
}
