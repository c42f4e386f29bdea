import type { Value } from '../../graph/builder.js'
import type { Model } from '../../model/model.js'
import type { Example } from './gradientResult.js'
import type { Pass, PassParts } from './pass.js'
import type { Recipe } from './recipe.js'

/** One number of each row, [N]. */
export const column = ({ builder, position }: PassParts, at: number): Value =>
  builder.apply('squeeze', [builder.apply('gather', [position!, builder.integers([at])], { axis: 1 })], {
    axes: [1],
  })

/** The pass of a straight path that the plan makes itself: numbers of a row are where it stands and what it weighs. */
function straightPass({ points, weights }: Recipe): Pass {
  const values = new Float64Array(2 * points.length)
  for (const [at, point] of points.entries()) values.set([point, weights[at]!], 2 * at)
  return {
    name: 'straight path',
    isShared: true,
    readsBaselines: true,
    positions: { values, atInput: [1, 0], atBaseline: [0, 0] },
    seen: parts => {
      const place = column(parts, 0)
      return parts.values.map((value, at) =>
        parts.builder.apply('interpolate', [parts.baselines[at]!, value, place]),
      )
    },
    outputs: parts =>
      parts
        .weightedGradients(parts.seen, column(parts, 1))
        .map((value, at) => ({ name: parts.explained.names[at]!, value })),
  }
}

/** A pass holds points of one example, so that fewer would leave kernels idle where examples are explained side by side. */
const fewestPoints = 4

/**
 * The recipe with its path made in the plan, from rows that are there once. The compiler then computes layers that are
 * affine in the input at both ends of the path only, and takes the gradient through them of the sum over a pass, instead of
 * at each point (pass `share-linear-layers`).
 *
 * @returns undefined for a recipe that is no straight path, of which the integral alone is wanted, or of too few points.
 */
export function straightPath(recipe: Recipe): Recipe | undefined {
  const { quantity, points, samples, statistic, noise, rules, pass, draws, walk, precision } = recipe
  const isPlain = [noise, rules, pass, draws, walk, precision].every(each => each === undefined)
  if (!isPlain || quantity !== 'integrated' || samples !== 1 || statistic !== 'mean') return undefined
  if (points.length < fewestPoints) return undefined
  return { ...recipe, pass: straightPass(recipe) }
}

/** Kernels that make points of a path inside a plan compute in single precision. */
export function takesStraightPath(model: Model, { explained }: Example): boolean {
  const { names, tensors, areLayers } = explained
  return names.every(
    name =>
      tensors[name]!.dtype === 'f32' &&
      (areLayers || model.inputs.find(input => input.name === name)?.dtype === 'f32'),
  )
}
