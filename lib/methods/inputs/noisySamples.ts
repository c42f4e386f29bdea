import type { Value } from '../../graph/builder.js'
import type { ExplainedParts, Pass } from './pass.js'
import type { Recipe } from './recipe.js'
import { column } from './straightPath.js'

const elementsOf = ({ explained: { names, tensors } }: Pick<ExplainedParts, 'explained'>): number[] =>
  names.map(name => tensors[name]!.data.length)

/** What a sample's gradient [1, N, …] becomes before it is summed. */
function scoreOf({ quantity, statistic }: Recipe) {
  return ({ builder, seen }: ExplainedParts, gradient: Value, at: number): Value => {
    const score =
      quantity === 'absolute'
        ? builder.apply('abs', [gradient])
        : quantity === 'inputTimesGradient'
          ? builder.apply('mul', [gradient, seen[at]!])
          : gradient
    return statistic === 'meanSquare' ? builder.apply('mul', [score, score]) : score
  }
}

/** The pass of noisy samples that the plan draws itself: the number of a row is its weight, 1, or 0 at the input. */
function noisyPass(recipe: Recipe): Pass {
  const score = scoreOf(recipe)
  return {
    name: `noisy samples, ${recipe.quantity}, ${recipe.statistic}`,
    isShared: true,
    drawsNoise: true,
    positions: { values: Float64Array.of(1), atInput: [0] },
    seen: parts => {
      let first = 0
      const elements = elementsOf(parts)
      return parts.values.map((value, at) => {
        const noisy = parts.builder.apply('addNoise', [value, parts.noise!], { column: 2 + at, first })
        first += elements[at]!
        return noisy
      })
    },
    // A gradient that starts from 0 is 0, and so is all that is made of it here.
    outputs: parts =>
      parts
        .weightedGradients(parts.seen, column(parts, 0), (gradient, at) => score(parts, gradient, at))
        .map((value, at) => ({ name: parts.explained.names[at]!, value })),
  }
}

/** A pass holds samples of one example, so that fewer would leave kernels idle where examples are explained side by side. */
const fewestSamples = 4

/**
 * The recipe with its samples drawn and summed in the plan, which is what a GPU wants: the host would send each sample, get
 * back each gradient, and add them up in between.
 *
 * @returns undefined for a recipe with no noise around the input itself, of too few samples, or of which more than a mean is
 *   wanted: a variance is summed in double.
 */
export function noisySamples(recipe: Recipe): Recipe | undefined {
  const { quantity, points, weights, samples, statistic, noise, rules, pass, draws, walk, precision } = recipe
  const isPlain = [rules, pass, draws, walk, precision].every(each => each === undefined)
  if (noise === undefined || !isPlain || samples < fewestSamples) return undefined
  if (points.length !== 1 || points[0] !== 1 || weights[0] !== 1) return undefined
  if (!['gradient', 'absolute', 'inputTimesGradient'].includes(quantity)) return undefined
  if (statistic !== 'mean' && statistic !== 'meanSquare') return undefined
  return { ...recipe, quantity: 'gradient', statistic: 'mean', pass: noisyPass(recipe) }
}
