import type { Tensor } from '#lib/data/tensor.js'
import type { TensorProto } from '#lib/frontends/onnx/generated/onnx_pb.js'
import { type AttributeGiven, type ModelGiven, valueInfo } from '../onnxWriter.js'

/** An input of a case: its shape, and how its elements are drawn (deterministically, from `name` and position). */
export interface CaseInput {
  shape: number[]
  dtype?: 'f32' | 'i64' | 'i32' | 'i8' | 'u8' | 'bool' | 'f64'
  /** Elements lie in [low, high); default -2 to 2, integers 0 to 2. */
  low?: number
  high?: number
  values?: number[]
  /** Declared sizes where they are symbols. */
  declared?: (number | string)[]
}

/** One small model that onnxruntime and ascribe must agree on. */
export interface OnnxCase {
  name: string
  model: ModelGiven
  inputs: Record<string, CaseInput>
  outputs: string[]
}

const elementTypes = { f32: 1, u8: 2, i8: 3, i32: 6, i64: 7, bool: 9, f64: 11 }

export interface OneNode {
  /** Of the operator; default ONNX's own. */
  domain?: string
  inputs: Record<string, CaseInput>
  /** Inputs of the node in order; default the case's inputs, then its tensors. */
  operands?: string[]
  tensors?: TensorProto[]
  attributes?: Record<string, AttributeGiven>
  outputs?: string[]
  outputType?: keyof typeof elementTypes
  /** Where results differ in it. */
  outputTypes?: Record<string, keyof typeof elementTypes>
  note?: string
}

/** A model of one node. */
export function oneNode(op: string, opset: number, given: OneNode): OnnxCase {
  const operands = given.operands ?? [
    ...Object.keys(given.inputs),
    ...(given.tensors ?? []).map(({ name }) => name),
  ]
  const results = given.outputs ?? ['y']
  const outputs = results.filter(name => name !== '')
  return {
    name: `${given.domain ? `${given.domain}.${op}` : `${op}-${opset}`}${given.note ? ` ${given.note}` : ''}`,
    model: {
      opset,
      ...(given.domain ? { domains: { [given.domain]: 1 } } : {}),
      nodes: [
        {
          op,
          ...(given.domain ? { domain: given.domain } : {}),
          inputs: operands,
          outputs: results,
          attributes: given.attributes ?? {},
        },
      ],
      tensors: given.tensors ?? [],
      inputs: declare(given.inputs),
      outputs: outputs.map(name =>
        valueInfo(name, undefined, elementTypes[given.outputTypes?.[name] ?? given.outputType ?? 'f32']),
      ),
    },
    inputs: given.inputs,
    outputs,
  }
}

export function declare(inputs: Record<string, CaseInput>) {
  return Object.entries(inputs).map(([name, { shape, declared, dtype }]) =>
    valueInfo(name, declared ?? shape, elementTypes[dtype ?? 'f32']),
  )
}

/** Elements of an input, the same in every run. */
export function elementsOf(name: string, input: CaseInput): number[] {
  const count = input.shape.reduce((a, b) => a * b, 1)
  if (input.values) return input.values
  const isWhole = !['f32', 'f64', undefined].includes(input.dtype)
  const low = input.low ?? (isWhole ? 0 : -2)
  const high = input.high ?? 2
  let state = [...name].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7) >>> 0
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const value = low + (high - low) * (state / 2 ** 32)
    return isWhole ? Math.floor(value) : value
  })
}

/** The input as a tensor. */
export function tensorOf(name: string, input: CaseInput): Tensor {
  const elements = elementsOf(name, input)
  const dtype = input.dtype ?? 'f32'
  const data = {
    f32: () => Float32Array.from(elements),
    f64: () => Float64Array.from(elements),
    i64: () => BigInt64Array.from(elements, BigInt),
    i32: () => Int32Array.from(elements),
    i8: () => Int8Array.from(elements),
    u8: () => Uint8Array.from(elements),
    bool: () => Uint8Array.from(elements),
  }[dtype]()
  return { dtype, shape: input.shape, data } as Tensor
}

/** An operator as the import table calls it. */
export const operatorOf = ({ op, domain }: { op: string; domain?: string }): string =>
  domain ? `${domain}.${op}` : op
