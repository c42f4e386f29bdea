import { fromBinary } from '@bufbuild/protobuf'
import type { GraphDescription, NativeStorage, OnnxPayload } from '#typings/addon.js'
import { GraphBuilder, type Value } from '../../graph/builder.js'
import { collectConstants } from './constantNodes.js'
import { elementType } from './dataTypes.js'
import type { OnnxMetadata, OnnxValue } from './declarations.js'
import { foldKnown } from './foldKnown.js'
import { type GraphProto, ModelProtoSchema, type ValueInfoProto } from './generated/onnx_pb.js'
import { declaredValue, metadataOf, opsetsOf } from './metadata.js'
import { type ImportedBody, OnnxNode } from './node.js'
import { liveNodes, type ModelNode, NodeReader, readsOf } from './nodes.js'
import { Pace } from './pace.js'
import { invalidModel, Problems, Unsupported } from './problems.js'
import { Scope } from './scope.js'
import { operators } from './table/index.js'
import { type ParameterSource, Weights } from './weights.js'

/** Operator sets before this one differ in more than the table knows. */
const oldestOpset = 6

/** Operators of the first operator set that mean the same in every later one. */
const unchanged = new Set(['Not', 'Identity', 'Shape', 'Size', 'Transpose', 'Softplus', 'Softsign', 'LRN'])

/** Other domains count their operator sets by themselves. */
const isTooOld = ({ operator, opset }: ModelNode) =>
  !operator.includes('.') && opset < oldestOpset && !unchanged.has(operator)

/** Operands in which even a single number is a weight. */
const weightOperands: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [1, 2, 3, 4],
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  Gather: [0],
  Gemm: [1, 2],
  GroupNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  LayerNormalization: [1, 2],
  MatMul: [0, 1],
  PRelu: [1],
  RMSNormalization: [1],
}

/** A model of the graph language, and the weights that its parameters stand for. */
export interface ImportedModel {
  readonly graph: GraphDescription
  readonly parameters: ParameterSource[]
  readonly inputs: OnnxValue[]
  readonly outputs: OnnxValue[]
  readonly metadata: OnnxMetadata
}

/**
 * Imports the skeleton of an ONNX model, node by node, into the graph language. Shapes are not inferred here.
 *
 * @param skeleton what the native scan left of the file (operator sets 6 and newer).
 * @param payloads where the scan found the large tensors.
 * @param storageFromBuffer wraps the bytes of the small parameters.
 * @throws AscribeError MODEL_UNSUPPORTED_OP, listing everything that is not supported with the nodes' names;
 * MODEL_INVALID, naming the node, for a graph that is malformed; FILE_CORRUPT for bytes that are no skeleton.
 */
export async function importModel(
  skeleton: Uint8Array,
  payloads: readonly OnnxPayload[],
  storageFromBuffer: (bytes: Uint8Array) => NativeStorage,
): Promise<ImportedModel> {
  const model = fromBinary(ModelProtoSchema, skeleton, { readUnknownFields: false })
  const graph = model.graph
  if (!graph || graph.output.length === 0) throw invalidModel('The model has no graph with an output')
  const opsets = opsetsOf(model)
  const pace = new Pace()
  const problems = new Problems()
  const nodes = await new NodeReader(model.functions, opsets, pace).read(graph.node)
  const weights: Weights[] = []
  const importer = new GraphImporter(graph, { payloads, problems, weights })
  const outputs = await importer.import(nodes, pace)
  problems.throwIfAny()
  return {
    graph: importer.builder.build(outputs),
    parameters: weights.flatMap(each => each.parameters(storageFromBuffer)),
    inputs: importer.inputs.map(declaredValue),
    outputs: graph.output.map(declaredValue),
    metadata: metadataOf(model, opsets),
  }
}

/** What all graphs of one model share. */
interface Shared {
  readonly payloads: readonly OnnxPayload[]
  readonly problems: Problems
  /** Weights of every graph, the model's own first. */
  readonly weights: Weights[]
}

class GraphImporter {
  readonly builder = new GraphBuilder()
  readonly scope: Scope
  readonly inputs: ValueInfoProto[]
  readonly #weights: Weights

  /** @param prefix Goes before the names of a body's weights; bodies have one, and surroundings. */
  constructor(
    private readonly graph: GraphProto,
    private readonly shared: Shared,
    prefix = '',
    private readonly outer?: Scope,
  ) {
    this.#weights = new Weights(this.builder, shared.payloads, prefix)
    shared.weights.push(this.#weights)
    this.scope = new Scope(this.builder, this.#weights, outer)
    for (const tensor of graph.initializer) this.#weights.define(tensor.name, tensor, 'initializer')
    for (const { values } of graph.sparseInitializer)
      shared.problems.add('sparse initialiser', values?.name ?? '')
    // Exporters up to 2019 list every weight as an input too.
    this.inputs = graph.input.filter(({ name }) => !this.#weights.has(name))
  }

  async import(all: readonly ModelNode[], pace: Pace): Promise<Value[]> {
    const nodes = this.#prepare(all)
    for (const info of this.inputs) this.#addInput(info)
    for (const node of nodes) {
      await pace.breathe()
      this.#importNode(node)
    }
    return this.#outputs()
  }

  /** The graph of a body, whose inputs `define` makes. */
  importBody(
    all: readonly ModelNode[],
    define: (scope: Scope, inputs: readonly OnnxValue[]) => void,
  ): ImportedBody {
    const nodes = this.#prepare(all)
    define(this.scope, this.inputs.map(declaredValue))
    for (const node of nodes) this.#importNode(node)
    const outputs = this.#outputs()
    return {
      graph: this.builder.build(outputs),
      captured: this.scope.captured.map(({ outside }) => outside),
      outputs: outputs.map(value => ({
        dtype: this.scope.types.dtype(value),
        rank: this.scope.types.rank(value),
      })),
    }
  }

  #prepare(all: readonly ModelNode[]): ModelNode[] {
    const nodes = this.#live(collectConstants(all, this.#weights, this.shared.problems))
    for (const node of nodes) this.#checkSupport(node)
    for (const node of nodes)
      for (const index of weightOperands[node.operator] ?? [])
        this.#weights.markWeight(node.inputs[index] ?? '')
    return nodes
  }

  #outputs(): Value[] {
    if (!this.shared.problems.isEmpty) return []
    return this.graph.output.map(({ name }) => this.scope.value(name))
  }

  #live(nodes: readonly ModelNode[]): ModelNode[] {
    const inputNames = new Set(this.inputs.map(({ name }) => name))
    const names = this.graph.output.map(({ name }) => name)
    const isGiven = (name: string) =>
      inputNames.has(name) ||
      this.#weights.has(name) ||
      (this.outer !== undefined && (this.outer.has(name) || this.outer.isMissing(name)))
    const live = liveNodes(nodes, names, isGiven)
    const produced = new Set(live.flatMap(node => node.outputs))
    const missing = names.find(name => !produced.has(name) && !isGiven(name))
    // A Constant that could not be read is reported as such.
    if (missing !== undefined && this.shared.problems.isEmpty)
      throw invalidModel(`Nothing produces the output "${missing}"`)
    return live
  }

  #addInput(info: ValueInfoProto): void {
    const { problems } = this.shared
    const { name, dtype, shape } = declaredValue(info)
    if (dtype === undefined) {
      const type = info.type?.tensorType
      problems.add(
        type ? `input of element type ${elementType(type.elemType).name}` : 'input that is no tensor',
        name,
      )
      this.scope.defineMissing(name)
    } else if (shape === undefined) {
      problems.add('input without a declared rank', name)
      this.scope.defineMissing(name)
    } else {
      this.scope.define(name, this.builder.input(name, dtype, shape))
    }
  }

  #checkSupport(node: ModelNode): void {
    const { problems } = this.shared
    if (!Object.hasOwn(operators, node.operator) && node.operator !== 'Constant') {
      problems.add(node.operator, node.label)
      for (const { nodes } of node.bodies.values()) for (const inner of nodes) this.#checkSupport(inner)
    } else if (isTooOld(node)) {
      problems.add(`${node.operator} of operator set ${node.opset}`, node.label)
    }
  }

  #importNode(node: ModelNode): void {
    const isMissing = readsOf(node).some(name => this.scope.isMissing(name))
    const operator = operators[node.operator]
    if (isMissing || !operator || isTooOld(node)) {
      this.#skip(node)
      return
    }
    try {
      const context = new OnnxNode(node, this.scope, (body, outer, prefix, define) =>
        new GraphImporter(body.graph, this.shared, prefix, outer).importBody(body.nodes, define),
      )
      const before = this.builder.nodes.length
      const imported = operator(context)
      this.scope.carryThrough(before)
      const unread = [...context.attributes.unread, ...context.unreadBodies]
      if (unread.length > 0) throw new Unsupported(`attribute ${unread.join(', ')}`)
      if (!this.shared.problems.isEmpty && node.bodies.size > 0) this.#skip(node)
      else this.#defineOutputs(node, Array.isArray(imported) ? imported : [imported])
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error
      this.shared.problems.add(`${node.operator} (${error.message})`, node.label)
      this.#skip(node)
    }
  }

  #defineOutputs(node: ModelNode, results: readonly Value[]): void {
    const ranks = results.map(value => ({ rank: this.scope.types.rank(value) }))
    const known = foldKnown(node, name => (name === '' ? undefined : this.scope.known(name)), ranks)
    node.outputs.forEach((name, index) => {
      if (name === '') return
      const value = results[index]
      if (!value) throw new Unsupported(`output ${index}`)
      this.scope.define(name, this.builder.named(value, name))
      if (known && index === 0) this.scope.defineKnown(name, known)
    })
  }

  #skip(node: ModelNode): void {
    for (const name of node.outputs) if (name !== '') this.scope.defineMissing(name)
  }
}
