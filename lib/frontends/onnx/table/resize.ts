import type { Operand, Value } from '../../../graph/builder.js'
import type { OperationAttributes } from '../../../graph/operations.js'
import type { OnnxNode, OperatorTable } from '../node.js'

const coordinateModes = {
  half_pixel: 'halfPixel',
  half_pixel_symmetric: 'halfPixelSymmetric',
  pytorch_half_pixel: 'pytorchHalfPixel',
  align_corners: 'alignCorners',
  asymmetric: 'asymmetric',
  tf_crop_and_resize: 'cropAndResize',
} as const

const nearestModes = {
  round_prefer_floor: 'roundPreferFloor',
  round_prefer_ceil: 'roundPreferCeil',
  floor: 'floor',
  ceil: 'ceil',
} as const

type ResizeAttributes = OperationAttributes['resize']

/** Before operator set 11 there was one way: pixels keep their corner, and nearest rounds towards more pixels. */
function earlyResize(node: OnnxNode, scales: Value, known: readonly number[] | undefined): Value {
  // Upsample called it "bilinear" in some files.
  const mode = node.attributes.text('mode', 'nearest', ['nearest', 'linear', 'bilinear' as 'linear'])
  const attributes: ResizeAttributes = {
    mode: mode === 'nearest' ? 'nearest' : 'linear',
    coordinateMode: 'asymmetric',
  }
  if (mode !== 'nearest') return node.apply('resize', [node.input(0), scales], attributes)
  const grows = known === undefined ? node.source.operator === 'Upsample' : known.every(scale => scale >= 1)
  if (!grows && !known?.every(scale => scale <= 1)) node.unsupported('scales that grow and shrink')
  return node.apply('resize', [node.input(0), scales], {
    ...attributes,
    nearestMode: grows ? 'floor' : 'ceil',
  })
}

function numbers(node: OnnxNode, index: number): number[] | undefined {
  const known = node.known(index)
  return known && Array.from(known.data as ArrayLike<number | bigint>, Number)
}

/** `axes` counted from the front. */
function placesOf(node: OnnxNode, axes: readonly number[], rank: number): number[] {
  const places = axes.map(axis => (axis < 0 ? axis + rank : axis))
  const isWrong = places.some((axis, at) => axis < 0 || axis >= rank || places.indexOf(axis) !== at)
  return isWrong
    ? node.invalid(`axes are ${axes.join(', ')}, expected different ones of a tensor of rank ${rank}`)
    : places
}

/** `axes` (operator set 18) names the axes that scales or sizes are for; the others stay as they are. */
function overAllAxes(
  node: OnnxNode,
  x: Value,
  axes: readonly number[],
  given: Value,
  isSizes: boolean,
): Value {
  const rank = node.requireRank(x)
  const positions = placesOf(node, axes, rank)
  const parts: Operand[] = Array.from({ length: rank }, (_, axis) => {
    const at = positions.indexOf(axis)
    if (at >= 0) return node.apply('slice', [given, node.graph.integers([at]), node.graph.integers([at + 1])])
    if (!isSizes) return node.graph.constant('f32', [1], Float32Array.of(1))
    return node.apply('shape', [x], { start: axis, end: axis + 1 })
  })
  return node.apply('concat', parts, { axis: 0 })
}

/** Begins, then ends, of the region of interest on every axis; axes that are not named are taken whole. */
function regionOverAllAxes(node: OnnxNode, x: Value, axes: readonly number[] | undefined): Value {
  const region = node.cast(node.host(1), 'f32')
  if (axes === undefined) return region
  const rank = node.requireRank(x)
  const positions = placesOf(node, axes, rank)
  const bound = (first: number, usual: number) =>
    Array.from({ length: rank }, (_, axis) => {
      const at = positions.indexOf(axis)
      if (at < 0) return node.graph.constant('f32', [1], Float32Array.of(usual))
      return node.apply('slice', [
        region,
        node.graph.integers([first + at]),
        node.graph.integers([first + at + 1]),
      ])
    })
  return node.apply('concat', [...bound(0, 0), ...bound(axes.length, 1)], { axis: 0 })
}

/** Sizes as bounds: all axes are scaled alike, so far that none is larger, or smaller, than its bound. */
function keptAspect(
  node: OnnxNode,
  x: Value,
  bounds: Value,
  axes: readonly number[] | undefined,
  least: boolean,
): { sizes: Value; scales: Value } {
  const shape = node.apply('shape', [x])
  const chosen = axes ? node.apply('gather', [shape, node.graph.integers(axes)], { axis: 0 }) : shape
  const real = (value: Value) => node.cast(value, 'f64')
  const ratios = node.apply('div', [real(bounds), real(chosen)])
  const scale = node.apply(least ? 'reduceMin' : 'reduceMax', [ratios], { axes: [0], keepDims: 1 })
  const half = node.graph.constant('f64', [], Float64Array.of(0.5))
  const rounded = node.apply('floor', [node.apply('add', [node.apply('mul', [scale, real(chosen)]), half])])
  const scales = node.apply('expand', [node.cast(scale, 'f32'), node.apply('shape', [chosen])])
  return { sizes: node.cast(rounded, 'i64'), scales }
}

function resize(node: OnnxNode): Value {
  if (node.opset < 11) return earlyResize(node, node.host(1), numbers(node, 1))
  const x = node.input(0)
  const coordinates = node.attributes.text<string>('coordinate_transformation_mode', 'half_pixel')
  if (!(coordinates in coordinateModes)) node.unsupported(`coordinate mode ${coordinates}`)
  const policy = node.attributes.text('keep_aspect_ratio_policy', 'stretch')
  if (!['stretch', 'not_larger', 'not_smaller'].includes(policy))
    node.unsupported(`aspect ratio policy ${policy}`)
  const crops = coordinates === 'tf_crop_and_resize'
  const extrapolation = node.attributes.real('extrapolation_value', 0)
  const axes = node.attributes.integers('axes')
  const isSizes = !node.has(2) || node.known(2)?.data.length === 0
  const given = node.host(isSizes ? 3 : 2)
  const complete = (value: Value, areSizes: boolean) =>
    axes ? overAllAxes(node, x, axes, value, areSizes) : value
  const nearest = node.attributes.text(
    'nearest_mode',
    'round_prefer_floor',
    Object.keys(nearestModes) as (keyof typeof nearestModes)[],
  )
  const keepsAspect = isSizes && policy !== 'stretch'
  const kept = keepsAspect ? keptAspect(node, x, given, axes, policy === 'not_larger') : undefined
  const operands: Operand[] = kept
    ? [x, complete(kept.scales, false), complete(kept.sizes, true)]
    : isSizes
      ? [x, undefined, complete(given, true)]
      : [x, complete(given, false)]
  if (crops) operands[3] = regionOverAllAxes(node, x, axes)
  return node.apply('resize', Array.from(operands), {
    mode: node.attributes.text('mode', 'nearest', ['nearest', 'linear', 'cubic']),
    coordinateMode: coordinateModes[coordinates as keyof typeof coordinateModes],
    nearestMode: nearestModes[nearest],
    cubicCoefficient: node.attributes.real('cubic_coeff_a', -0.75),
    excludeOutside: node.attributes.integer('exclude_outside', 0) === 0 ? 0 : 1,
    antialias: node.attributes.integer('antialias', 0) === 0 ? 0 : 1,
    ...(crops ? { extrapolation } : {}),
  })
}

function upsample(node: OnnxNode): Value {
  if (node.opset >= 9) return earlyResize(node, node.host(1), numbers(node, 1))
  const scales = node.attributes.reals('scales') ?? node.invalid('scales is missing')
  return earlyResize(node, node.graph.constant('f32', [scales.length], Float32Array.from(scales)), scales)
}

export const resizing: OperatorTable = { Resize: resize, Upsample: upsample }
