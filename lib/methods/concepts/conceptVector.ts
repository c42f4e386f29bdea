import { AscribeError } from '../../errors.js'
import { shuffledOrder } from './shuffledOrder.js'

export interface ConceptVector {
  /** Points from the counterpart to the concept. */
  vector: Float64Array
  /** On the examples that were held out; on all where none were. */
  accuracy: number
}

const mostSteps = 100

/** Solves A x = b for a symmetric positive definite A, in place, by Cholesky's factors. */
function solve(a: Float64Array[], b: Float64Array): Float64Array {
  const size = b.length
  for (let j = 0; j < size; j++)
    for (let i = j; i < size; i++) {
      let sum = a[i]![j]!
      for (let k = 0; k < j; k++) sum -= a[i]![k]! * a[j]![k]!
      a[i]![j] = i === j ? Math.sqrt(sum) : sum / a[j]![j]!
    }
  const x = b.slice()
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < i; k++) x[i] = x[i]! - a[i]![k]! * x[k]!
    x[i] = x[i]! / a[i]![i]!
  }
  for (let i = size - 1; i >= 0; i--) {
    for (let k = i + 1; k < size; k++) x[i] = x[i]! - a[k]![i]! * x[k]!
    x[i] = x[i]! / a[i]![i]!
  }
  return x
}

/**
 * Weights of the logistic regression that tells a concept's examples from others: the mean loss and half the ridge times
 * the squared length at their least. Examples are far fewer than features, so that weights are a sum of examples, over
 * which Newton's method runs.
 */
export function conceptVector(
  concept: readonly Float64Array[],
  others: readonly Float64Array[],
  { testShare, ridge, seed }: { testShare: number; ridge: number; seed: number },
): ConceptVector {
  const part = (examples: readonly Float64Array[]) => {
    const order = shuffledOrder(examples.length, seed)
    const held = Math.min(Math.floor(testShare * examples.length), examples.length - 1)
    return {
      fitted: order.slice(held).map(at => examples[at]!),
      held: order.slice(0, held).map(at => examples[at]!),
    }
  }
  const [a, b] = [part(concept), part(others)]
  const rows = [...a.fitted, ...b.fitted]
  const labels = rows.map((_, at) => (at < a.fitted.length ? 1 : 0))
  const features = rows[0]!.length
  if (rows.some(row => row.length !== features))
    throw new AscribeError('INPUT_SHAPE', 'The layer has different sizes for different examples of a concept')
  const centre = new Float64Array(features)
  for (const row of rows) for (let i = 0; i < features; i++) centre[i] = centre[i]! + row[i]! / rows.length
  const centred = rows.map(row => row.map((value, i) => value - centre[i]!))
  const dot = (x: Float64Array, y: Float64Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0)
  // One row more of ones: the intercept, whose length counts like the others'.
  const gram = centred.map(x => Float64Array.from(centred, y => dot(x, y) + 1))
  const count = rows.length
  let sums = new Float64Array(count)
  let scores = new Float64Array(count)
  for (let step = 0; step < mostSteps; step++) {
    const chances = scores.map(score => 1 / (1 + Math.exp(-score)))
    const curvature = chances.map(chance => Math.max(chance * (1 - chance), 1e-12) / count)
    // Newton on the scores K c: (W K + ridge) c = W K c - (p - y) / n, made symmetric by the root of W.
    const root = curvature.map(Math.sqrt)
    const wanted = scores.map((score, i) => score - (chances[i]! - labels[i]!) / count / curvature[i]!)
    const matrix = gram.map((row, i) =>
      row.map((value, j) => root[i]! * value * root[j]! + (i === j ? ridge : 0)),
    )
    const found = solve(
      matrix,
      wanted.map((value, i) => root[i]! * value),
    )
    const next = found.map((value, i) => value * root[i]!)
    const moved = next.reduce((most, value, i) => Math.max(most, Math.abs(value - sums[i]!)), 0)
    sums = next
    scores = Float64Array.from(gram, row => dot(row, sums))
    if (moved < 1e-12) break
  }
  const vector = new Float64Array(features)
  for (const [at, row] of centred.entries())
    for (let i = 0; i < features; i++) vector[i] = vector[i]! + sums[at]! * row[i]!
  const intercept = sums.reduce((sum, value) => sum + value, 0)
  const isConcept = (row: Float64Array) =>
    dot(
      vector,
      row.map((value, i) => value - centre[i]!),
    ) +
      intercept >
    0
  const judged = a.held.length + b.held.length > 0 ? [a.held, b.held] : [a.fitted, b.fitted]
  const right = judged[0]!.filter(isConcept).length + judged[1]!.filter(row => !isConcept(row)).length
  return { vector, accuracy: right / (judged[0]!.length + judged[1]!.length) }
}
