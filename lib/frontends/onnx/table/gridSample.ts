import type { Value } from '../../../graph/builder.js'
import type { OnnxNode, OperatorTable } from '../node.js'

/** One direction of the picture: how long it is, as a vector of one integer and as a real number. */
interface Extent {
  whole: Value
  real: Value
}

function extentOf(node: OnnxNode, x: Value, axis: number): Extent {
  const whole = node.apply('shape', [x], { start: axis, end: axis + 1 })
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

function gridSample(node: OnnxNode): Value {
  const mode = node.attributes.text('mode', 'linear', ['linear', 'bilinear', 'nearest', 'cubic', 'bicubic'])
  const padding = node.attributes.text('padding_mode', 'zeros', ['zeros', 'border', 'reflection'])
  const aligned = node.attributes.integer('align_corners', 0) !== 0
  const [x, grid] = [node.input(0), node.input(1)]
  if (mode.endsWith('cubic')) node.unsupported('mode cubic')
  if (node.requireRank(x) !== 4) node.unsupported('other than pictures')
  const [height, width] = [extentOf(node, x, 2), extentOf(node, x, 3)]
  const places = node.apply('reshape', [grid, node.graph.integers([0, -1, 2])])
  const coordinate = (index: number, extent: Extent): Value => {
    const number = node.graph.constant('i64', [], BigInt64Array.of(BigInt(index)))
    const pixels = toPixels(node, node.apply('gather', [places, number], { axis: 2 }), extent, aligned)
    if (padding === 'zeros') return pixels
    return within(node, padding === 'border' ? pixels : reflected(node, pixels, extent, aligned), extent)
  }
  const [across, down] = [coordinate(0, width), coordinate(1, height)]
  const flat = node.apply('reshape', [x, node.graph.integers([0, 0, -1])])
  const channels = node.apply('shape', [x], { start: 1, end: 2 })

  /** Pixels at whole coordinates [N, P], as [N, C, P]; 0 outside of the picture. */
  const pixelsAt = (column: Value, row: Value): Value => {
    const [c, r] = [within(node, column, width), within(node, row, height)]
    const index = node.apply('add', [
      node.apply('mul', [node.cast(r, 'i64'), width.whole]),
      node.cast(c, 'i64'),
    ])
    const shape = node.apply('shape', [index])
    const ends = (from: number) =>
      node.apply('slice', [shape, ...[from, from + 1, 0].map(value => node.graph.integers([value]))])
    const everyChannel = node.apply('expand', [
      node.apply('unsqueeze', [index], { axes: [1] }),
      node.apply('concat', [ends(0), channels, ends(1)], { axis: 0 }),
    ])
    const pixels = node.apply('gatherElements', [flat, everyChannel], { axis: 2 })
    if (padding !== 'zeros') return pixels
    const inside = node.apply('and', [node.apply('equal', [c, column]), node.apply('equal', [r, row])])
    return node.apply('where', [
      node.apply('unsqueeze', [inside], { axes: [1] }),
      pixels,
      node.scalar(0, pixels),
    ])
  }

  const sampled =
    mode === 'nearest' ? pixelsAt(node.apply('round', [across]), node.apply('round', [down])) : blended()

  function blended(): Value {
    const one = node.scalar(1, across)
    const [left, top] = [node.apply('floor', [across]), node.apply('floor', [down])]
    const [right, bottom] = [node.apply('add', [left, one]), node.apply('add', [top, one])]
    const [east, south] = [node.apply('sub', [across, left]), node.apply('sub', [down, top])]
    const [west, north] = [node.apply('sub', [one, east]), node.apply('sub', [one, south])]
    const corner = (column: Value, row: Value, a: Value, b: Value) =>
      node.apply('mul', [
        pixelsAt(column, row),
        node.apply('unsqueeze', [node.apply('mul', [a, b])], { axes: [1] }),
      ])
    return [
      corner(left, top, west, north),
      corner(right, top, east, north),
      corner(left, bottom, west, south),
      corner(right, bottom, east, south),
    ].reduce((sum, each) => node.apply('add', [sum, each]))
  }

  const size = node.apply('shape', [grid], { start: 1, end: 3 })
  return node.apply('reshape', [
    sampled,
    node.apply('concat', [node.apply('shape', [x], { start: 0, end: 2 }), size], { axis: 0 }),
  ])
}

export const sampling: OperatorTable = { GridSample: gridSample }
