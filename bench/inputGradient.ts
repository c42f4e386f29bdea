import { type Model, Target, type Tensor } from '#lib/index.js'
import { explainedValues } from '#lib/methods/inputs/explainedValues.js'
import { gradientPlan } from '#lib/methods/inputs/gradientPlan.js'
import { prepareInput } from '#lib/model/prepareInput.js'
import { settle } from '#lib/native.js'
import type { NativeTensor, RunResult } from '#typings/addon.js'

/**
 * One pass forwards and back from a target to the model's one input, for all examples of `input` at once.
 *
 * @returns Runs it: outputs are the gradient [1, N, …] and the target's values [N].
 */
export async function inputGradient(
  model: Model,
  input: Tensor,
  target = Target.class(7),
): Promise<(options?: { profile?: boolean }) => Promise<RunResult>> {
  const { name } = model.inputs[0]!
  const [batch = 1, ...rest] = input.shape
  const inputs = { [name]: input as NativeTensor & Tensor }
  const data = (input.data as Float32Array).slice(0, input.data.length / batch)
  const one = await prepareInput(model, { [name]: { dtype: 'f32', shape: [1, ...rest], data } })
  const { plan, target: compiled } = await gradientPlan(
    model,
    target,
    await explainedValues(model, one, {}),
    inputs,
    batch,
    { size: batch, graph: model.graph, inputs: model.inputs },
  )
  const classes: NativeTensor = {
    dtype: 'i64',
    shape: [batch, 1],
    data: new BigInt64Array(batch).fill(7n),
  }
  const all = compiled.readsClass ? { ...inputs, 'ascribe.class': classes } : inputs
  return (options = {}) => settle(() => plan.run(all, options))
}
