import type { NativeStorage, StorageName, StoredSource } from '#typings/addon.js'
import type { SafetensorsEntry } from '../../data/safetensorsHeader.js'
import { AscribeError } from '../../errors.js'
import { Unsupported } from './unsupported.js'

/** How weights may be stored, by the names of the safetensors and GGUF formats. */
const dtypes: Readonly<Record<string, StorageName>> = {
  F64: 'f64',
  F32: 'f32',
  F16: 'f16',
  BF16: 'bf16',
  Q8_0: 'q8_0',
  Q4_K: 'q4_k',
  Q6_K: 'q6_k',
}

/** Where one weight lies: a range of a mapped file. */
interface Place {
  readonly storage: NativeStorage
  readonly start: number
  readonly entry: SafetensorsEntry
}

export type ParameterEntry = { name: string } & StoredSource

/**
 * The weights of a checkpoint by name, none of them read: each is a range of a file. Those that a model asks for are
 * checked for their shape and become its parameters.
 */
export class CheckpointWeights {
  readonly #places = new Map<string, Place>()
  readonly #used = new Map<string, ParameterEntry>()

  /** Adds the tensors of one file, whose data begin at byte `start`. */
  add(storage: NativeStorage, start: number, entries: readonly SafetensorsEntry[]): void {
    for (const entry of entries) {
      if (this.#places.has(entry.name))
        throw new AscribeError(
          'FILE_CORRUPT',
          `Two files of the checkpoint hold ${JSON.stringify(entry.name.slice(0, 100))}`,
        )
      this.#places.set(entry.name, { storage, start, entry })
    }
  }

  has(name: string): boolean {
    return this.#places.has(name)
  }

  get names(): string[] {
    return [...this.#places.keys()]
  }

  /** The shape that the file gives a weight. */
  shape(name: string): readonly number[] | undefined {
    return this.#places.get(name)?.entry.shape
  }

  /**
   * Notes a weight as a parameter of the model under its own name.
   *
   * @throws AscribeError MODEL_INVALID where it is missing or has another shape; MODEL_UNSUPPORTED_OP for an element
   *   type that weights do not have.
   */
  use(name: string, shape: readonly number[]): void {
    if (this.#used.has(name)) return
    const place = this.#places.get(name)
    if (place === undefined)
      throw new AscribeError('MODEL_INVALID', `The checkpoint has no weight called "${name}"`)
    const { entry, storage, start } = place
    if (entry.shape.length !== shape.length || entry.shape.some((size, axis) => size !== shape[axis]))
      throw new AscribeError(
        'MODEL_INVALID',
        `The weight "${name}" has shape [${entry.shape}], and config.json makes it [${shape}]`,
      )
    const dtype = Object.hasOwn(dtypes, entry.dtype) ? dtypes[entry.dtype] : undefined
    if (dtype === undefined) throw new Unsupported(`weights of element type ${entry.dtype} ("${name}")`)
    this.#used.set(name, {
      name,
      storage,
      offset: start + entry.begin,
      bytes: entry.end - entry.begin,
      dtype,
      shape: [...entry.shape],
    })
  }

  /** What the model asked for, in that order. */
  get parameters(): ParameterEntry[] {
    return [...this.#used.values()]
  }
}
