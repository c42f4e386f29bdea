import type { DTypeName } from '#typings/addon.js'
import { type GraphBuilder, Value } from '../../graph/builder.js'
import type { Known } from './elements.js'
import { invalidModel } from './problems.js'
import { ValueTypes } from './valueTypes.js'
import type { Weights } from './weights.js'

/** Operations that put elements elsewhere and leave them as they are. */
const moving = new Set([
  'identity',
  'reshape',
  'flatten',
  'squeeze',
  'unsqueeze',
  'transpose',
  'slice',
  'depthToSpace',
  'spaceToDepth',
])

/** What the names of a model stand for while it is imported. */
export class Scope {
  readonly types: ValueTypes
  readonly #values = new Map<string, Value>()
  readonly #known = new Map<string, Known>()
  /** Results of nodes that could not be imported. */
  readonly #missing = new Set<string>()

  constructor(
    readonly builder: GraphBuilder,
    private readonly weights: Weights,
    /** What surrounds a body: names that it does not define are taken from there. */
    private readonly outer?: Scope,
  ) {
    this.types = new ValueTypes(builder)
  }

  /** Values of the surroundings that this body takes, in the order of its inputs for them. */
  readonly captured: { outside: string; inside: Value }[] = []

  /** What stands beside integers and has their derivative, which they cannot have: see the quantised operators. */
  readonly carried = new Map<number, Value>()

  /** Nodes from this one on that only move integers with a derivative move it too. */
  carryThrough(firstNode: number): void {
    if (this.carried.size === 0) return
    for (const node of this.builder.nodes.slice(firstNode)) {
      if (!moving.has(node.op)) continue
      const carried = this.carried.get(node.inputs[0]!)
      if (carried === undefined) continue
      const others = node.inputs
        .slice(1)
        .map(index => (index < 0 ? undefined : new Value(this.builder, index)))
      const [moved] = this.builder.applyMany(node.op as 'reshape', [carried, ...others], 1, node.attributes)
      this.carried.set(node.outputs[0]!, moved!)
    }
  }

  has(name: string): boolean {
    return this.#values.has(name) || this.weights.has(name) || (this.outer?.has(name) ?? false)
  }

  define(name: string, value: Value): void {
    if (this.#values.has(name)) throw invalidModel(`Two values of the model are called "${name}"`)
    this.#values.set(name, value)
  }

  defineKnown(name: string, known: Known): void {
    this.#known.set(name, known)
  }

  defineMissing(name: string): void {
    this.#missing.add(name)
  }

  isMissing(name: string): boolean {
    return this.#missing.has(name) || (this.outer?.isMissing(name) ?? false)
  }

  value(name: string): Value {
    const value = this.#values.get(name)
    if (value) return value
    if (this.weights.has(name)) return this.weights.value(name)
    if (this.outer?.has(name)) return this.#capture(name, this.outer)
    throw invalidModel(`The model has no value called "${name}"`)
  }

  host(name: string): Value {
    const known = this.#known.get(name)
    // A constant that came through a few cheap nodes is one still.
    if (known && !this.weights.has(name))
      return this.builder.constant(known.dtype, [...known.shape], known.data)
    return this.weights.has(name) ? this.weights.host(name) : this.value(name)
  }

  known(name: string): Known | undefined {
    return this.#known.get(name) ?? this.weights.known(name) ?? this.outer?.known(name)
  }

  tensorShape(name: string): number[] | undefined {
    return this.weights.shape(name) ?? this.outer?.tensorShape(name)
  }

  #capture(name: string, outer: Scope): Value {
    const outside = outer.value(name)
    const inside = this.bodyInput(name, outer.types.dtype(outside), outer.types.rank(outside))
    this.captured.push({ outside: name, inside })
    this.#values.set(name, inside)
    return inside
  }

  /** An input of a body. What it is like is known only when the model is specialised; here its rank may help. */
  bodyInput(name: string, dtype: DTypeName | undefined, rank: number | undefined): Value {
    const value = this.builder.input(
      name,
      dtype ?? 'f32',
      Array.from({ length: rank ?? 0 }, () => 1),
    )
    this.types.define(value, dtype, rank)
    return value
  }
}
