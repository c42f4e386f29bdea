import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AttributeGiven, Float } from '../onnxWriter.js'
import { repositoryRoot } from '../repository.js'
import { type CaseInput, type OnnxCase, oneNode } from './case.js'

interface Recorded {
  name: string
  op: string
  opset: number
  operands: string[]
  attributes: Record<string, number | string>
  inputs: Record<string, CaseInput>
  outputs: Record<string, CaseInput>
}

export interface RecordedCase extends OnnxCase {
  expected: Readonly<Record<string, CaseInput>>
}

/** Attributes of these operators that are real numbers, also where they are whole. */
const reals = new Set(['alpha', 'scale'])

const cases = JSON.parse(
  readFileSync(join(repositoryRoot, 'test/oracles/onnx_reference.json'), 'utf8'),
) as Recorded[]

/** Operators that ONNX Runtime does not know yet: test/oracles/onnx_reference.py recorded what the onnx package gives. */
export const recordedCases: readonly RecordedCase[] = cases.map(one => {
  const attributes = Object.entries(one.attributes).map(([name, value]): [string, AttributeGiven] => [
    name,
    typeof value === 'number' && reals.has(name) ? new Float(value) : value,
  ])
  const outputs = Object.keys(one.outputs)
  const outputTypes = Object.fromEntries(
    outputs.map(name => [name, one.outputs[name]!.dtype ?? ('f32' as const)]),
  )
  const { name: _, ...rest } = oneNode(one.op, one.opset, {
    inputs: one.inputs,
    operands: one.operands,
    attributes: Object.fromEntries(attributes),
    outputs,
    outputTypes,
  })
  return { ...rest, name: one.name, expected: one.outputs }
})
