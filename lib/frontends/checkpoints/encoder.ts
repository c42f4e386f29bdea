import type { Value } from '../../graph/builder.js'
import type { Config } from './config.js'
import { architecture, type BuiltModel, type CheckpointValue } from './family.js'
import type { Network } from './network.js'
import { Unsupported } from './unsupported.js'

/** What is put on top of an encoder, by the end of the class that config.json names. */
export type Task = 'classification' | 'tokens' | 'masked' | 'answers' | 'detection' | 'states'

const endings: readonly (readonly [string, Task])[] = [
  ['ForSequenceClassification', 'classification'],
  ['ForTokenClassification', 'tokens'],
  ['ForMaskedLM', 'masked'],
  ['ForQuestionAnswering', 'answers'],
  ['Model', 'states'],
]

/**
 * The task of a checkpoint, by the class that config.json names.
 *
 * @param others Endings of classes that this family alone has.
 */
export function taskOf(config: Config, others: readonly (readonly [string, Task])[] = []): Task {
  const name = architecture(config)
  if (name === '') return 'states'
  const found = [...others, ...endings].find(([ending]) => name.endsWith(ending))
  if (found === undefined) throw new Unsupported(`the class ${JSON.stringify(name.slice(0, 60))}`)
  return found[1]
}

/** Class names in the order of the outputs. */
export function labelsOf(config: Config, count: number): readonly string[] | undefined {
  const names = config.optionalPart('id2label')?.values
  if (names === undefined) return undefined
  const list = Array.from({ length: count }, (_, at) => names[at])
  return list.every(name => typeof name === 'string') ? list : undefined
}

/** Classes of a head: as many rows as its weight has. */
export function classCount(net: Network, weight: string): number {
  const rows = net.weights.shape(weight)?.[0]
  if (rows === undefined || rows < 1) throw new Unsupported(`a head without the weight "${weight}"`)
  return rows
}

export const textShape = ['batch', 'tokens']

/** Inputs of a model of texts, added to the graph. `names` beside input_ids. */
export function textInputs(
  net: Network,
  names: readonly string[],
): { values: CheckpointValue[]; inputs: Record<string, Value> } {
  const values = ['input_ids', ...names].map(
    (name): CheckpointValue => ({ name, dtype: 'i64', shape: [...textShape] }),
  )
  const inputs = Object.fromEntries(
    values.map(({ name, dtype, shape }) => [name, net.graph.input(name, dtype, shape)]),
  )
  return { values, inputs }
}

/** One output, named. */
export const output = (net: Network, name: string, value: Value, shape: (number | string)[]) => ({
  name,
  dtype: 'f32' as const,
  shape,
  value: net.graph.named(value, name),
})

/** Names of the products on top of an encoder, where they are alike in all families. */
export interface Heads {
  /** States [B, T, D] -> what stands for the whole text, [B, D]. */
  pooled(states: Value): Value
  /** The last product of a classification, `classifier` unless told. */
  classifier?: string
  /** States -> logits over the vocabulary. */
  masked(states: Value): Value
  vocabulary: number
  /** One logit a token: whether it was replaced. */
  detection?(states: Value): Value
}

/** Puts a task's head on the states of an encoder. */
export function withHead(
  net: Network,
  config: Config,
  task: Task,
  inputs: readonly CheckpointValue[],
  states: Value,
  features: number,
  heads: Heads,
): BuiltModel {
  const named = net.graph.named(states, 'last_hidden_state')
  const classified = (x: Value, shape: string[], name: string): BuiltModel => {
    const count = classCount(net, `${name}.weight`)
    const labels = labelsOf(config, count)
    const logits = net.linear(x, name, features, count)
    return {
      inputs,
      outputs: [output(net, 'logits', logits, [...shape, count])],
      ...(labels ? { labels } : {}),
    }
  }
  switch (task) {
    case 'classification':
      return classified(heads.pooled(named), ['batch'], heads.classifier ?? 'classifier')
    case 'tokens':
      return classified(named, textShape, 'classifier')
    case 'masked':
      return {
        inputs,
        outputs: [output(net, 'logits', heads.masked(named), [...textShape, heads.vocabulary])],
      }
    case 'answers': {
      const both = net.linear(named, 'qa_outputs', features, 2)
      const side = (name: string, at: number) => output(net, name, net.row(both, at, 2), [...textShape])
      return { inputs, outputs: [side('start_logits', 0), side('end_logits', 1)] }
    }
    case 'detection':
      return { inputs, outputs: [output(net, 'logits', heads.detection!(named), [...textShape])] }
    case 'states':
      return {
        inputs,
        outputs: [{ name: 'last_hidden_state', dtype: 'f32', shape: [...textShape, features], value: named }],
      }
  }
}

/** What the first token holds, [B, D]. */
export const firstToken = (net: Network, states: Value): Value => net.row(states, 0, 1)

/** activation(W first + b) */
export function pooler(
  net: Network,
  states: Value,
  name: string,
  features: number,
  activation = 'tanh',
): Value {
  return net.activation(net.linear(firstToken(net, states), name, features, features), activation)
}

/** States -> dense, activation, norm, and the product with the table of words. */
export function maskedHead(
  net: Network,
  states: Value,
  names: { dense: string; norm: string; table: string; bias: string },
  sizes: { features: number; words: number; vocabulary: number; epsilon: number; activation: string },
): Value {
  const { features, words, vocabulary } = sizes
  const dense = net.activation(net.linear(states, names.dense, features, words), sizes.activation)
  const normed = net.layerNorm(dense, names.norm, words, sizes.epsilon)
  const product = net.apply('matMul', [normed, net.parameter(names.table, [vocabulary, words])], {
    transposeB: 1,
  })
  return net.add(product, net.weight(names.bias, [vocabulary]))
}

/**
 * Positions of tokens that count from `padding` + 1 and pass over padding, as RoBERTa has them.
 *
 * @returns i64 [B, T]
 */
export function positionsBesidePadding(net: Network, ids: Value, padding: number): Value {
  const constant = net.graph.constant('i64', [], BigInt64Array.of(BigInt(padding)))
  const isToken = net.cast(net.apply('not', [net.apply('equal', [ids, constant])]), 'i64')
  const counted = net.apply('mul', [net.apply('cumSum', [isToken], { axis: 1 }), isToken])
  return net.add(counted, constant)
}
