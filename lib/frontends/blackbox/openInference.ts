import { createTensor, type DType, elementCount, maximumRank, type Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'

/** How batches become requests, and answers outputs. */
export interface HttpFormat {
  /** The body of a request; what it holds is also what answers are remembered by. */
  encode(inputs: Readonly<Record<string, Tensor>>, outputs: readonly string[]): unknown
  /** Outputs by name from an answer, which is not to be trusted. */
  decode(answer: unknown): Readonly<Record<string, Tensor>>
}

const names: Record<DType, string> = {
  f64: 'FP64',
  f32: 'FP32',
  i64: 'INT64',
  i32: 'INT32',
  i8: 'INT8',
  u8: 'UINT8',
  bool: 'BOOL',
}
const types = Object.fromEntries(Object.entries(names).map(([type, name]) => [name, type as DType]))

/** JSON has neither NaN nor infinity, and its numbers are doubles. */
function exact(value: number | bigint, name: string): number {
  const number = Number(value)
  if (Number.isFinite(number) && (typeof value === 'number' || Number.isSafeInteger(number))) return number
  throw new AscribeError('INPUT_VALUE', `Input "${name}" holds ${value}, which cannot be sent`)
}

const malformed = (what: string): AscribeError =>
  new AscribeError('REMOTE_FAILED', `The answer does not follow the open inference protocol: ${what}`)

/**
 * The open inference protocol (KServe version 2), which Triton, KServe, MLServer and OpenVINO's server speak: tensors
 * with name, shape, data type and numbers.
 */
export const openInference: HttpFormat = {
  encode(inputs, outputs) {
    return {
      inputs: Object.entries(inputs).map(([name, { dtype, shape, data }]) => ({
        name,
        shape: [...shape],
        datatype: names[dtype],
        data: Array.from(data as ArrayLike<number | bigint>, value => exact(value, name)),
      })),
      outputs: outputs.map(name => ({ name })),
    }
  },
  decode(answer) {
    const list = (answer as { outputs?: unknown } | null)?.outputs
    if (!Array.isArray(list)) throw malformed('there is no list of outputs')
    return Object.fromEntries(list.map(decodeTensor))
  },
}

function decodeTensor(given: unknown, at: number): [string, Tensor] {
  const { name, shape, datatype, data } = (given ?? {}) as Record<string, unknown>
  if (typeof name !== 'string') throw malformed(`output ${at} has no name`)
  const dtype = typeof datatype === 'string' && Object.hasOwn(types, datatype) ? types[datatype] : undefined
  if (dtype === undefined) throw malformed(`output "${name.slice(0, 60)}" has an unknown data type`)
  if (!Array.isArray(shape) || !Array.isArray(data))
    throw malformed(`output "${name.slice(0, 60)}" has no shape or no data`)
  try {
    const flat = data.flat(maximumRank) as number[]
    if (elementCount(shape as number[]) !== flat.length)
      throw malformed(`output "${name.slice(0, 60)}" has ${flat.length} numbers for its shape`)
    return [name, createTensor(dtype, shape as number[], flat)]
  } catch (cause) {
    if (cause instanceof AscribeError && cause.code === 'REMOTE_FAILED') throw cause
    throw malformed(`output "${name.slice(0, 60)}": ${(cause as Error).message}`)
  }
}
