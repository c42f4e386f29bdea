import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { loadOptionalPackage } from '../data/optionalPackage.js'
import type { Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { ModelProtoSchema, ValueInfoProtoSchema } from '../frontends/onnx/generated/onnx_pb.js'
import type { Model } from '../model/model.js'
import { native } from '../native.js'
import { plannedSizes } from './inspect.js'
import { sampleInputs } from './sampleInputs.js'

export interface VerifyOptions {
  /** Given inputs; default seeded random ones. */
  inputs?: Readonly<Record<string, Tensor>>
  /** Sizes of symbolic dimensions for random inputs. */
  sizes?: Readonly<Record<string, number>>
  seed?: number
  /** Greatest max|a - b| / max|b| of an output that counts as equal. Default 1e-5. */
  tolerance?: number
  /** The same for values inside, where rounding has not averaged out. Default ten times `tolerance`. */
  innerTolerance?: number
  signal?: AbortSignal
  onProgress?: (done: number, total: number) => void
}

/** One value of the model, here and there. */
export interface ValueComparison {
  readonly name: string
  readonly op: string
  /** max|a - b| / max|b|; Infinity where one holds NaN or infinity and the other does not, or shapes differ. */
  readonly error: number
  readonly shape: readonly number[]
}

export interface VerifyReport {
  /** Every named value that both computed, in the order of computation. */
  readonly values: readonly ValueComparison[]
  readonly outputs: readonly ValueComparison[]
  readonly tolerance: number
  readonly innerTolerance: number
  /** The first value beyond the tolerance. */
  readonly firstDivergence: ValueComparison | undefined
  /** Where an output diverges: passes of the compiler without which it does not. */
  readonly passesToBlame: readonly string[]
  readonly runtime: string
}

/** Values that are fetched in one run: each stays in memory until it is compared. */
const valuesAtOnce = 48

interface OrtTensor {
  readonly type: string
  readonly dims: readonly number[]
  readonly data: Float32Array | Float64Array | BigInt64Array | Int32Array | Uint8Array | Int8Array
}
interface Ort {
  InferenceSession: {
    create(
      bytes: Uint8Array,
      options: object,
    ): Promise<{
      run(feeds: Record<string, unknown>, fetches: string[]): Promise<Record<string, OrtTensor>>
      release(): Promise<void>
    }>
  }
  Tensor: new (type: string, data: unknown, dims: readonly number[]) => unknown
  env: { versions: Record<string, string> }
}

const ortTypes: Record<string, string> = {
  f32: 'float32',
  f64: 'float64',
  i64: 'int64',
  i32: 'int32',
  i8: 'int8',
  u8: 'uint8',
  bool: 'bool',
}

/** The model with every value of the graph among its outputs. */
function withAllOutputs(bytes: Uint8Array, names: readonly string[]): Uint8Array {
  const proto = fromBinary(ModelProtoSchema, bytes)
  const have = new Set(proto.graph?.output.map(({ name }) => name))
  for (const name of names)
    if (!have.has(name)) proto.graph?.output.push(create(ValueInfoProtoSchema, { name }))
  return toBinary(ModelProtoSchema, proto)
}

function relativeError(ours: Tensor, theirs: OrtTensor): number {
  if (ours.shape.join() !== theirs.dims.join()) return Number.POSITIVE_INFINITY
  let [greatest, difference] = [0, 0]
  for (let index = 0; index < theirs.data.length; index++) {
    const [a, b] = [Number(ours.data[index]), Number(theirs.data[index])]
    if (Number.isFinite(b)) greatest = Math.max(greatest, Math.abs(b))
    if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue
    if (!Number.isFinite(a) || !Number.isFinite(b)) return Number.POSITIVE_INFINITY
    difference = Math.max(difference, Math.abs(a - b))
  }
  return difference === 0 ? 0 : difference / (greatest || Number.MIN_VALUE)
}

/**
 * Compares every named value of a model with what ONNX Runtime computes for it, and names the first that differs.
 * Where an output differs, passes of the compiler are switched off one by one to find the one to blame.
 *
 * @param bytes The model's file, whose weights stand inside it (external data is not followed).
 * @throws AscribeError `PACKAGE_MISSING` without onnxruntime-node; `MODEL_INVALID` where it refuses the model.
 */
export async function verifyModel(
  model: Model,
  bytes: Uint8Array,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  const { tolerance = 1e-5, signal } = options
  const innerTolerance = options.innerTolerance ?? 10 * tolerance
  const ort = await loadOptionalPackage<Ort>('onnxruntime-node', 'to verify a model against it')
  const inputs = options.inputs ?? sampleInputs(model, plannedSizes(model, options.sizes), options.seed ?? 0)
  const layers = model.layers()
  const names = layers.map(({ name }) => name)
  const operationOf = new Map(layers.map(({ name, op }) => [name, op]))
  const session = await openSession(ort, withAllOutputs(bytes, names), bytes)
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([name, { dtype, data, shape }]) => [
      name,
      new ort.Tensor(ortTypes[dtype]!, data, shape),
    ]),
  )
  const compare = async (wanted: readonly string[], variant: object): Promise<ValueComparison[]> => {
    const theirs = await session.run(feeds, [...wanted])
    const { outputs } = await model.run(inputs, {
      outputs: wanted,
      guard: false,
      ...variant,
      ...(signal ? { signal } : {}),
    })
    return wanted.map(name => ({
      name,
      op: operationOf.get(name) ?? '',
      error: relativeError(outputs[name]!, theirs[name]!),
      shape: outputs[name]!.shape,
    }))
  }
  try {
    const outputNames = model.outputs.map(({ name }) => name)
    const outputs = await compare(outputNames, {})
    const values: ValueComparison[] = []
    for (let first = 0; first < names.length; first += valuesAtOnce) {
      values.push(...(await compare(names.slice(first, first + valuesAtOnce), {})))
      options.onProgress?.(values.length, names.length)
    }
    const isOff = ({ error }: ValueComparison): boolean => !(error <= tolerance)
    const isOffInside = ({ error }: ValueComparison): boolean => !(error <= innerTolerance)
    const passesToBlame: string[] = []
    if (outputs.some(isOff))
      for (const pass of native().engine().passes)
        if (!(await compare(outputNames, { withoutPasses: [pass] })).some(isOff)) passesToBlame.push(pass)
    return {
      values,
      outputs,
      tolerance,
      innerTolerance,
      firstDivergence: values.find(isOffInside) ?? outputs.find(isOff),
      passesToBlame,
      runtime: `onnxruntime-node ${ort.env.versions.node ?? ort.env.versions.common ?? ''}`.trim(),
    }
  } finally {
    await session.release()
  }
}

async function openSession(ort: Ort, bytes: Uint8Array, original: Uint8Array) {
  // Its optimisations would replace values that are compared.
  const settings = { graphOptimizationLevel: 'disabled', logSeverityLevel: 3 }
  try {
    return await ort.InferenceSession.create(bytes, settings)
  } catch (cause) {
    try {
      await (await ort.InferenceSession.create(original, settings)).release()
    } catch (refusal) {
      throw new AscribeError(
        'MODEL_INVALID',
        `ONNX Runtime refuses the model: ${(refusal as Error).message}`,
        {
          cause: refusal,
        },
      )
    }
    throw new AscribeError(
      'MODEL_INVALID',
      `ONNX Runtime refuses the model with its inner values as outputs: ${(cause as Error).message}`,
      { cause },
    )
  }
}
