import { AscribeError } from '../../errors.js'

/** Rules for the path integral of integrated gradients over t in [0, 1]. */
export const quadratureRules = [
  'gausslegendre',
  'riemann_left',
  'riemann_right',
  'riemann_middle',
  'riemann_trapezoid',
  'captum-trapezoid',
] as const

export type QuadratureRule = (typeof quadratureRules)[number]

export interface Quadrature {
  /** Path positions t_k in [0, 1]. */
  points: Float64Array
  /** Weights w_k; they sum to 1 but for captum-trapezoid. */
  weights: Float64Array
}

/** More Gauss-Legendre nodes would hold up the thread for seconds, and networks with kinks gain nothing by them. */
export const mostGaussLegendreSteps = 4096

/**
 * Nodes and weights on [0, 1]: roots of the Legendre polynomial by Newton's method from the Chebyshev estimate. The
 * roots are symmetric, so half of them are looked for.
 */
function gaussLegendre(n: number): Quadrature {
  const points = new Float64Array(n)
  const weights = new Float64Array(n)
  for (let k = 0; 2 * k < n; k++) {
    let x = 2 * k + 1 === n ? 0 : Math.cos((Math.PI * (k + 0.75)) / (n + 0.5))
    let slope = 1
    for (let step = 0; step < 100; step++) {
      let value = 1
      let previous = 0
      for (let degree = 1; degree <= n; degree++) {
        const next = ((2 * degree - 1) * x * value - (degree - 1) * previous) / degree
        previous = value
        value = next
      }
      slope = (n * (x * value - previous)) / (x * x - 1)
      const move = value / slope
      x -= move
      if (Math.abs(move) < 1e-15) break
    }
    points[n - 1 - k] = (1 + x) / 2
    points[k] = (1 - x) / 2
    weights[n - 1 - k] = weights[k] = 1 / ((1 - x * x) * slope * slope)
  }
  return { points, weights }
}

/**
 * Points and weights of a rule with `n` steps.
 *
 * `riemann_trapezoid` is the correct rule (weights sum to 1). `captum-trapezoid` reproduces a library whose weights
 * sum to (n-1)/n, so that even a linear function misses completeness; use it for parity only.
 *
 * @throws AscribeError OPTION_RANGE for n < 1, n < 2 for the trapezoids, n > 4096 for gausslegendre
 */
export function quadrature(rule: QuadratureRule, n: number): Quadrature {
  const trapezoid = rule === 'riemann_trapezoid' || rule === 'captum-trapezoid'
  if (!Number.isInteger(n) || n < (trapezoid ? 2 : 1))
    throw new AscribeError(
      'OPTION_RANGE',
      `Expected an integer of at least ${trapezoid ? 2 : 1} for steps with ${rule} but received ${n}`,
    )
  if (rule === 'gausslegendre' && n > mostGaussLegendreSteps)
    throw new AscribeError(
      'OPTION_RANGE',
      `Expected at most ${mostGaussLegendreSteps} for steps with gausslegendre but received ${n}`,
      {
        hint: 'riemann_middle has no such bound; for networks with kinks every rule converges like 1/steps.',
      },
    )
  if (rule === 'gausslegendre') return gaussLegendre(n)
  const points = Float64Array.from({ length: n }, (_, k) => {
    if (rule === 'riemann_left') return k / n
    if (rule === 'riemann_right') return (k + 1) / n
    if (rule === 'riemann_middle') return (k + 0.5) / n
    return k / (n - 1)
  })
  const weights = new Float64Array(n).fill(rule === 'riemann_trapezoid' ? 1 / (n - 1) : 1 / n)
  if (trapezoid) {
    weights[0] = (weights[0] as number) / 2
    weights[n - 1] = (weights[n - 1] as number) / 2
  }
  return { points, weights }
}
