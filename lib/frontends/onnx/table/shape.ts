import type { Operand, Value } from '../../../graph/builder.js'
import type { OnnxNode, OperatorTable } from '../node.js'

/** A list that moved from an attribute to an operand with operator set `since`. */
function axesOf(node: OnnxNode, since: number): number[] | undefined {
  return node.opset >= since ? node.integers(1, 'axes') : node.attributes.integers('axes')
}

/** Axes that follow from shapes or are an input: they are settled when a plan is compiled. */
const areComputed = (node: OnnxNode): boolean =>
  node.opset >= 13 && node.has(1) && node.known(1) === undefined

/** Operands up to the last one given. */
function trimmed(operands: Operand[]): Operand[] {
  return operands.slice(0, operands.findLastIndex(operand => operand !== undefined) + 1)
}

function slice(node: OnnxNode): Value {
  const x = node.input(0)
  if (node.opset >= 10)
    return node.apply(
      'slice',
      trimmed([x, node.host(1), node.host(2), node.optionalHost(3), node.optionalHost(4)]),
    )
  const list = (name: string) => node.attributes.bigints(name) ?? node.invalid(`${name} is missing`)
  const axes = node.attributes.integers('axes')
  const operands = [x, node.graph.integers(list('starts')), node.graph.integers(list('ends'))]
  return node.apply('slice', axes ? [...operands, node.graph.integers(axes)] : operands)
}

function pad(node: OnnxNode): Value {
  const mode = node.attributes.text('mode', 'constant', ['constant', 'reflect', 'edge', 'wrap'])
  const x = node.input(0)
  if (node.opset >= 11)
    return node.apply('pad', trimmed([x, node.host(1), node.optional(2), node.optionalHost(3)]), { mode })
  const pads =
    node.attributes.integers('pads') ??
    node.attributes.integers('paddings') ??
    node.invalid('pads is missing')
  const value = node.attributes.real('value', 0)
  return node.apply('pad', [x, node.graph.integers(pads), ...(value === 0 ? [] : [node.scalar(value, x)])], {
    mode,
  })
}

/** Parts whose sizes follow from shapes. */
function splitByOperand(node: OnnxNode, x: Value, axis: number): Value[] {
  const sizes = node.host(1)
  const ends = node.apply('cumSum', [sizes], { axis: 0 })
  const starts = node.apply('sub', [ends, sizes])
  const at = (bounds: Value, part: number) =>
    node.apply('slice', [bounds, ...[part, part + 1, 0].map(value => node.graph.integers([value]))])
  return Array.from({ length: node.outputCount }, (_, part) =>
    node.apply('slice', [x, at(starts, part), at(ends, part), node.graph.integers([axis])]),
  )
}

/** Parts of given sizes, or equal ones; equal parts are worked out when the sizes are known. */
function split(node: OnnxNode): Value[] {
  const x = node.input(0)
  const axis = node.attributes.integer('axis', 0)
  const isComputed = node.opset >= 13 && node.has(1) && node.known(1) === undefined
  if (isComputed) return splitByOperand(node, x, axis)
  const sizes = node.opset >= 13 ? node.integers(1, 'split') : node.attributes.integers('split')
  const parts = node.attributes.integer('num_outputs', node.outputCount)
  if (parts !== node.outputCount)
    node.invalid(`num_outputs is ${parts}, but it has ${node.outputCount} outputs`)
  const axes = node.graph.integers([axis])
  if (sizes) {
    if (sizes.length < node.outputCount)
      node.invalid(`it has ${node.outputCount} outputs and ${sizes.length} sizes`)
    let end = 0
    return sizes.map(size => {
      const start = end
      end += size
      return node.apply('slice', [x, node.graph.integers([start]), node.graph.integers([end]), axes])
    })
  }
  // ceil(length / parts): with num_outputs the last part may be smaller, and a slice stops at the end by itself.
  const length = node.apply('shape', [x], axis === -1 ? { start: -1 } : { start: axis, end: axis + 1 })
  const size = node.apply('div', [
    node.apply('add', [length, node.graph.integers([parts - 1])]),
    node.graph.integers([parts]),
  ])
  const bounds = Array.from({ length: node.outputCount + 1 }, (_, index) =>
    node.apply('mul', [size, node.graph.integers([index])]),
  )
  return Array.from({ length: node.outputCount }, (_, index) =>
    node.apply('slice', [x, bounds[index], bounds[index + 1], axes]),
  )
}

export const shape: OperatorTable = {
  Shape: node => {
    const start = node.attributes.integer('start', 0)
    const end = node.attributes.has('end') ? node.attributes.integer('end', 0) : undefined
    return node.apply('shape', [node.input(0)], {
      ...(start === 0 ? {} : { start }),
      ...(end === undefined ? {} : { end }),
    })
  },
  Size: node => node.apply('size', [node.input(0)]),
  Reshape: node =>
    node.apply('reshape', [node.input(0), node.host(1)], {
      allowZero: node.attributes.integer('allowzero', 0) === 0 ? 0 : 1,
    }),
  Flatten: node => node.apply('flatten', [node.input(0)], { axis: node.attributes.integer('axis', 1) }),
  Squeeze: node => {
    if (areComputed(node)) return node.apply('squeeze', [node.input(0), node.host(1)])
    const axes = axesOf(node, 13)
    return node.apply('squeeze', [node.input(0)], axes ? { axes } : {})
  },
  Unsqueeze: node => {
    if (areComputed(node)) return node.apply('unsqueeze', [node.input(0), node.host(1)])
    return node.apply('unsqueeze', [node.input(0)], {
      axes: axesOf(node, 13) ?? node.invalid('axes is missing'),
    })
  },
  Transpose: node => {
    const permutation = node.attributes.integers('perm')
    return node.apply('transpose', [node.input(0)], permutation ? { permutation } : {})
  },
  Concat: node => {
    if (!node.attributes.has('axis')) node.invalid('axis is missing')
    return node.apply('concat', node.inputs(), { axis: node.attributes.integer('axis', 0) })
  },
  Split: split,
  Slice: slice,
  Expand: node => node.apply('expand', [node.input(0), node.host(1)]),
  Tile: node => node.apply('tile', [node.input(0), node.host(1)]),
  Pad: pad,
  DepthToSpace: node =>
    node.apply('depthToSpace', [node.input(0)], {
      blockSize: node.attributes.integer('blocksize', 0),
      mode: node.attributes.text('mode', 'DCR', ['DCR', 'CRD']),
    }),
  SpaceToDepth: node =>
    node.apply('spaceToDepth', [node.input(0)], {
      blockSize: node.attributes.integer('blocksize', 0),
      mode: node.attributes.text('mode', 'DCR', ['DCR', 'CRD']),
    }),
}
