import type { Value } from '../../../graph/builder.js'
import type { OnnxNode, OperatorTable } from '../node.js'

/** Labels of a term, its ellipsis spelt out as capital letters counted from the right. */
function labelsOf(node: OnnxNode, term: string, rank: number, most: number): string[] {
  const [before, after, more] = term.split('...')
  if (more !== undefined || /[^a-zA-Z]/.test(term.replace('...', ''))) node.invalid(`equation term "${term}"`)
  if (after === undefined) {
    if (before!.length !== rank)
      node.invalid(`the term "${term}" has ${before!.length} labels for rank ${rank}`)
    return [...before!]
  }
  const count = rank - before!.length - after.length
  if (count < 0 || count > most) node.invalid(`the term "${term}" has too many labels for rank ${rank}`)
  const hidden = Array.from({ length: count }, (_, at) => `.${count - at}`)
  return [...before!, ...hidden, ...after]
}

/** A term's tensor with every label once: elements of which a label's indices are equal. */
function diagonal(node: OnnxNode, x: Value, labels: readonly string[]): { value: Value; labels: string[] } {
  let value = x
  const left = [...labels]
  for (let at = 0; at < left.length; ++at) {
    const again = left.indexOf(left[at]!, at + 1)
    if (again < 0) continue
    // Elements off the diagonal become 0 and their axis is summed.
    const length = node.apply('shape', [value], { start: at, end: at + 1 })
    const numbers = (axis: number) => {
      const zero = node.graph.constant('i64', [], BigInt64Array.of(0n))
      const one = node.graph.constant('i64', [], BigInt64Array.of(1n))
      const range = node.apply('range', [zero, node.apply('squeeze', [length], { axes: [0] }), one])
      const others = left.map((_, k) => k).filter(k => k !== axis)
      return node.apply('unsqueeze', [range], { axes: others })
    }
    const equal = node.apply('equal', [numbers(at), numbers(again)])
    value = node.apply('sum', [node.apply('where', [equal, value, node.scalar(0, value)])], {
      axes: [again],
      keepDims: 0,
    })
    left.splice(again, 1)
    --at
  }
  return { value, labels: left }
}

/** In the order of `to`, labels that it lacks as axes of 1. */
function arranged(node: OnnxNode, term: { value: Value; labels: string[] }, to: readonly string[]): Value {
  const present = to.filter(label => term.labels.includes(label))
  const permutation = present.map(label => term.labels.indexOf(label))
  const ordered = permutation.every((from, at) => from === at)
    ? term.value
    : node.apply('transpose', [term.value], { permutation })
  const missing = to.flatMap((label, at) => (present.includes(label) ? [] : [at]))
  return missing.length === 0 ? ordered : node.apply('unsqueeze', [ordered], { axes: missing })
}

/**
 * Two terms at a time, as a matrix product: labels of both that are kept are its batch, labels of both that are not are
 * summed, the others its rows and columns.
 */
function contracted(
  node: OnnxNode,
  a: { value: Value; labels: string[] },
  b: { value: Value; labels: string[] },
  kept: ReadonlySet<string>,
): { value: Value; labels: string[] } {
  const shared = a.labels.filter(label => b.labels.includes(label))
  const batch = shared.filter(label => kept.has(label))
  const summed = shared.filter(label => !kept.has(label))
  const rows = a.labels.filter(label => !shared.includes(label))
  const columns = b.labels.filter(label => !shared.includes(label))
  const labels = [...batch, ...rows, ...columns]
  // A broadcast axis of 1 fits no product of flattened axes: numpy's elementwise rules do it.
  if (
    summed.length !== 1 ||
    rows.length > 1 ||
    columns.length > 1 ||
    shared.some(label => label.startsWith('.'))
  ) {
    const all = [...labels, ...summed]
    const product = node.apply('mul', [arranged(node, a, all), arranged(node, b, all)])
    if (summed.length === 0) return { value: product, labels }
    const axes = summed.map((_, at) => labels.length + at)
    return { value: node.apply('sum', [product], { axes, keepDims: 0 }), labels }
  }
  const left = arranged(node, a, [...batch, ...(rows.length > 0 ? rows : ['row']), ...summed])
  const right = arranged(node, b, [...batch, ...summed, ...(columns.length > 0 ? columns : ['column'])])
  const product = node.apply('matMul', [left, right])
  const extra = [
    ...(rows.length > 0 ? [] : [batch.length]),
    ...(columns.length > 0 ? [] : [batch.length + 1]),
  ]
  return { value: extra.length > 0 ? node.apply('squeeze', [product], { axes: extra }) : product, labels }
}

function einsum(node: OnnxNode): Value {
  const equation = node.attributes.text('equation', '').replaceAll(' ', '')
  const [left, right, more] = equation.split('->')
  const terms = left!.split(',')
  const operands = node.inputs()
  if (more !== undefined || terms.length !== operands.length)
    node.invalid(`the equation "${equation}" has ${terms.length} terms for ${operands.length} operands`)
  const ranks = operands.map(operand => node.requireRank(operand))
  const parsed = terms.map((term, at) => labelsOf(node, term, ranks[at]!, ranks[at]!))
  const counts = new Map<string, number>()
  for (const label of parsed.flat()) counts.set(label, (counts.get(label) ?? 0) + 1)
  const hidden = [...counts.keys()]
    .filter(label => label.startsWith('.'))
    .sort((a, b) => Number(b.slice(1)) - Number(a.slice(1)))
  // Without an arrow: the ellipsis, then labels that stand once, by the alphabet.
  const wanted =
    right === undefined
      ? [
          ...hidden,
          ...[...counts]
            .flatMap(([label, count]) => (count === 1 && !label.startsWith('.') ? [label] : []))
            .sort(),
        ]
      : right.includes('...')
        ? [...right.split('...')[0]!, ...hidden, ...right.split('...')[1]!]
        : [...right]
  if (wanted.some(label => !counts.has(label)) || new Set(wanted).size !== wanted.length)
    node.invalid(`the equation "${equation}" has a result that its terms do not give`)
  let pending = operands.map((operand, at) => diagonal(node, operand, parsed[at]!))
  while (pending.length > 1) {
    const [a, b, ...rest] = pending as [(typeof pending)[0], (typeof pending)[0], ...typeof pending]
    const kept = new Set([...wanted, ...rest.flatMap(term => term.labels)])
    pending = [contracted(node, a, b, kept), ...rest]
  }
  const [last] = pending as [(typeof pending)[0]]
  const extra = last.labels.flatMap((label, at) => (wanted.includes(label) ? [] : [at]))
  const reduced =
    extra.length === 0
      ? last
      : {
          value: node.apply('sum', [last.value], { axes: extra, keepDims: 0 }),
          labels: last.labels.filter(label => wanted.includes(label)),
        }
  return arranged(node, reduced, wanted)
}

export const einsums: OperatorTable = { Einsum: einsum }
