import type { Tensor } from '../data/tensor.js'
import { validateTensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { GraphBuilder, type Value } from '../graph/builder.js'
import { classInput, compileTarget } from '../graph/compileTarget.js'
import { onlyNeeded } from '../graph/onlyNeeded.js'
import { classIndex, Target } from '../graph/target.js'
import { targetKey } from '../graph/targetKey.js'
import { expectObject } from '../validate.js'
import { bindSizes } from './bindSizes.js'
import type { ComputePrecision, Model, ModelInputs } from './model.js'

export interface DerivativeOptions {
  /** 'f64' runs the reference kernels in double precision: an oracle, slow. Default: the model's, see `loadModel`. */
  precision?: Exclude<ComputePrecision, 'int8'> | 'f64'
  signal?: AbortSignal
}

type Named = Readonly<Record<string, Tensor>>

/** A graph around the model, its values by name, and vectors that come in beside its inputs. */
class Around {
  readonly builder = new GraphBuilder()
  readonly values: ReadonlyMap<string, Value>
  readonly #given: Record<string, Tensor>

  constructor(
    readonly model: Model,
    private readonly inputs: Record<string, Tensor>,
  ) {
    this.values = this.builder.include(model.graph)
    this.#given = { ...inputs }
  }

  value(name: string): Value {
    const found = this.values.get(name) ?? this.model.output(this.values, name)
    if (found) return found
    throw new AscribeError('LAYER_NOT_FOUND', `The model has no value called "${name}"`, {
      hint: 'model.layers() lists values, model.parameters.list() weights.',
    })
  }

  /** A vector of the caller's, with a leading axis of one as seeds have it. */
  seed(role: string, name: string, vector: Tensor): Value {
    const { dtype, shape } = validateTensor(vector, name)
    const input = `ascribe.${role}.${name}`
    this.#given[input] = vector
    return this.builder.apply('unsqueeze', [this.builder.input(input, dtype, [...shape])], { axes: [0] })
  }

  give(name: string, tensor: Tensor): void {
    this.#given[name] = tensor
  }

  /** Runs the graph for results that have a leading axis of one, which goes. */
  async run(
    key: string,
    results: Record<string, Value>,
    options: DerivativeOptions,
  ): Promise<Record<string, Tensor>> {
    const { precision = this.model.precision, signal } = options
    const names = Object.keys(results)
    const shapes = Object.entries(this.#given).map(([name, { dtype, shape }]) => [name, dtype, shape])
    const tensors = await this.model.runPlan(
      `${key} ${JSON.stringify([names, shapes, precision])}`,
      () => onlyNeeded(this.builder.build(Object.values(results))),
      this.#given,
      {
        sizes: { ...bindSizes(this.model.inputs, this.inputs), 'ascribe.examples': this.#examples },
        precision,
      },
      signal,
    )
    return Object.fromEntries(
      names.map((name, at) => {
        const tensor = tensors[at] as Tensor
        return [name, { ...tensor, shape: tensor.shape.slice(1) } as Tensor]
      }),
    )
  }

  get #examples(): number {
    return Object.values(this.inputs)[0]?.shape[0] ?? 1
  }
}

function named(what: string, vectors: Named): [string, Tensor][] {
  expectObject(what, vectors)
  const entries = Object.entries(vectors)
  if (entries.length === 0) throw new AscribeError('OPTION_RANGE', `There are no ${what}`)
  return entries
}

const byName = (names: readonly string[], values: readonly Value[]): Record<string, Value> =>
  Object.fromEntries(names.map((name, at) => [name, values[at] as Value]))

/**
 * Vector-Jacobian products: gradients of the sum over outputs of cotangent · output.
 *
 * @param cotangents By output or layer, each of that value's shape.
 * @param of Inputs, layers or weights of floating-point numbers; each result has the shape of its value.
 * @throws AscribeError LAYER_NOT_FOUND; INPUT_SHAPE; DERIVATIVE_UNSUPPORTED, which lists the nodes.
 */
export async function vectorJacobianProduct(
  model: Model,
  inputs: ModelInputs,
  cotangents: Named,
  of: readonly string[],
  options: DerivativeOptions = {},
): Promise<Record<string, Tensor>> {
  const around = new Around(model, model.named(inputs))
  const given = named('cotangents', cotangents)
  const outputs = given.map(([name]) => around.value(name))
  const seeds = given.map(([name, vector]) => around.seed('cotangent', name, vector))
  const gradients = around.builder.vjp(
    outputs,
    seeds,
    of.map(name => around.value(name)),
  )
  return around.run('vjp', byName(of, gradients), options)
}

/**
 * Jacobian-vector products: how outputs change, to first order, when values change along the tangents. Exact, by
 * differentiating the backward pass, which is linear in what goes into it.
 *
 * @param tangents By input, layer or weight, each of that value's shape.
 * @param outputs Outputs or layers. Default: every output.
 */
export async function jacobianVectorProduct(
  model: Model,
  inputs: ModelInputs,
  tangents: Named,
  outputs: readonly string[] = model.outputs.map(({ name }) => name),
  options: DerivativeOptions = {},
): Promise<Record<string, Tensor>> {
  const around = new Around(model, model.named(inputs))
  const { builder } = around
  const given = named('tangents', tangents)
  const results = outputs.map(name => around.value(name))
  // A cotangent of zeros to differentiate in: the backward pass is linear in it, so that its value says nothing.
  const zero = builder.constant('f32', [1], Float32Array.of(0))
  const cotangents = results.map(value => builder.apply('expandLike', [zero, value], { leading: 1 }))
  const backward = builder.vjp(
    results,
    cotangents,
    given.map(([name]) => around.value(name)),
  )
  const seeds = given.map(([name, vector]) =>
    builder.apply('unsqueeze', [around.seed('tangent', name, vector)], { axes: [0] }),
  )
  const forward = builder
    .vjp(backward, seeds, cotangents)
    .map(value => builder.apply('squeeze', [value], { axes: [0] }))
  return around.run('jvp', byName(outputs, forward), options)
}

/**
 * Hessian-vector products: the derivative, along the vectors, of the gradient of the target (summed over examples).
 * With `of` other than the vectors' names, mixed second derivatives: how the gradient in the inputs changes with a
 * weight, for one.
 *
 * @param target A class index, a label or a {@link Target}; the logit unless it says otherwise.
 * @param vectors By input, layer or weight, each of that value's shape.
 * @param of What the products are in. Default: the names of the vectors.
 * @throws AscribeError TARGET_REQUIRED for the target `top`, which depends on the input.
 */
export async function hessianVectorProduct(
  model: Model,
  inputs: ModelInputs,
  target: Target | number | string,
  vectors: Named,
  of: readonly string[] = Object.keys(vectors),
  options: DerivativeOptions = {},
): Promise<Record<string, Tensor>> {
  const given = model.named(inputs)
  const around = new Around(model, given)
  const { builder } = around
  const wanted = Target.from(target)
  const { description } = wanted
  if (description.kind === 'top')
    throw new AscribeError(
      'TARGET_REQUIRED',
      'A second derivative needs a class: the top one may change with the input',
    )
  const outputs = new Map(
    model.outputs.flatMap(({ name }) => {
      const value = model.output(around.values, name)
      return value ? [[name, value] as const] : []
    }),
  )
  const { objective, readsClass } = compileTarget(builder, outputs, wanted, model.labels)
  if (readsClass) {
    const count = Object.values(given)[0]?.shape[0] ?? 1
    const index = description.kind === 'class' ? classIndex(description.of, model.labels) : 0
    around.give(classInput, {
      dtype: 'i64',
      shape: [count, 1],
      data: new BigInt64Array(count).fill(BigInt(index)),
    } as Tensor)
  }
  const one = builder.constant('f32', [1, 1], Float32Array.of(1))
  const seed = builder.apply('expandLike', [one, objective], { leading: 1 })
  const list = named('vectors', vectors)
  const gradients = builder.vjp(
    [objective],
    [seed],
    list.map(([name]) => around.value(name)),
  )
  const seeds = list.map(([name, vector]) =>
    builder.apply('unsqueeze', [around.seed('vector', name, vector)], { axes: [0] }),
  )
  const products = builder.vjp(
    gradients,
    seeds,
    of.map(name => around.value(name)),
  )
  return around.run(`hvp ${targetKey(wanted)}`, byName(of, products), options)
}
