import type { NativeStorage, OnnxPayload, TensorSource } from '#typings/addon.js'
import type { GraphBuilder, Value } from '../../graph/builder.js'
import { elementType, isFloating } from './dataTypes.js'
import { dimensions, elementCount, type Known, readKnown } from './elements.js'
import type { TensorProto } from './generated/onnx_pb.js'
import { invalidModel, Unsupported } from './problems.js'

/** A weight of the model: its name and the bytes that hold it. */
export type ParameterSource = { name: string } & TensorSource

/** Where a tensor stands in the model: initialisers are weights, what a Constant node holds is mostly not. */
export type Origin = 'initializer' | 'constant'

interface Entry {
  tensor: TensorProto
  origin: Origin
  /** Some node reads it where only a weight can stand. */
  isWeight: boolean
  known?: Known | undefined
  value?: Value
  host?: Value
}

/**
 * The tensors that a model brings along. They are made values of the graph when first used: floating-point ones
 * with several elements become parameters (which stay in their file), all others constants.
 */
export class Weights {
  readonly #entries = new Map<string, Entry>()
  readonly #parameters: ParameterSource[] = []
  readonly #inline: { name: string; dtype: TensorSource['dtype']; shape: number[]; bytes: Uint8Array }[] = []

  constructor(
    private readonly builder: GraphBuilder,
    private readonly payloads: readonly OnnxPayload[],
    /** Goes before the names of parameters: those of a body may be called as others elsewhere. */
    private readonly prefix = '',
  ) {}

  define(name: string, tensor: TensorProto, origin: Origin): void {
    if (name === '') throw invalidModel(`A tensor of the model has no name`)
    if (this.#entries.has(name)) throw invalidModel(`Two tensors of the model are called "${name}"`)
    this.#entries.set(name, { tensor, origin, isWeight: false })
  }

  has(name: string): boolean {
    return this.#entries.has(name)
  }

  /** Notes that `name` is read where only a weight can stand, so that even a single number is a parameter. */
  markWeight(name: string): void {
    const entry = this.#entries.get(name)
    if (entry) entry.isWeight = true
  }

  /** The elements of a small tensor. */
  known(name: string): Known | undefined {
    const entry = this.#entries.get(name)
    if (!entry) return undefined
    if (entry.known === undefined) entry.known = readKnown(entry.tensor)
    return entry.known
  }

  shape(name: string): number[] | undefined {
    const entry = this.#entries.get(name)
    return entry && dimensions(entry.tensor)
  }

  /** As a parameter or constant, whichever it is. */
  value(name: string): Value {
    const entry = this.#require(name)
    entry.value ??= this.#isParameter(entry)
      ? this.#parameter(name, entry)
      : this.#constant(name, entry, name)
    return entry.value
  }

  /** As a constant whatever it is: for operands that shape rules read. */
  host(name: string): Value {
    const entry = this.#require(name)
    if (!this.#isParameter(entry)) return this.value(name)
    entry.host ??= this.#constant(name, entry, undefined)
    return entry.host
  }

  /** All parameters used so far. Those small enough to be in the skeleton share one buffer. */
  parameters(storageFromBuffer: (bytes: Uint8Array) => NativeStorage): ParameterSource[] {
    if (this.#inline.length === 0) return this.#parameters
    // Each starts at a multiple of 8, so that kernels may read it in place.
    const padded = (bytes: Uint8Array) => Math.ceil(bytes.length / 8) * 8
    const all = new Uint8Array(this.#inline.reduce((sum, one) => sum + padded(one.bytes), 0))
    let offset = 0
    const places = this.#inline.map(({ bytes }) => {
      const place = offset
      all.set(bytes, place)
      offset += padded(bytes)
      return place
    })
    const storage = storageFromBuffer(all)
    const inline = this.#inline.map(({ bytes, ...rest }, index) => {
      return { ...rest, storage, offset: places[index]!, bytes: bytes.length }
    })
    return [...this.#parameters, ...inline]
  }

  #require(name: string): Entry {
    const entry = this.#entries.get(name)
    if (!entry) throw invalidModel(`The model has no tensor called "${name}"`)
    return entry
  }

  #isParameter({ tensor, origin, isWeight }: Entry): boolean {
    const { compute } = elementType(tensor.dataType)
    if (compute === undefined || !isFloating(compute)) return false
    if (tensor.payload > 0 || isWeight) return true
    return origin === 'initializer' && tensor.dims.length > 0 && elementCount(dimensions(tensor)) > 1
  }

  #types(entry: Entry) {
    const { name, storage, compute, bytes } = elementType(entry.tensor.dataType)
    if (storage === undefined || compute === undefined) throw new Unsupported(`element type ${name}`)
    return { storage, compute, width: bytes }
  }

  #source(entry: Entry): TensorSource {
    const payload = this.payloads[entry.tensor.payload - 1]
    if (!payload) throw invalidModel('A tensor of the model refers to a payload that the scan did not find')
    const { storage, offset, bytes } = payload
    return { storage, offset, bytes, dtype: this.#types(entry).storage, shape: dimensions(entry.tensor) }
  }

  #parameter(name: string, entry: Entry): Value {
    const { storage, compute } = this.#types(entry)
    const shape = dimensions(entry.tensor)
    const full = this.prefix + name
    if (entry.tensor.payload > 0) this.#parameters.push({ name: full, ...this.#source(entry) })
    else this.#inline.push({ name: full, dtype: storage, shape, bytes: entry.tensor.rawData })
    return this.builder.parameter(full, compute, shape)
  }

  #constant(name: string, entry: Entry, as: string | undefined): Value {
    this.#types(entry)
    const known = this.known(name)
    return known
      ? this.builder.constant(known.dtype, [...known.shape], known.data, as)
      : this.builder.constantFrom(this.#source(entry), as)
  }
}
