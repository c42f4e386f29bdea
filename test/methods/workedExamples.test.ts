import test, { type ExecutionContext } from 'ava'
import {
  type Attribution,
  Deconvolution,
  type GradientMethod,
  GuidedBackprop,
  InputXGradient,
  IntegratedGradients,
  type QuadratureRule,
  Saliency,
  Target,
  type Tensor,
} from '#lib/index.js'
import { exampleA, exampleB, inputA, inputB } from '../oracles/workedModels.js'

const target = Target.regression()

function close(t: ExecutionContext, attribution: Attribution, expected: number[], tolerance: number): void {
  const scores = [...attribution.scores().data]
  t.is(scores.length, expected.length)
  for (const [index, value] of expected.entries())
    t.true(
      Math.abs(scores[index]! - value) <= tolerance,
      `score ${index} is ${scores[index]}, expected ${value}`,
    )
}

type Expectation = [string, GradientMethod, number[]]

async function holds(t: ExecutionContext, input: Tensor, expectations: Expectation[]): Promise<void> {
  for (const [name, method, expected] of expectations) {
    t.log(name)
    close(t, await method.attribute(input, { target }), expected, 5e-7)
  }
}

test('example A: gradients, and every quadrature of integrated gradients to the printed digits', async t => {
  const model = await exampleA()
  const ig = (rule: QuadratureRule, steps = 50) => new IntegratedGradients(model, { rule, steps })
  await holds(t, inputA(), [
    ['gradient', new Saliency(model, { absolute: false }), [1.5, 1.5, -1.5]],
    ['saliency', new Saliency(model), [1.5, 1.5, 1.5]],
    ['guided', new GuidedBackprop(model), [1.5, 1.5, -1.5]],
    ['deconvolution', new Deconvolution(model), [2.5, -0.5, -1]],
    ['input times gradient', new InputXGradient(model), [1.5, 0.75, 0.75]],
    ['GL-50', ig('gausslegendre'), [1.65721571, 0.21778429, 0.77319607]],
    ['GL-8', ig('gausslegendre', 8), [1.56865811, 0.30634189, 0.79533547]],
    ['left-50', ig('riemann_left'), [1.64, 0.22, 0.78]],
    ['right-50', ig('riemann_right'), [1.63, 0.245, 0.78]],
    ['middle-50', ig('riemann_middle'), [1.65, 0.225, 0.775]],
    ['captum trapezoid-50', ig('captum-trapezoid'), [1.615, 0.2225, 0.76]],
    ['correct trapezoid-50', ig('riemann_trapezoid'), [1.64795918, 0.22704082, 0.7755102]],
  ])
})

test('example A: the completeness delta is the printed one', async t => {
  const attribution = await new IntegratedGradients(await exampleA()).attribute(inputA(), { target })
  const { delta, difference } = attribution.checks.completeness![0]!
  t.true(Math.abs(difference - (3.6 - 0.95)) < 1e-6)
  t.true(Math.abs(delta - -0.00180393) < 5e-7)
  t.true(Math.abs((attribution.targets[0]!.value as number) - 3.6) < 1e-6)
})

test('example B: two hidden layers', async t => {
  const model = await exampleB()
  await holds(t, inputB(), [
    ['gradient', new Saliency(model, { absolute: false }), [-4, -2]],
    ['guided', new GuidedBackprop(model), [0, 0]],
    ['deconvolution', new Deconvolution(model), [0.5, -0.75]],
    ['input times gradient', new InputXGradient(model), [-4, -4]],
    ['GL-50', new IntegratedGradients(model), [-2.19385416, -3.60417657]],
    ['middle-50', new IntegratedGradients(model, { rule: 'riemann_middle' }), [-2.18, -3.56]],
  ])
})

test('tolerance mode doubles the steps until the scores add up, and stops at its cap', async t => {
  const model = await exampleB()
  const exact = new IntegratedGradients(model, { steps: 10, tolerance: 1e-3, rule: 'riemann_middle' })
  const found = await exact.attribute(inputB(), { target })
  t.true(found.checks.completeness![0]!.relative! < 1e-3)
  const { steps } = found.method.details as { steps: number }
  t.true(steps > 10 && Number.isInteger(Math.log2(steps / 10)))
  const capped = new IntegratedGradients(model, { steps: 10, tolerance: 1e-12, maximumSteps: 45 })
  t.deepEqual((await capped.attribute(inputB(), { target })).method.details, { steps: 40 })
})
