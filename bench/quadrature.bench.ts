/**
 * How fast do integrated gradients become complete? On real photographs, for the class each model sees: the error of
 * completeness |delta| / |f(x) - f(x')| over the number of steps, where the output changes by at least one logit.
 *
 * The default rule on every model, the other rules on one. The whole takes about a quarter of an hour.
 *
 *   node build/ts/bench/quadrature.bench.js [--quick] [--only NAME]
 */
import { IntegratedGradients, type QuadratureRule, quadratureRules } from '#lib/index.js'
import { printTable, quick } from './harness.js'
import { realModels } from './realModels.js'

const steps = quick ? [25, 50] : [25, 50, 100, 200]
const otherRules: readonly QuadratureRule[] = quick
  ? ['riemann_middle']
  : quadratureRules.filter(rule => rule !== 'captum-trapezoid' && rule !== 'gausslegendre')

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return Number.isInteger(middle)
    ? (sorted[middle - 1]! + sorted[middle]!) / 2
    : (sorted[Math.floor(middle)] ?? Number.NaN)
}

const rows: string[][] = []
for await (const { name, model, examples } of realModels(quick)) {
  if (model.inputs[0]!.shape!.length !== 4 || model.outputs.length > 1) continue
  const rules = rows.length === 0 ? ['gausslegendre' as const, ...otherRules] : ['gausslegendre' as const]
  for (const rule of rules) {
    const medians: number[] = []
    let used = 0
    for (const count of steps) {
      const errors: number[] = []
      for (const { inputs } of examples) {
        const { checks } = await new IntegratedGradients(model, { rule, steps: count }).attribute(inputs)
        const { delta, difference } = checks.completeness![0]!
        if (Math.abs(difference) >= 1) errors.push(Math.abs(delta / difference))
      }
      used = errors.length
      medians.push(median(errors))
    }
    const perDoubling = (medians[0]! / medians.at(-1)!) ** (1 / (steps.length - 1))
    rows.push([
      name,
      rule,
      String(used),
      ...medians.map(value => `${(100 * value).toFixed(3)} %`),
      perDoubling.toFixed(2),
    ])
  }
  model.dispose()
}
console.log('median |delta| / |change of the logit|, and by how much it shrinks per doubling of the steps')
printTable(['model', 'rule', 'inputs', ...steps.map(count => `${count} steps`), 'per doubling'], rows)
