import type { GraphDescription } from '#typings/addon.js'
import type { Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { GraphBuilder } from '../graph/builder.js'
import { abortable } from './abortable.js'
import { bindSizes } from './bindSizes.js'
import type { Model, ModelValue } from './model.js'
import { rowsOf, stack } from './stack.js'
import { batchSymbol, withFreeBatch } from './withFreeBatch.js'

/** How examples of one pass are stacked. */
export interface Batching {
  /** Any number of examples, or exactly this many. */
  readonly size: number | 'any'
  /** The model with inputs of that many examples. */
  readonly graph: GraphDescription
  readonly inputs: readonly ModelValue[]
  /** Why examples go through the model one at a time, where a reader of results should know. */
  readonly notice?: { readonly code: 'BATCH_FIXED' | 'BATCH_INTERACTS'; readonly message: string }
}

/** Two runs of one example may differ by this much (relative L2) when the other rows of the batch differ. */
const tolerance = 1e-5

type Named = Readonly<Record<string, Tensor>>

/** Another example of the same kind: the same numbers in reverse order. */
const reversed = (example: Named): Named =>
  Object.fromEntries(
    Object.entries(example).map(([name, tensor]) => [
      name,
      { ...tensor, data: tensor.data.slice().reverse() } as Tensor,
    ]),
  )

function relativeDistance(a: Tensor, b: Tensor): number {
  if (a.shape.join() !== b.shape.join()) return Number.POSITIVE_INFINITY
  let difference = 0
  let scale = 0
  for (let i = 0; i < a.data.length; ++i) {
    const expected = Number(b.data[i])
    difference += (Number(a.data[i]) - expected) ** 2
    scale += expected ** 2
  }
  return difference === 0 ? 0 : Math.sqrt(difference / scale)
}

/** Runs examples through a variant of the model, stacked: their rows of the outputs that carry the batch in front. */
async function runVariant(
  model: Model,
  variant: Pick<Batching, 'graph' | 'inputs'>,
  examples: readonly Named[],
): Promise<Tensor[][]> {
  const inputs = stack(examples)
  const sizes = bindSizes(variant.inputs, inputs)
  const builder = new GraphBuilder()
  const values = builder.include(variant.graph)
  const outputs = model.outputs.map(({ name }) => model.output(values, name)!)
  const key = `batching ${variant.graph === model.graph ? 'declared' : 'free'} ${JSON.stringify(sizes)}`
  const tensors = await model.runPlan(key, () => builder.build(outputs), inputs, { sizes })
  const carrying = tensors.filter(tensor => tensor.shape[0] === examples.length)
  return examples.map((_, row) => carrying.map(tensor => rowsOf(tensor, row, 1)))
}

const agree = (a: readonly Tensor[], b: readonly Tensor[]): boolean =>
  a.length === b.length && a.every((tensor, i) => relativeDistance(tensor, b[i]!) <= tolerance)

/**
 * Whether two examples in one batch come out as each alone, judged by running them; 'unknown' where both give the same
 * outputs, so that nothing can be told.
 */
async function areSeparate(
  model: Model,
  alone: Pick<Batching, 'graph' | 'inputs'>,
  together: Pick<Batching, 'graph' | 'inputs'>,
  example: Named,
): Promise<boolean | 'unknown'> {
  const examples = [example, reversed(example)]
  const [first, second] = (await runVariant(model, together, examples)) as [Tensor[], Tensor[]]
  if (agree(first, second)) return 'unknown'
  for (const [row, each] of examples.entries()) {
    const [single] = await runVariant(model, alone, [each])
    if (!agree([first, second][row]!, single!)) return false
  }
  return true
}

/** Whether the first example of a batch of fixed size comes out the same whatever the others are. */
async function fixedIsSeparate(model: Model, size: number, example: Named): Promise<boolean> {
  const filled = (rest: Named) => [example, ...Array.from({ length: size - 1 }, () => rest)]
  const [one] = await runVariant(model, model, filled(example))
  const [two] = await runVariant(model, model, filled(reversed(example)))
  return agree(one!, two!)
}

async function judge(model: Model, example: Named): Promise<Batching> {
  const { graph, inputs, batchAxis } = model
  const declared = { graph, inputs }
  if (batchAxis.kind === 'none')
    throw new AscribeError(
      'MODEL_CAPABILITY',
      'The inputs share no batch axis, so path points cannot be stacked',
      {
        hint: 'Export the model with one symbolic (or one equal, fixed) leading dimension on every input.',
      },
    )
  if (batchAxis.kind === 'symbolic') {
    // The declaration counts where two examples cannot be tried: numbers in reverse may mean nothing to a model.
    const separate = await areSeparate(model, declared, declared, example).catch(error => {
      if (error instanceof AscribeError) return 'unknown'
      throw error
    })
    if (separate !== false) return { ...declared, size: 'any' }
    return {
      ...declared,
      size: 1,
      notice: {
        code: 'BATCH_INTERACTS',
        message: 'Examples of one batch change each other in this model, so each went through it alone.',
      },
    }
  }
  const { size } = batchAxis
  if (size > 1 && !(await fixedIsSeparate(model, size, example)))
    throw new AscribeError(
      'MODEL_CAPABILITY',
      `The model takes exactly ${size} examples, and they change each other: none can be explained alone`,
    )
  const free = {
    graph: withFreeBatch(graph, size),
    inputs: inputs.map(input => ({ ...input, shape: [batchSymbol, ...input.shape!.slice(1)] })),
  }
  try {
    if (size === 1 && (await areSeparate(model, declared, free, example)) === true)
      return { ...free, size: 'any' }
    if (size > 1 && (await areSeparate(model, free, free, example)) === true) {
      const [fixed] = await runVariant(
        model,
        declared,
        Array.from({ length: size }, () => example),
      )
      const [single] = await runVariant(model, free, [example])
      if (agree(single!, fixed!)) return { ...free, size: 'any' }
    }
  } catch (error) {
    // A shape that was written for the fixed size does not fit any other.
    if (!(error instanceof AscribeError)) throw error
  }
  return {
    ...declared,
    size,
    notice: {
      code: 'BATCH_FIXED',
      message: `The model is made for batches of ${size} and does not work with others, so passes hold ${size} example${size === 1 ? '' : 's'}.`,
    },
  }
}

const known = new WeakMap<Model, Promise<Batching>>()

/**
 * How many examples one pass of the model can hold, found out once for each model: a fixed batch is made free where two
 * examples together then come out as each alone, within 1e-5 (relative L2).
 *
 * @param example One example, leading axis 1.
 * @throws AscribeError MODEL_CAPABILITY where no example can be explained by itself.
 */
export function batchingOf(model: Model, example: Named, signal?: AbortSignal): Promise<Batching> {
  let found = known.get(model)
  if (found === undefined) {
    found = judge(model, example)
    known.set(model, found)
    // What went wrong once (no memory) need not again.
    found.catch(() => known.delete(model))
  }
  const batching = found
  return abortable(() => batching, signal)
}

/** The outputs for one example: a model with a fixed batch gets it as often as it wants. */
export async function runExample(
  model: Pick<Model, 'batchAxis' | 'run'>,
  example: Named,
  outputs: readonly string[],
  signal?: AbortSignal,
): Promise<Record<string, Tensor>> {
  const axis = model.batchAxis
  const copies = axis.kind === 'fixed' ? axis.size : 1
  const inputs = copies === 1 ? example : stack(Array.from({ length: copies }, () => example))
  const result = await model.run(inputs, { outputs, ...(signal ? { signal } : {}) })
  if (copies === 1) return { ...result.outputs }
  return Object.fromEntries(
    Object.entries(result.outputs).map(([name, tensor]) => [
      name,
      tensor.shape[0] === copies ? rowsOf(tensor, 0, 1) : tensor,
    ]),
  )
}
