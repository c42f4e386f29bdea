import type { GraphDescription, ValueDescription } from '#typings/addon.js'
import type { Tensor } from '../data/tensor.js'
import { knownOperands, readsShapeOnly } from './knownInputs.js'

/** What has to run before the rest of a graph can be compiled. */
export interface Stage {
  /** Computes what the rest waits for, and what it goes on from; undefined where the inputs themselves are waited for. */
  readonly graph: GraphDescription | undefined
  /** Inputs, by name, that the rest needs as constants. */
  readonly inputs: readonly string[]
  /** The rest of the graph, given the results of this stage's graph in order, and those inputs. */
  rest(results: readonly Tensor[], inputs: Readonly<Record<string, Tensor>>): StagedGraph
}

export interface StagedGraph {
  graph: GraphDescription
  /** Inputs of the rest that earlier stages computed. */
  inputs: Record<string, Tensor>
  /** Contents and sizes that the rest is compiled for. */
  key: string
}

/** Values computed from an input, by more than its shape. */
function dataValues(graph: GraphDescription): Set<number> {
  const data = new Set(graph.inputs)
  for (const node of graph.nodes)
    if (node.inputs.some((input, at) => data.has(input) && !readsShapeOnly(node, at)))
      for (const output of node.outputs) data.add(output)
  return data
}

/** Values that shapes, axes or counts are read from though they are data, none of which waits for another. */
function awaited(graph: GraphDescription): Set<number> {
  const data = dataValues(graph)
  const blocked = new Set<number>()
  const found = new Set<number>()
  for (const node of graph.nodes) {
    // Here a condition of data is known too: only the branch that is taken runs.
    const needed = knownOperands(node, graph, true)
      .map(at => node.inputs[at] as number)
      .filter(value => data.has(value))
    if (needed.length === 0 && !node.inputs.some(input => blocked.has(input))) continue
    for (const output of node.outputs) blocked.add(output)
    for (const value of needed) if (!blocked.has(value)) found.add(value)
  }
  return found
}

/** The next stage of a graph whose shapes depend on data; undefined where it can be compiled as it is. */
export function nextStage(graph: GraphDescription): Stage | undefined {
  const known = awaited(graph)
  if (known.size === 0) return undefined
  const needed = new Set(known)
  const prefix = new Set<number>()
  for (let at = graph.nodes.length - 1; at >= 0; at--) {
    const node = graph.nodes[at]!
    if (!node.outputs.some(output => needed.has(output))) continue
    prefix.add(at)
    for (const input of node.inputs) needed.add(input)
  }
  const produced = new Set([...prefix].flatMap(at => graph.nodes[at]!.outputs))
  const later = graph.nodes.filter((_, at) => !prefix.has(at))
  const read = new Set([...later.flatMap(node => node.inputs), ...graph.outputs])
  const passedOn = [...produced]
    .filter(value => read.has(value) && !known.has(value))
    .toSorted((a, b) => a - b)
  const waitsFor = [...known].filter(value => produced.has(value))
  const given = [...known].filter(value => !produced.has(value))
  const nameOf = (value: number) => graph.values[value]?.name ?? `stage.${value}`
  const outputs = [...waitsFor, ...passedOn]
  const stage: GraphDescription = {
    ...graph,
    nodes: graph.nodes.filter((_, at) => prefix.has(at)),
    inputs: graph.inputs.filter(input => needed.has(input)),
    outputs,
  }
  return {
    graph: prefix.size === 0 ? undefined : stage,
    inputs: given.map(nameOf),
    rest(results, inputs) {
      const values: ValueDescription[] = [...graph.values]
      const constant = (value: number, { dtype, shape, data }: Tensor) => {
        const name = graph.values[value]?.name
        values[value] = {
          kind: 'constant',
          dtype,
          shape: [...shape],
          data,
          ...(name === undefined ? {} : { name }),
        }
      }
      waitsFor.forEach((value, at) => {
        constant(value, results[at]!)
      })
      for (const value of given) constant(value, inputs[nameOf(value)]!)
      const computed: Record<string, Tensor> = {}
      passedOn.forEach((value, at) => {
        const tensor = results[waitsFor.length + at]!
        computed[nameOf(value)] = tensor
        values[value] = {
          kind: 'input',
          name: nameOf(value),
          dtype: tensor.dtype,
          shape: [...tensor.shape],
        }
      })
      const contents = [...known].map(value => {
        const { data, shape } = values[value] as { data: Tensor['data']; shape: number[] }
        return [value, shape, Array.from(data as ArrayLike<number | bigint>, String)]
      })
      return {
        graph: {
          ...graph,
          values,
          nodes: later,
          inputs: [...graph.inputs.filter(input => !known.has(input)), ...passedOn],
        },
        inputs: computed,
        key: JSON.stringify([contents, passedOn.map((_, at) => results[waitsFor.length + at]!.shape)]),
      }
    },
  }
}
