import { create } from '@bufbuild/protobuf'
import { type GraphProto, GraphProtoSchema } from '#lib/frontends/onnx/generated/onnx_pb.js'
import { encodeNode, floats, integers, type NodeGiven, tensor, valueInfo } from '../onnxWriter.js'
import { type CaseInput, declare, type OnnxCase } from './case.js'

interface BodyGiven {
  name: string
  nodes: NodeGiven[]
  inputs?: ReturnType<typeof valueInfo>[]
  outputs: ReturnType<typeof valueInfo>[]
  tensors?: ReturnType<typeof tensor>[]
}

const body = ({ name, nodes, inputs = [], outputs, tensors = [] }: BodyGiven): GraphProto =>
  create(GraphProtoSchema, {
    name,
    node: nodes.map(encodeNode),
    input: inputs,
    output: outputs,
    initializer: tensors,
  })

const shown = (name: string, shape?: (number | string | null)[]) => valueInfo(name, shape)
const truth = (name: string, value: boolean) => tensor(name, [], Uint8Array.of(value ? 1 : 0), 9)

function whole(
  name: string,
  nodes: NodeGiven[],
  inputs: Record<string, CaseInput>,
  outputs: string[],
  tensors: ReturnType<typeof tensor>[] = [],
  opset = 16,
): OnnxCase {
  return {
    name,
    model: {
      opset,
      nodes,
      tensors,
      inputs: declare(inputs),
      outputs: outputs.map(output => valueInfo(output)),
    },
    inputs,
    outputs,
  }
}

/** Both branches read what surrounds them and have weights of their own that are called alike. */
const branches = {
  then_branch: body({
    name: 'yes',
    nodes: [
      { op: 'MatMul', inputs: ['x', 'w'], outputs: ['m'] },
      { op: 'Tanh', inputs: ['m'], outputs: ['r'] },
    ],
    outputs: [shown('r')],
    tensors: [floats('w', [4, 4], at => Math.sin(at))],
  }),
  else_branch: body({
    name: 'no',
    nodes: [
      { op: 'MatMul', inputs: ['x', 'w'], outputs: ['m'] },
      { op: 'Mul', inputs: ['m', 'x'], outputs: ['q'] },
      { op: 'Add', inputs: ['q', 'shift'], outputs: ['r'] },
    ],
    outputs: [shown('r')],
    tensors: [floats('w', [4, 4], at => Math.cos(at))],
  }),
}
const shift = floats('shift', [4])

const conditional = (note: string, condition: 'yes' | 'no' | 'data' | 'shape'): OnnxCase => {
  const nodes: NodeGiven[] =
    condition === 'shape'
      ? [
          { op: 'Shape', inputs: ['x'], outputs: ['s'] },
          { op: 'Gather', inputs: ['s', 'first'], outputs: ['rows'] },
          { op: 'Equal', inputs: ['rows', 'three'], outputs: ['c'] },
        ]
      : condition === 'data'
        ? [
            { op: 'ReduceSum', inputs: ['x'], outputs: ['total'], attributes: { keepdims: 0 } },
            { op: 'Greater', inputs: ['total', 'limit'], outputs: ['c'] },
          ]
        : []
  const single = (name: string, value: number) => tensor(name, [], BigInt64Array.of(BigInt(value)))
  return whole(
    `If-16 ${note}`,
    [...nodes, { op: 'If', inputs: ['c'], outputs: ['y'], attributes: branches }],
    { x: { shape: [3, 4] } },
    ['y'],
    [
      shift,
      ...(condition === 'shape' ? [single('first', 0), single('three', 3)] : []),
      ...(condition === 'data' ? [tensor('limit', [], Float32Array.of(0.5))] : []),
      ...(nodes.length === 0 ? [truth('c', condition === 'yes')] : []),
    ],
  )
}

/** A loop in a branch, whose body holds a branch on its trip. */
const nested = whole(
  'If-16 with a loop that branches',
  [
    { op: 'Size', inputs: ['x'], outputs: ['n'] },
    { op: 'Greater', inputs: ['n', 'two'], outputs: ['c'] },
    {
      op: 'If',
      inputs: ['c'],
      outputs: ['y'],
      attributes: {
        then_branch: body({
          name: 'yes',
          nodes: [
            {
              op: 'Loop',
              inputs: ['trips', '', 'x'],
              outputs: ['r'],
              attributes: {
                body: body({
                  name: 'trip',
                  inputs: [valueInfo('i', [], 7), valueInfo('go', [], 9), shown('v')],
                  outputs: [valueInfo('goes', [], 9), shown('u')],
                  nodes: [
                    { op: 'Identity', inputs: ['go'], outputs: ['goes'] },
                    { op: 'Equal', inputs: ['i', 'one'], outputs: ['isOne'] },
                    {
                      op: 'If',
                      inputs: ['isOne'],
                      outputs: ['u'],
                      attributes: {
                        then_branch: body({
                          name: 'a',
                          nodes: [{ op: 'Exp', inputs: ['v'], outputs: ['p'] }],
                          outputs: [shown('p')],
                        }),
                        else_branch: body({
                          name: 'b',
                          nodes: [{ op: 'Mul', inputs: ['v', 'half'], outputs: ['p'] }],
                          outputs: [shown('p')],
                        }),
                      },
                    },
                  ],
                  tensors: [
                    tensor('one', [], BigInt64Array.of(1n)),
                    tensor('half', [], Float32Array.of(0.5)),
                  ],
                }),
              },
            },
          ],
          outputs: [shown('r')],
        }),
        else_branch: body({
          name: 'no',
          nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['r'] }],
          outputs: [shown('r')],
        }),
      },
    },
  ],
  { x: { shape: [2, 3] } },
  ['y'],
  [tensor('two', [], BigInt64Array.of(2n)), tensor('trips', [], BigInt64Array.of(3n))],
)

/** h' = tanh(h w + i), rows stacked; the surroundings' weight. */
const repeated = (note: string, condition: boolean): OnnxCase =>
  whole(
    `Loop-16 ${note}`,
    [
      {
        op: 'Loop',
        inputs: ['trips', condition ? 'start' : '', 'x'],
        outputs: ['last', 'all'],
        attributes: {
          body: body({
            name: 'trip',
            inputs: [valueInfo('i', [], 7), valueInfo('go', [], 9), shown('h')],
            outputs: [valueInfo('goes', [], 9), shown('next'), shown('row')],
            nodes: [
              { op: 'Less', inputs: ['i', 'most'], outputs: ['goes'] },
              { op: 'MatMul', inputs: ['h', 'w'], outputs: ['m'] },
              { op: 'Cast', inputs: ['i'], outputs: ['number'], attributes: { to: 1 } },
              { op: 'Add', inputs: ['m', 'number'], outputs: ['a'] },
              { op: 'Tanh', inputs: ['a'], outputs: ['next'] },
              { op: 'ReduceSum', inputs: ['next', 'axis'], outputs: ['row'], attributes: { keepdims: 0 } },
            ],
            tensors: [tensor('most', [], BigInt64Array.of(2n)), integers('axis', [1])],
          }),
        },
      },
    ],
    { x: { shape: [2, 3] } },
    ['last', 'all'],
    [
      floats('w', [3, 3], at => Math.sin(at * 1.1)),
      tensor('trips', [], BigInt64Array.of(5n)),
      truth('start', true),
    ],
  )

/** A sum that runs along an axis, and its products with the other scanned input. */
const scanned = (note: string, attributes: NonNullable<NodeGiven['attributes']>, axis: number): OnnxCase =>
  whole(
    `Scan-16 ${note}`,
    [
      {
        op: 'Scan',
        inputs: ['start', 'x', 'z'],
        outputs: ['sum', 'rows'],
        attributes: {
          num_scan_inputs: 2,
          body: body({
            name: 'step',
            inputs: [shown('s', [3]), shown('a', [3]), shown('b', [3])],
            outputs: [shown('t', [3]), shown('p', [3])],
            nodes: [
              { op: 'Add', inputs: ['s', 'a'], outputs: ['t'] },
              { op: 'Mul', inputs: ['t', 'b'], outputs: ['q'] },
              { op: 'Mul', inputs: ['q', 'factor'], outputs: ['p'] },
            ],
          }),
          ...attributes,
        },
      },
    ],
    { start: { shape: [3] }, x: { shape: axis === 0 ? [4, 3] : [3, 4] }, z: { shape: [4, 3] } },
    ['sum', 'rows'],
    [tensor('factor', [], Float32Array.of(1.5))],
  )

/** Control flow: branches, loops and scans, what they take from outside, and each in another. */
export const controlCases: readonly OnnxCase[] = [
  conditional('a constant that holds', 'yes'),
  conditional('a constant that does not', 'no'),
  conditional('on a shape', 'shape'),
  conditional('on data', 'data'),
  nested,
  repeated('by count', false),
  repeated('by count and condition', true),
  scanned('forwards', {}, 0),
  scanned('backwards', { scan_input_directions: [1, 0] }, 0),
  scanned('along other axes', { scan_input_axes: [1, 0], scan_output_axes: [1] }, 1),
]
