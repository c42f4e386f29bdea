import { isFloating, type Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { classIndex, type Target } from '../../graph/target.js'
import { runExample } from '../../model/batching.js'
import { topClasses } from '../../model/classify.js'
import type { Explainable } from '../../model/explainable.js'
import type { Model } from '../../model/model.js'
import { rowsOf, stack } from '../../model/stack.js'
import type { Choice, Example } from './gradientResult.js'

/** The output that the target is about, and results show. */
export const outputName = (model: Pick<Explainable, 'outputs'>, target: Target): string | undefined =>
  target.options.output ?? model.outputs[0]?.name

/** Whether the target is a class, that is given or that the model's output picks. */
export const isOfClass = ({ description }: Target): boolean =>
  description.kind === 'top' || description.kind === 'class'

/**
 * Whether the output is one score per class, [N, C] or [N, C, 1, 1], as the model declares it: undefined where it does
 * not say enough.
 */
export function declaresScores(
  model: Pick<Explainable, 'outputs' | 'batchAxis'>,
  name: string | undefined,
): boolean | undefined {
  const { dtype, shape } = model.outputs.find(output => output.name === name) ?? {}
  if (shape === undefined || dtype === undefined) return undefined
  const [batch, classes, ...rest] = shape
  if (rest.some(size => typeof size === 'number' && size !== 1)) return false
  const axis = model.batchAxis
  const carries =
    axis.kind === 'symbolic' ? batch === axis.symbol : axis.kind === 'fixed' && batch === axis.size
  return carries && isFloating(dtype) && classes !== undefined && rest.every(size => size === 1)
    ? true
    : undefined
}

/** The class that the target picks, and the model's output as results show it. */
export async function choose(
  model: Explainable,
  example: Pick<Example, 'prepared'>,
  target: Target,
  signal: AbortSignal | undefined,
): Promise<Choice> {
  const name = outputName(model, target)
  if (name === undefined) throw new AscribeError('TARGET_REQUIRED', 'The model has no output')
  const output = (await runExample(model, example.prepared.tensors, [name], signal))[name]!
  return chosenFrom(output, name, model, target)
}

/** The same for examples that are alike, as many in one run as are told to be. */
export async function chooseTogether(
  model: Explainable,
  examples: readonly Example[],
  target: Target,
  together: number,
  signal: AbortSignal | undefined,
): Promise<Choice[]> {
  const name = outputName(model, target)
  const choices: Choice[] = []
  while (choices.length < examples.length) {
    const part = examples.slice(choices.length, choices.length + together)
    if (part.length > 1 && name !== undefined) {
      const inputs = stack(part.map(({ prepared }) => prepared.tensors))
      const { outputs } = await model.run(inputs, { outputs: [name], ...(signal ? { signal } : {}) })
      const output = outputs[name]!
      // An output without the batch in front has no rows.
      if (output.shape[0] === part.length) {
        for (const at of part.keys()) choices.push(chosenFrom(rowsOf(output, at, 1), name, model, target))
        continue
      }
    }
    for (const example of part) choices.push(await choose(model, example, target, signal))
  }
  return choices
}

/** The same of an output [1, …] that is there already. */
export function chosenFrom(
  output: Tensor,
  name: string,
  model: Pick<Explainable, 'labels'>,
  target: Target,
): Choice {
  const { description } = target
  const isScores = isFloating(output.dtype) && output.shape.slice(2).every(size => size === 1)
  const classes = isScores ? topClasses(output.data as Float32Array, model.labels) : []
  if (description.kind !== 'top' && description.kind !== 'class') return { output: classes }
  checkScores(output.shape, name)
  const index = description.kind === 'top' ? classes[0]?.index : classIndex(description.of, model.labels)
  return { class: checkClass(index, output.data.length, name), output: classes }
}

/**
 * The index of a class that the caller gave; undefined for other targets.
 *
 * @param shape Of the output, where it is known; default: as far as the model declares it.
 * @throws AscribeError TARGET_INVALID, TARGET_REQUIRED
 */
export function givenClass(model: Model, target: Target, shape?: readonly number[]): number | undefined {
  const { description } = target
  if (description.kind !== 'class') return undefined
  const name = outputName(model, target) ?? ''
  const index = classIndex(description.of, model.labels)
  if (shape) checkScores(shape, name)
  const count = shape?.[1] ?? model.outputs.find(output => output.name === name)?.shape?.[1]
  return typeof count === 'number' ? checkClass(index, count, name) : index
}

function checkScores(shape: readonly number[], name: string): void {
  if (shape.slice(2).every(size => size === 1) && shape.length >= 2) return
  throw new AscribeError(
    'TARGET_REQUIRED',
    `Output "${name}" has shape [${shape.join(', ')}], which is not one score per class`,
    {
      hint: 'Give a Target: regression, token, box, mask or an expression.',
    },
  )
}

function checkClass(index: number | undefined, count: number, name: string): number {
  if (index === undefined || index >= count)
    throw new AscribeError('TARGET_INVALID', `Class ${index} is outside the ${count} outputs of "${name}"`)
  return index
}
