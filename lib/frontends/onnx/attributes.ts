import {
  type AttributeProto,
  type TensorProto,
  AttributeProto_AttributeType as Type,
} from './generated/onnx_pb.js'
import { invalidModel } from './problems.js'

const decoder = new TextDecoder()

/** The attributes of one node, and which of them its import has looked at: what is overlooked would change the result. */
export class Attributes {
  readonly #byName = new Map<string, AttributeProto>()
  readonly #read = new Set<string>()

  constructor(
    attributes: readonly AttributeProto[],
    readonly node: string,
  ) {
    for (const attribute of attributes) {
      if (this.#byName.has(attribute.name))
        throw invalidModel(`Node ${node} has the attribute "${attribute.name}" twice`)
      this.#byName.set(attribute.name, attribute)
    }
  }

  has(name: string): boolean {
    return this.#byName.has(name)
  }

  /** Names that no accessor has asked for. */
  get unread(): string[] {
    return [...this.#byName.keys()].filter(name => !this.#read.has(name))
  }

  ignore(...names: string[]): void {
    for (const name of names) this.#read.add(name)
  }

  integer(name: string, fallback: number): number {
    const attribute = this.#get(name, Type.INT)
    return attribute ? this.#safe(attribute.i, name) : fallback
  }

  integers(name: string): number[] | undefined {
    return this.#get(name, Type.INTS)?.ints.map(value => this.#safe(value, name))
  }

  /** Whole 64-bit values: slice ends are written as the largest one. */
  bigints(name: string): bigint[] | undefined {
    return this.#get(name, Type.INTS)?.ints
  }

  real(name: string, fallback: number): number {
    return this.#get(name, Type.FLOAT)?.f ?? fallback
  }

  reals(name: string): number[] | undefined {
    return this.#get(name, Type.FLOATS)?.floats
  }

  text<T extends string>(name: string, fallback: T, allowed?: readonly T[]): T {
    const attribute = this.#get(name, Type.STRING)
    if (!attribute) return fallback
    const value = decoder.decode(attribute.s) as T
    if (allowed && !allowed.includes(value))
      throw invalidModel(`Node ${this.node}: "${name}" is "${value}", expected one of ${allowed.join(', ')}`)
    return value
  }

  texts(name: string): string[] | undefined {
    return this.#get(name, Type.STRINGS)?.strings.map(value => decoder.decode(value))
  }

  tensor(name: string): TensorProto | undefined {
    return this.#get(name, Type.TENSOR)?.t
  }

  #get(name: string, type: Type): AttributeProto | undefined {
    const attribute = this.#byName.get(name)
    if (!attribute) return undefined
    this.#read.add(name)
    // The oldest files leave the type out.
    if (attribute.type !== type && attribute.type !== Type.UNDEFINED)
      throw invalidModel(
        `Node ${this.node}: the attribute "${name}" is of type ${Type[attribute.type] ?? attribute.type}, expected ${Type[type]}`,
      )
    return attribute
  }

  #safe(value: bigint, name: string): number {
    const number = Number(value)
    if (!Number.isSafeInteger(number))
      throw invalidModel(`Node ${this.node}: "${name}" is ${value}, which is out of range`)
    return number
  }
}
