import type { Operand, Value } from '../../../graph/builder.js'
import type { OperationAttributes } from '../../../graph/operations.js'
import type { OnnxNode, OperatorTable } from '../node.js'

const coordinateModes = {
  half_pixel: 'halfPixel',
  half_pixel_symmetric: 'halfPixelSymmetric',
  pytorch_half_pixel: 'pytorchHalfPixel',
  align_corners: 'alignCorners',
  asymmetric: 'asymmetric',
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

/** `axes` (operator set 18) names the axes that scales or sizes are for; the others stay as they are. */
function overAllAxes(
  node: OnnxNode,
  x: Value,
  axes: readonly number[],
  given: Value,
  isSizes: boolean,
): Value {
  const rank = node.requireRank(x)
  const positions = axes.map(axis => (axis < 0 ? axis + rank : axis))
  const parts: Operand[] = Array.from({ length: rank }, (_, axis) => {
    const at = positions.indexOf(axis)
    if (at >= 0) return node.apply('slice', [given, node.graph.integers([at]), node.graph.integers([at + 1])])
    if (!isSizes) return node.graph.constant('f32', [1], Float32Array.of(1))
    return node.apply('shape', [x], { start: axis, end: axis + 1 })
  })
  return node.apply('concat', parts, { axis: 0 })
}

function resize(node: OnnxNode): Value {
  if (node.opset < 11) return earlyResize(node, node.host(1), numbers(node, 1))
  const x = node.input(0)
  const coordinates = node.attributes.text<string>('coordinate_transformation_mode', 'half_pixel')
  if (!(coordinates in coordinateModes)) node.unsupported(`coordinate mode ${coordinates}`)
  const policy = node.attributes.text('keep_aspect_ratio_policy', 'stretch')
  if (policy !== 'stretch') node.unsupported(`aspect ratio policy ${policy}`)
  // Read in tf_crop_and_resize alone, as the region of interest is.
  node.attributes.ignore('extrapolation_value')
  const axes = node.attributes.integers('axes')
  const isSizes = !node.has(2) || node.known(2)?.data.length === 0
  const given = node.host(isSizes ? 3 : 2)
  const complete = axes ? overAllAxes(node, x, axes, given, isSizes) : given
  const nearest = node.attributes.text(
    'nearest_mode',
    'round_prefer_floor',
    Object.keys(nearestModes) as (keyof typeof nearestModes)[],
  )
  return node.apply('resize', isSizes ? [x, undefined, complete] : [x, complete], {
    mode: node.attributes.text('mode', 'nearest', ['nearest', 'linear', 'cubic']),
    coordinateMode: coordinateModes[coordinates as keyof typeof coordinateModes],
    nearestMode: nearestModes[nearest],
    cubicCoefficient: node.attributes.real('cubic_coeff_a', -0.75),
    excludeOutside: node.attributes.integer('exclude_outside', 0) === 0 ? 0 : 1,
    antialias: node.attributes.integer('antialias', 0) === 0 ? 0 : 1,
  })
}

function upsample(node: OnnxNode): Value {
  if (node.opset >= 9) return earlyResize(node, node.host(1), numbers(node, 1))
  const scales = node.attributes.reals('scales') ?? node.invalid('scales is missing')
  return earlyResize(node, node.graph.constant('f32', [scales.length], Float32Array.from(scales)), scales)
}

export const resizing: OperatorTable = { Resize: resize, Upsample: upsample }
