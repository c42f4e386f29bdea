import type { DTypeName } from '#typings/addon.js'
import { loadOptionalPackage } from '../../data/optionalPackage.js'
import { createTensor, type DType, type Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { expectList, expectObject, expectStrings } from '../../validate.js'
import { BlackBox, type BlackBoxOptions } from './blackBox.js'

// ONNX Runtime's own types would be asked of everybody who compiles against this package.
interface SessionTensor {
  readonly type: string
  readonly dims: readonly number[]
  readonly data: unknown
}

/** What is read of an `InferenceSession` of ONNX Runtime. */
export interface OnnxRuntimeSession {
  readonly inputMetadata: readonly (
    | { readonly name: string; readonly isTensor: false }
    | {
        readonly name: string
        readonly isTensor: true
        readonly type: string
        readonly shape: readonly (number | string)[]
      }
  )[]
  readonly outputNames: readonly string[]
  run(feeds: never): Promise<{ readonly [name: string]: SessionTensor }>
}

/** What is needed of ONNX Runtime beside a session. */
export interface OnnxRuntime {
  readonly Tensor: new (type: never, data: never, dims: readonly number[]) => SessionTensor
}

export interface OnnxRuntimeOptions extends Omit<BlackBoxOptions, 'inputs'> {
  /** The package that made the session. Default: `onnxruntime-node`, which must be installed. */
  runtime?: OnnxRuntime
}

const typeNames: Record<string, DType> = {
  float32: 'f32',
  float64: 'f64',
  int64: 'i64',
  int32: 'i32',
  int8: 'i8',
  uint8: 'u8',
  bool: 'bool',
}
const sessionTypes = Object.fromEntries(Object.entries(typeNames).map(([theirs, ours]) => [ours, theirs]))

/**
 * Explains a model in a session of ONNX Runtime, on whichever device it runs there. Inputs, their shapes and outputs are
 * read off the session.
 *
 * @throws AscribeError `PACKAGE_MISSING`; `INPUT_DTYPE` for element types that this library lacks.
 * @example fromOnnxRuntime(await InferenceSession.create('model.onnx'), { preprocessing: 'imagenet', labels })
 */
export async function fromOnnxRuntime(
  session: OnnxRuntimeSession,
  options: OnnxRuntimeOptions = {},
): Promise<BlackBox> {
  const { runtime, ...rest } = expectObject('options', options) as OnnxRuntimeOptions
  expectList('session.inputMetadata', expectObject('session', session).inputMetadata as readonly unknown[])
  expectStrings('session.outputNames', session.outputNames)
  const { Tensor: SessionTensorClass } =
    runtime ?? (await loadOptionalPackage<OnnxRuntime>('onnxruntime-node', 'to run its sessions'))
  const inputs = session.inputMetadata.map(value => {
    if (!value.isTensor) throw new AscribeError('INPUT_DTYPE', `Input "${value.name}" is no tensor`)
    const dtype = typeNames[value.type] as DTypeName | undefined
    if (dtype === undefined)
      throw new AscribeError('INPUT_DTYPE', `Input "${value.name}" has elements of type ${value.type}`)
    return { name: value.name, dtype, shape: [...value.shape] }
  })
  return new BlackBox({
    outputs: [...session.outputNames],
    name: 'onnxruntime',
    ...rest,
    inputs,
    run: async given => {
      const feeds = Object.fromEntries(
        Object.entries(given).map(([name, { dtype, shape, data }]) => [
          name,
          new SessionTensorClass(sessionTypes[dtype] as never, data as never, [...shape]),
        ]),
      )
      const results = await session.run(feeds as never)
      return Object.fromEntries(
        Object.entries(results).map(([name, tensor]) => [name, fromSession(name, tensor)]),
      )
    },
  })
}

function fromSession(name: string, { type, dims, data }: SessionTensor): Tensor {
  const dtype = typeNames[type]
  if (dtype === undefined)
    throw new AscribeError('INPUT_DTYPE', `Output "${name}" has elements of type ${type}`)
  return createTensor(dtype, [...dims], data as Float32Array)
}
