import { fromBinary } from '@bufbuild/protobuf'
import {
  type AttributeProto,
  type FunctionProto,
  type GraphProto,
  type NodeProto,
  NodeProtoSchema,
} from './generated/onnx_pb.js'
import type { Pace } from './pace.js'
import { invalidModel } from './problems.js'

/** One node of a model after its functions have been put in place. */
export interface ModelNode {
  /** How messages call it: its name, else its operator and first output. */
  label: string
  /** Domain and operator; the default domain is left out. */
  operator: string
  /** Version of the operator set that its operator is of. */
  opset: number
  inputs: string[]
  outputs: string[]
  attributes: AttributeProto[]
  /** Graphs that a control-flow node carries, by attribute. */
  bodies: ReadonlyMap<string, ModelBody>
}

/** A graph inside a node, its nodes decoded. */
export interface ModelBody {
  graph: GraphProto
  nodes: ModelNode[]
  /** Names that it reads and does not define. */
  free: ReadonlySet<string>
}

/** Operator set versions by domain; the default domain is ''. */
export type Opsets = ReadonlyMap<string, number>

const maximumNodes = 1_000_000
const maximumNesting = 32

export function normalDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain
}

function qualified(domain: string, operator: string): string {
  const normal = normalDomain(domain)
  return normal === '' ? operator : `${normal}.${operator}`
}

const functionKey = (domain: string, name: string, overload: string) =>
  JSON.stringify([normalDomain(domain), name, overload])

/** Names as the caller knows them, for the body of a function. */
type Renaming = (name: string) => string

/** Decodes the nodes of a graph, with the bodies of the model's own functions in place of their calls. */
export class NodeReader {
  #count = 0
  readonly #functions = new Map<string, FunctionProto>()
  readonly #prefixes = new Set<string>()

  constructor(
    functions: readonly FunctionProto[],
    private readonly opsets: Opsets,
    private readonly pace: Pace,
  ) {
    for (const one of functions) this.#functions.set(functionKey(one.domain, one.name, one.overload), one)
  }

  async read(encoded: readonly Uint8Array[]): Promise<ModelNode[]> {
    const nodes: ModelNode[] = []
    await this.#read(encoded, this.opsets, name => name, new Map(), 0, nodes)
    return nodes
  }

  async #read(
    encoded: readonly Uint8Array[],
    opsets: Opsets,
    rename: Renaming,
    references: ReadonlyMap<string, AttributeProto>,
    depth: number,
    into: ModelNode[],
  ): Promise<void> {
    if (depth > maximumNesting)
      throw invalidModel(`The functions and graphs of the model are nested more than ${maximumNesting} deep`)
    for (const bytes of encoded) {
      await this.pace.breathe()
      const node = fromBinary(NodeProtoSchema, bytes, { readUnknownFields: false })
      node.input = node.input.map(rename)
      node.output = node.output.map(rename)
      node.attribute = resolveReferences(node.attribute, references)
      const called = this.#functions.get(functionKey(node.domain, node.opType, node.overload))
      if (called) await this.#inline(node, called, depth, into)
      else await this.#add(node, opsets, rename, references, depth, into)
    }
  }

  async #add(
    node: NodeProto,
    opsets: Opsets,
    rename: Renaming,
    references: ReadonlyMap<string, AttributeProto>,
    depth: number,
    into: ModelNode[],
  ): Promise<void> {
    if (++this.#count > maximumNodes) throw invalidModel(`The model has more than ${maximumNodes} nodes`)
    const bodies = new Map<string, ModelBody>()
    for (const { name, g } of node.attribute)
      if (g) bodies.set(name, await this.#body(g, opsets, rename, references, depth + 1))
    into.push({
      label: labelOf(node),
      operator: qualified(node.domain, node.opType),
      opset: opsets.get(normalDomain(node.domain)) ?? 1,
      inputs: node.input,
      outputs: node.output,
      attributes: node.attribute.filter(({ g }) => g === undefined),
      bodies,
    })
  }

  /** Names that the graph defines itself stay; all others are the surroundings' and renamed as these are. */
  async #body(
    graph: GraphProto,
    opsets: Opsets,
    rename: Renaming,
    references: ReadonlyMap<string, AttributeProto>,
    depth: number,
  ): Promise<ModelBody> {
    const own = new Set([
      '',
      ...graph.input.map(({ name }) => name),
      ...graph.initializer.map(({ name }) => name),
    ])
    for (const bytes of graph.node)
      for (const name of fromBinary(NodeProtoSchema, bytes, { readUnknownFields: false }).output)
        own.add(name)
    const inner = (name: string) => (own.has(name) ? name : rename(name))
    const nodes: ModelNode[] = []
    await this.#read(graph.node, opsets, inner, references, depth, nodes)
    const free = new Set<string>()
    const read = (name: string) => {
      if (!own.has(name)) free.add(name)
    }
    const produced = new Set(nodes.flatMap(node => node.outputs))
    for (const node of nodes) for (const name of readsOf(node)) if (!produced.has(name)) read(name)
    const outputs = graph.output.map(output => ({ ...output, name: inner(output.name) }))
    for (const { name } of outputs) read(name)
    return { graph: { ...graph, output: outputs }, nodes, free }
  }

  async #inline(call: NodeProto, body: FunctionProto, depth: number, into: ModelNode[]): Promise<void> {
    const label = labelOf(call)
    if (call.input.length > body.input.length || call.output.length > body.output.length)
      throw invalidModel(`Node ${label} passes more values than the function "${body.name}" has`)
    const prefix = this.#freshPrefix(label)
    const outer = new Map<string, string>([['', '']])
    body.input.forEach((name, index) => {
      outer.set(name, call.input[index] ?? '')
    })
    body.output.forEach((name, index) => {
      if (call.output[index]) outer.set(name, call.output[index])
    })
    const references = new Map(body.attributeProto.map(one => [one.name, one]))
    for (const given of call.attribute) references.set(given.name, given)
    const opsets = new Map(body.opsetImport.map(one => [normalDomain(one.domain), Number(one.version)]))
    const rename = (name: string) => outer.get(name) ?? prefix + name
    await this.#read(body.node, opsets, rename, references, depth + 1, into)
  }

  #freshPrefix(label: string): string {
    let prefix = `${label}/`
    for (let copy = 2; this.#prefixes.has(prefix); copy++) prefix = `${label}#${copy}/`
    this.#prefixes.add(prefix)
    return prefix
  }
}

/** Everything that a node reads, the names that its graphs take from outside among them. */
export const readsOf = (node: ModelNode): string[] =>
  node.bodies.size === 0
    ? node.inputs
    : [...node.inputs, ...[...node.bodies.values()].flatMap(({ free }) => [...free])]

function labelOf(node: NodeProto): string {
  return node.name || `${node.opType}(${node.output.find(name => name !== '') ?? ''})`
}

/** In a function's body an attribute may stand for one of the call; where the call has none, so has the node. */
function resolveReferences(
  attributes: AttributeProto[],
  references: ReadonlyMap<string, AttributeProto>,
): AttributeProto[] {
  return attributes.flatMap(attribute => {
    if (attribute.refAttrName === '') return [attribute]
    const given = references.get(attribute.refAttrName)
    return given ? [{ ...given, name: attribute.name }] : []
  })
}

/**
 * The nodes that `outputs` depend on, every producer before its readers; in the file's order where that is one.
 *
 * @param isGiven whether a name is an input or tensor of the model.
 */
export function liveNodes(
  nodes: readonly ModelNode[],
  outputs: readonly string[],
  isGiven: (name: string) => boolean,
): ModelNode[] {
  const producers = producersOf(nodes, isGiven)
  const needed = new Set<number>()
  const pending = outputs.map(name => producers.get(name)).filter(index => index !== undefined)
  while (pending.length > 0) {
    const index = pending.pop()!
    if (needed.has(index)) continue
    needed.add(index)
    for (const name of readsOf(nodes[index]!)) {
      const producer = producers.get(name)
      if (producer !== undefined) pending.push(producer)
      else if (name !== '' && !isGiven(name))
        throw invalidModel(`Node ${nodes[index]!.label} reads "${name}", which nothing produces`)
    }
  }
  return inOrder(nodes, needed, producers)
}

function producersOf(nodes: readonly ModelNode[], isGiven: (name: string) => boolean): Map<string, number> {
  const producers = new Map<string, number>()
  nodes.forEach((node, index) => {
    for (const name of node.outputs) {
      if (name === '') continue
      if (producers.has(name) || isGiven(name))
        throw invalidModel(`Node ${node.label} produces "${name}", which is already a value of the model`)
      producers.set(name, index)
    }
  })
  return producers
}

/** Depth first without recursion: chains of a hundred thousand nodes are no reason to overflow the stack. */
function inOrder(
  nodes: readonly ModelNode[],
  needed: ReadonlySet<number>,
  producers: ReadonlyMap<string, number>,
): ModelNode[] {
  const ordered: ModelNode[] = []
  const state = new Uint8Array(nodes.length) // 1: begun, 2: done
  for (let root = 0; root < nodes.length; root++) {
    if (!needed.has(root) || state[root] !== 0) continue
    const stack = [{ index: root, next: 0, reads: readsOf(nodes[root]!) }]
    state[root] = 1
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!
      const node = nodes[top.index]!
      const name = top.reads[top.next++]
      if (name === undefined) {
        state[top.index] = 2
        ordered.push(node)
        stack.pop()
        continue
      }
      const producer = producers.get(name)
      if (producer === undefined || state[producer] === 2) continue
      if (state[producer] === 1) throw invalidModel(`The graph runs in a circle through node ${node.label}`)
      state[producer] = 1
      stack.push({ index: producer, next: 0, reads: readsOf(nodes[producer]!) })
    }
  }
  return ordered
}
