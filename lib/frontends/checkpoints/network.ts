import { GraphBuilder, type Operand, type Value } from '../../graph/builder.js'
import type { OperationAttributes, OperationName } from '../../graph/operations.js'
import { Unsupported } from './unsupported.js'
import type { CheckpointWeights } from './weights.js'

/** Names of activations in config.json, and how each is computed. */
const activations: Readonly<Record<string, (net: Network, x: Value) => Value>> = {
  gelu: (net, x) => net.apply('gelu', [x]),
  gelu_new: (net, x) => net.apply('gelu', [x], { approximate: 'tanh' }),
  gelu_fast: (net, x) => net.apply('gelu', [x], { approximate: 'tanh' }),
  gelu_pytorch_tanh: (net, x) => net.apply('gelu', [x], { approximate: 'tanh' }),
  quick_gelu: (net, x) =>
    net.apply('mul', [x, net.apply('sigmoid', [net.apply('mul', [x, net.scalar(1.702)])])]),
  relu: (net, x) => net.apply('relu', [x]),
  silu: (net, x) => net.apply('silu', [x]),
  swish: (net, x) => net.apply('silu', [x]),
  tanh: (net, x) => net.apply('tanh', [x]),
}

/** A model under construction: its graph, and the checkpoint's weights that the graph reads. */
export class Network {
  constructor(
    readonly weights: CheckpointWeights,
    /** Goes before the names of weights and values: `model.`, `bert.encoder.`, or nothing. */
    readonly prefix = '',
    readonly graph = new GraphBuilder(),
  ) {}

  /** The same graph, with more in front of names. */
  within(prefix: string): Network {
    return new Network(this.weights, this.prefix + prefix, this.graph)
  }

  apply<N extends OperationName>(
    op: N,
    inputs: Operand[],
    attributes: OperationAttributes[N] = {} as OperationAttributes[N],
    name?: string,
  ): Value {
    return this.graph.apply(op, inputs, attributes, name)
  }

  scalar(value: number): Value {
    return this.graph.scalar(value)
  }
  integers(...values: number[]): Value {
    return this.graph.integers(values)
  }

  /** Names a value as its module is named in the checkpoint, so that it can be explained and tapped. */
  named(value: Value, name: string): Value {
    return this.graph.named(value, this.prefix + name)
  }

  /** A weight, under its name in the checkpoint. */
  weight(name: string, shape: readonly number[]): Value {
    return this.parameter(this.prefix + name, shape)
  }

  /** A weight by its whole name. */
  parameter(name: string, shape: readonly number[]): Value {
    const known = this.graph.find(name)
    this.weights.use(name, shape)
    return known ?? this.graph.parameter(name, 'f32', [...shape])
  }

  has(name: string): boolean {
    return this.weights.has(this.prefix + name)
  }

  /** x Wᵀ + b with W [to, from]. `bias` default: the checkpoint decides. */
  linear(x: Value, name: string, from: number, to: number, bias = this.has(`${name}.bias`)): Value {
    const product = this.apply(
      'matMul',
      [x, this.weight(`${name}.weight`, [to, from])],
      { transposeB: 1 },
      this.prefix + name,
    )
    if (!bias) return product
    return this.apply('add', [product, this.weight(`${name}.bias`, [to])])
  }

  layerNorm(x: Value, name: string, size: number, epsilon: number): Value {
    // Checkpoints of 2018 call them gamma and beta.
    const [scale, shift] = this.has(`${name}.gamma`) ? ['gamma', 'beta'] : ['weight', 'bias']
    const weights = [scale, shift].map(each => this.weight(`${name}.${each}`, [size]))
    return this.apply('layerNorm', [x, ...weights], { epsilon }, this.prefix + name)
  }

  /** @param offset Added to the weight: 1 where the checkpoint holds how far it is from 1. */
  rmsNorm(x: Value, name: string, size: number, epsilon: number, offset = 0): Value {
    const weight = this.weight(`${name}.weight`, [size])
    const scale = offset === 0 ? weight : this.apply('add', [weight, this.scalar(offset)])
    return this.apply('rmsNorm', [x, scale], { epsilon }, this.prefix + name)
  }

  activation(x: Value, kind: string): Value {
    if (!Object.hasOwn(activations, kind))
      throw new Unsupported(`the activation ${JSON.stringify(kind.slice(0, 60))}`)
    return activations[kind]!(this, x)
  }

  /** Rows of a table by the integers of `ids`, named `name`. */
  lookup(table: Value, ids: Value, name: string): Value {
    return this.named(this.apply('gather', [table, ids], { axis: 0 }), name)
  }

  scaled(x: Value, factor: number): Value {
    return factor === 1 ? x : this.apply('mul', [x, this.scalar(factor)])
  }

  add(a: Value, b: Value): Value {
    return this.apply('add', [a, b])
  }

  /** cap · tanh(x / cap) */
  capped(x: Value, cap: number | undefined): Value {
    if (cap === undefined) return x
    return this.scaled(this.apply('tanh', [this.scaled(x, 1 / cap)]), cap)
  }

  /** [B, T, heads · size] as [B, heads, T, size]. */
  splitHeads(x: Value, heads: number, size: number): Value {
    return this.apply('transpose', [this.apply('reshape', [x, this.integers(0, 0, heads, size)])], {
      permutation: [0, 2, 1, 3],
    })
  }

  /** [B, heads, T, size] as [B, T, heads · size]. */
  joinHeads(x: Value, heads: number, size: number): Value {
    return this.apply('reshape', [
      this.apply('transpose', [x], { permutation: [0, 2, 1, 3] }),
      this.integers(0, 0, heads * size),
    ])
  }

  /** Elements [from, to) of an axis. */
  between(x: Value, from: number, to: number, axis: number): Value {
    return this.apply('slice', [x, this.integers(from), this.integers(to), this.integers(axis)])
  }

  /** One row of an axis; the axis goes. */
  row(x: Value, at: number, axis: number): Value {
    return this.apply('gather', [x, this.graph.constant('i64', [], BigInt64Array.of(BigInt(at)))], { axis })
  }

  /** One dimension of a value, a vector of one. */
  dimension(x: Value, axis: number): Value {
    return this.apply('shape', [x], axis === -1 ? { start: -1 } : { start: axis, end: axis + 1 })
  }

  /** 0, 1, … below one dimension of a value. */
  counted(x: Value, axis: number): Value {
    const number = (value: number) => this.graph.constant('i64', [], BigInt64Array.of(BigInt(value)))
    const length = this.apply('squeeze', [this.dimension(x, axis)], { axes: [0] })
    return this.apply('range', [number(0), length, number(1)])
  }

  unsqueeze(x: Value, ...axes: number[]): Value {
    return this.apply('unsqueeze', [x], { axes })
  }
  cast(x: Value, to: 'f32' | 'i64' | 'bool'): Value {
    return this.apply('cast', [x], { to })
  }
}

/** One row of each example: x [B, T, D] at places [B] -> [B, D]. */
export function pickRow(net: Network, x: Value, places: Value): Value {
  const index = net.unsqueeze(places, 1, 2)
  return net.apply('squeeze', [net.apply('gatherNd', [x, index], { batchDims: 1 })], { axes: [1] })
}
