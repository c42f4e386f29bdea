import type { DTypeName, GraphDescription } from '#typings/addon.js'
import type { GraphBuilder, Operand, Value } from '../../graph/builder.js'
import type { OperationAttributes, OperationName } from '../../graph/operations.js'
import { Attributes } from './attributes.js'
import type { OnnxValue } from './declarations.js'
import type { Known } from './elements.js'
import type { ModelBody, ModelNode } from './nodes.js'
import { invalidModel, Unsupported } from './problems.js'
import type { Scope } from './scope.js'

/** Imports one operator: its results in the order of the node's outputs. */
export type OperatorImport = (node: OnnxNode) => Value | Value[]

/** One ONNX operator a row; a file of them is an operator family. */
export type OperatorTable = Readonly<Record<string, OperatorImport>>

/** A graph inside a node: its description, what it takes from outside behind its own inputs, and what it gives. */
export interface ImportedBody {
  readonly graph: GraphDescription
  readonly captured: readonly string[]
  readonly outputs: readonly { dtype: DTypeName | undefined; rank: number | undefined }[]
}

/** Imports a body; `define` makes its inputs. */
export type BodyImport = (
  body: ModelBody,
  outer: Scope,
  prefix: string,
  define: (scope: Scope, inputs: readonly OnnxValue[]) => void,
  capture?: readonly string[],
) => ImportedBody

/** One node of the model as its import sees it: operands by position, attributes by name, and the graph to write to. */
export class OnnxNode {
  readonly #bodiesRead = new Set<string>()
  readonly attributes: Attributes

  constructor(
    readonly source: ModelNode,
    private readonly scope: Scope,
    private readonly importBody: BodyImport,
  ) {
    this.attributes = new Attributes(source.attributes, source.label)
  }

  get graph(): GraphBuilder {
    return this.scope.builder
  }

  get opset(): number {
    return this.source.opset
  }

  get inputCount(): number {
    return this.source.inputs.length
  }

  get outputCount(): number {
    return this.source.outputs.length
  }

  /** True where the node asks for output `index`. */
  wants(index: number): boolean {
    return (this.source.outputs[index] ?? '') !== ''
  }

  has(index: number): boolean {
    return (this.source.inputs[index] ?? '') !== ''
  }

  /** A required operand. */
  input(index: number): Value {
    if (!this.has(index)) this.invalid(`input ${index} is missing`)
    return this.scope.value(this.source.inputs[index]!)
  }

  optional(index: number): Operand {
    return this.has(index) ? this.input(index) : undefined
  }

  inputs(): Value[] {
    if (this.inputCount === 0) this.invalid('it has no inputs')
    return this.source.inputs.map((_, index) => this.input(index))
  }

  /** An operand that a shape rule reads: a constant wherever the model's tensor is one. */
  host(index: number): Value {
    if (!this.has(index)) this.invalid(`input ${index} is missing`)
    return this.scope.host(this.source.inputs[index]!)
  }

  optionalHost(index: number): Operand {
    return this.has(index) ? this.host(index) : undefined
  }

  /** The elements of an operand, where they are known while importing. */
  known(index: number): Known | undefined {
    return this.has(index) ? this.scope.known(this.source.inputs[index]!) : undefined
  }

  /** A whole number as a scalar of int64. */
  number(value: number | bigint): Value {
    return this.graph.constant('i64', [], BigInt64Array.of(BigInt(value)))
  }

  /** The elements of an operand that must be a constant; undefined where it is absent. `what` is for the message. */
  bigints(index: number, what: string): bigint[] | undefined {
    if (!this.has(index)) return undefined
    const known = this.known(index)
    if (!known) throw new Unsupported(`${what} computed by the model`)
    return Array.from(known.data as ArrayLike<number | bigint>, value => {
      if (typeof value === 'bigint') return value
      return Number.isInteger(value)
        ? BigInt(value)
        : this.invalid(`${what} is ${value}, expected a whole number`)
    })
  }

  integers(index: number, what: string): number[] | undefined {
    return this.bigints(index, what)?.map(value => {
      const number = Number(value)
      return Number.isSafeInteger(number)
        ? number
        : this.invalid(`${what} is ${value}, which is out of range`)
    })
  }

  /** A single whole number, of rank 0 or 1. */
  integer(index: number, what: string): number | undefined {
    const values = this.integers(index, what)
    if (values && values.length !== 1) this.invalid(`${what} has ${values.length} elements, expected 1`)
    return values?.[0]
  }

  /** The shape of an operand that is a tensor of the model. */
  tensorShape(index: number): number[] | undefined {
    return this.scope.tensorShape(this.source.inputs[index] ?? '')
  }

  apply<N extends OperationName>(op: N, inputs: Operand[], attributes?: OperationAttributes[N]): Value {
    return this.graph.apply(op, inputs, attributes, this.source.label)
  }

  applyMany<N extends OperationName>(
    op: N,
    inputs: Operand[],
    outputs: number,
    attributes?: OperationAttributes[N],
  ): Value[] {
    return this.graph.applyMany(op, inputs, outputs, attributes, this.source.label)
  }

  /** Names of graphs that the node carries and its import has not asked for. */
  get unreadBodies(): string[] {
    return [...this.source.bodies.keys()].filter(name => !this.#bodiesRead.has(name))
  }

  /** A graph that the node carries, imported into a graph of its own. */
  body(attribute: string, define: (scope: Scope, inputs: readonly OnnxValue[]) => void): ImportedBody {
    const body = this.source.bodies.get(attribute) ?? this.invalid(`${attribute} is missing`)
    this.#bodiesRead.add(attribute)
    return this.importBody(body, this.scope, `${this.source.label}/${attribute}/`, define)
  }

  /** Puts a zero with a derivative beside integers, for whoever reads them as the numbers they stand for. */
  carry(integers: Value, derivative: Value): void {
    this.scope.carried.set(integers.index, derivative)
  }

  carriedBy(integers: Value): Value | undefined {
    return this.scope.carried.get(integers.index)
  }

  /** A value of the surroundings by name. */
  outside(name: string): Value {
    return this.scope.value(name)
  }

  define(value: Value, dtype: DTypeName | undefined, rank: number | undefined): Value {
    this.scope.types.define(value, dtype, rank)
    return value
  }

  /** A number of the element type of `like`. */
  scalar(value: number, like: Value): Value {
    const dtype = this.dtype(like) ?? 'f32'
    switch (dtype) {
      case 'f64':
        return this.graph.constant(dtype, [], Float64Array.of(value))
      case 'i64':
        return this.graph.constant(dtype, [], BigInt64Array.of(BigInt(value)))
      case 'i32':
        return this.graph.constant(dtype, [], Int32Array.of(value))
      case 'i8':
        return this.graph.constant(dtype, [], Int8Array.of(value))
      case 'u8':
      case 'bool':
        return this.graph.constant(dtype, [], Uint8Array.of(value))
      default:
        return this.graph.scalar(value)
    }
  }

  dtype(value: Value): DTypeName | undefined {
    return this.scope.types.dtype(value)
  }

  rank(value: Value): number | undefined {
    return this.scope.types.rank(value)
  }

  /** Number of elements of an operand that is a vector, where that can be told. */
  length(value: Value): number | undefined {
    return this.scope.types.length(value)
  }

  /** The rank where the import cannot do without. */
  requireRank(value: Value): number {
    const rank = this.rank(value)
    if (rank === undefined) throw new Unsupported('an operand of unknown rank')
    return rank
  }

  /** `value` in another element type, if it is not of it already. */
  cast(value: Value, to: DTypeName): Value {
    return this.dtype(value) === to ? value : this.apply('cast', [value], { to })
  }

  unsupported(form: string): never {
    throw new Unsupported(form)
  }

  invalid(what: string): never {
    throw invalidModel(`Node ${this.source.label} (${this.source.operator}): ${what}`)
  }
}
