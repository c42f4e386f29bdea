import type {
  AttributeValue,
  DTypeName,
  GraphDescription,
  NodeDescription,
  TensorData,
  TensorSource,
  ValueDescription,
} from '#typings/addon.js'
import { AscribeError } from '../errors.js'
import type { OperationAttributes, OperationName } from './operations.js'

/** A value of a graph under construction: an input, constant, parameter, state, or the result of a node. */
export class Value {
  constructor(
    readonly builder: GraphBuilder,
    readonly index: number,
  ) {}

  /** The name it is found by; absent for anonymous results. */
  get name(): string | undefined {
    return this.builder.values[this.index]?.name
  }
}

export type Operand = Value | undefined

/** How {@link GraphBuilder.include} joins another graph to this one. */
export interface IncludeOptions {
  /** Prepended to every name that comes in. Default none. */
  prefix?: string
  /** Parameters keep their names: both graphs are of one model. */
  sharesParameters?: boolean
  /** Feeds inputs of the included graph, by its own names. Those not named become inputs of this graph. */
  inputs?: Record<string, Value>
  /** Taps: what reads a named value reads the returned one instead (a mask, a steering vector, a copy). */
  replace?: Record<string, (original: Value) => Value>
}

/** Attributes that name a subgraph. */
const subgraphAttributes = ['forward', 'backward', 'thenBranch', 'elseBranch', 'body'] as const

/**
 * The typed builder of the graph language. It describes and never computes: shapes are inferred, constants folded
 * and derivatives expanded natively when a plan is compiled.
 */
export class GraphBuilder {
  readonly values: ValueDescription[] = []
  readonly nodes: NodeDescription[] = []
  readonly subgraphs: Record<string, GraphDescription> = {}
  readonly #inputs: number[] = []
  readonly #byName = new Map<string, Value>()

  /** An input. Dimensions are numbers, or symbols fixed when a plan is compiled. */
  input(name: string, dtype: DTypeName, shape: (number | string)[]): Value {
    const value = this.#add({ kind: 'input', name, dtype, shape })
    this.#inputs.push(value.index)
    return value
  }

  constant(dtype: DTypeName, shape: number[], data: TensorData, name?: string): Value {
    return this.#add({ kind: 'constant', dtype, shape, data, ...(name === undefined ? {} : { name }) })
  }

  /** A constant that stays in its file. */
  constantFrom(source: TensorSource, name?: string): Value {
    return this.#add({ kind: 'constant', source, ...(name === undefined ? {} : { name }) })
  }

  /** One f32 number (computed in the plan's precision). */
  scalar(value: number): Value {
    return this.constant('f32', [], Float32Array.of(value))
  }

  /** A vector of int64: shapes, axes, starts. */
  integers(values: readonly (number | bigint)[], name?: string): Value {
    return this.constant(
      'i64',
      [values.length],
      BigInt64Array.from(values, v => BigInt(v)),
      name,
    )
  }

  /** A weight, held by name in the model's parameters. `dtype` is what kernels compute with. */
  parameter(name: string, dtype: DTypeName, shape: number[]): Value {
    return this.#add({ kind: 'parameter', name, dtype, shape })
  }

  state(name: string, dtype: DTypeName, shape: (number | string)[]): Value {
    return this.#add({ kind: 'state', name, dtype, shape })
  }

  /** Appends a node with one output. */
  apply<N extends OperationName>(
    op: N,
    inputs: Operand[],
    attributes: OperationAttributes[N] = {} as OperationAttributes[N],
    name?: string,
  ): Value {
    return this.applyMany(op, inputs, 1, attributes, name)[0] as Value
  }

  /** Appends a node with several outputs. */
  applyMany<N extends OperationName>(
    op: N,
    inputs: Operand[],
    outputs: number,
    attributes: OperationAttributes[N] = {} as OperationAttributes[N],
    name?: string,
  ): Value[] {
    for (const input of inputs)
      if (input !== undefined && input.builder !== this)
        throw new AscribeError('MODEL_INVALID', `An operand of ${name ?? op} belongs to another graph`)
    const results = Array.from({ length: outputs }, () => this.#add({ kind: 'result' }))
    const given = Object.entries(attributes as Record<string, AttributeValue | undefined>)
    this.nodes.push({
      op,
      ...(name ? { name } : {}),
      inputs: inputs.map(v => v?.index ?? -1),
      outputs: results.map(v => v.index),
      attributes: Object.fromEntries(
        given.filter((entry): entry is [string, AttributeValue] => entry[1] !== undefined),
      ),
    })
    return results
  }

  /**
   * Vector-Jacobian products: gradients of sum(seed * output) with respect to `wanted`, each with the cotangent
   * axis in front. Seeds have shape [K, ...output].
   *
   * @param attributes `parameters`: gradients of parameters summed over the examples (default, [K, ...w]), or for each
   *   example ([K, N, ...w]). For `factors` see {@link GraphBuilder.vjpFactors}.
   * @param baselines one for each wanted value, for rule sets that compare with a baseline.
   */
  vjp(
    outputs: Value[],
    seeds: Value[],
    wanted: Value[],
    attributes: Omit<OperationAttributes['vjp'], 'outputs' | 'paired'> = {},
    baselines: Value[] = [],
  ): Value[] {
    return this.applyMany('vjp', [...outputs, ...seeds, ...wanted, ...baselines], wanted.length, {
      outputs: outputs.length,
      ...attributes,
      ...(baselines.length > 0 ? { paired: 1 } : {}),
    })
  }

  /**
   * Gradients of parameters of products and convolutions as the factors that they are made of: for each the input that
   * the parameter met and the gradient of what came out. Their product is the gradient, which is never formed.
   */
  vjpFactors(outputs: Value[], seeds: Value[], wanted: Value[]): { input: Value; outputGradient: Value }[] {
    const pairs = this.applyMany('vjp', [...outputs, ...seeds, ...wanted], 2 * wanted.length, {
      outputs: outputs.length,
      parameters: 'factors',
    })
    return wanted.map((_, at) => ({ input: pairs[2 * at]!, outputGradient: pairs[2 * at + 1]! }))
  }

  /**
   * A function with a derivative of its own (straight-through estimators and the like): `forward` maps operands to
   * results; `backward` maps operands, then results, then the results' cotangents to the operands' cotangents.
   *
   * @param key Names the pair within this graph.
   */
  customDerivative(
    key: string,
    operands: Value[],
    forward: GraphDescription,
    backward: GraphDescription,
  ): Value[] {
    this.subgraphs[`${key}.forward`] = forward
    this.subgraphs[`${key}.backward`] = backward
    return this.applyMany('customDerivative', operands, forward.outputs.length, {
      forward: `${key}.forward`,
      backward: `${key}.backward`,
    })
  }

  /** Names a value so that it can be found, tapped and explained; a second name becomes an alias. */
  named(value: Value, name: string): Value {
    const existing = this.#byName.get(name)
    if (existing && existing !== value)
      throw new AscribeError('MODEL_INVALID', `Two values of the graph are called "${name}"`)
    const description = this.values[value.index] as ValueDescription
    if (description.name === undefined) description.name = name
    else if (description.name !== name && description.kind === 'result')
      description.aliases = [...(description.aliases ?? []), name]
    this.#byName.set(name, value)
    return value
  }

  /** Gives a computed value another name, so that a new one can have its own. */
  rename(name: string, other: string): void {
    const value = this.#byName.get(name)
    const description = value && this.values[value.index]
    if (value === undefined || description?.kind !== 'result' || this.#byName.has(other))
      throw new AscribeError('MODEL_INVALID', `The value "${name}" cannot be called "${other}"`)
    this.#byName.delete(name)
    if (description.name === name) description.name = other
    else description.aliases = description.aliases?.map(alias => (alias === name ? other : alias)) ?? []
    this.#byName.set(other, value)
  }

  find(name: string): Value | undefined {
    return this.#byName.get(name)
  }

  get inputs(): Value[] {
    return this.#inputs.map(index => new Value(this, index))
  }

  /** Copies another graph in; returns its values by their own names. */
  include(graph: GraphDescription, options: IncludeOptions = {}): Map<string, Value> {
    const prefix = options.prefix ?? ''
    const mapped: Value[] = []
    const byName = new Map<string, Value>()
    const replaced = new Set<string>()
    const settle = (index: number, value: Value, names: (string | undefined)[]) => {
      mapped[index] = value
      for (const name of names) {
        if (name === undefined) continue
        const replacement = options.replace?.[name]
        if (replacement) {
          replaced.add(name)
          mapped[index] = replacement(value)
        }
        byName.set(name, mapped[index] as Value)
      }
    }
    graph.values.forEach((description, index) => {
      if (description.kind === 'result') return
      const given = description.kind === 'input' ? options.inputs?.[description.name] : undefined
      const isShared = description.kind === 'parameter' && options.sharesParameters === true
      const name =
        description.name === undefined ? undefined : isShared ? description.name : prefix + description.name
      const existing =
        description.kind === 'parameter' && name !== undefined ? this.#byName.get(name) : undefined
      const value =
        given ??
        existing ??
        this.#add({ ...description, ...(name === undefined ? {} : { name }) } as ValueDescription)
      if (!given && description.kind === 'input') this.#inputs.push(value.index)
      settle(index, value, [description.name])
    })
    for (const [key, body] of Object.entries(graph.subgraphs ?? {})) this.subgraphs[prefix + key] = body
    for (const node of graph.nodes) {
      const attributes = { ...node.attributes }
      for (const name of subgraphAttributes)
        if (typeof attributes[name] === 'string') attributes[name] = prefix + attributes[name]
      const outputs = node.outputs.map(() => this.#add({ kind: 'result' }))
      this.nodes.push({
        ...node,
        attributes,
        ...(node.name === undefined ? {} : { name: prefix + node.name }),
        inputs: node.inputs.map(i => (i < 0 ? -1 : (mapped[i] as Value).index)),
        outputs: outputs.map(v => v.index),
      })
      node.outputs.forEach((index, k) => {
        const description = graph.values[index]
        const value = outputs[k] as Value
        const names = description?.kind === 'result' ? [description.name, ...(description.aliases ?? [])] : []
        for (const name of names) if (name !== undefined) this.named(value, prefix + name)
        settle(index, value, names)
      })
    }
    for (const name of Object.keys(options.replace ?? {}))
      if (!replaced.has(name))
        throw new AscribeError('LAYER_NOT_FOUND', `The model has no value called "${name}"`)
    return byName
  }

  /** The finished description, in the order in which nodes were added. */
  build(outputs: Value[]): GraphDescription {
    return {
      values: this.values,
      nodes: this.nodes,
      inputs: [...this.#inputs],
      outputs: outputs.map(v => v.index),
      ...(Object.keys(this.subgraphs).length ? { subgraphs: this.subgraphs } : {}),
    }
  }

  #add(description: ValueDescription): Value {
    const value = new Value(this, this.values.push(description) - 1)
    if (description.name !== undefined) {
      if (this.#byName.has(description.name))
        throw new AscribeError('MODEL_INVALID', `Two values of the graph are called "${description.name}"`)
      this.#byName.set(description.name, value)
    }
    return value
  }
}
