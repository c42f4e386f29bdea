import { AscribeError } from '../errors.js'
import { GraphBuilder, type Value } from '../graph/builder.js'
import { expectObject, expectString, expectStrings, typeError } from '../validate.js'
import { expectModel } from './expectModel.js'
import type { Model } from './model.js'

/**
 * What is put behind a model: gets the builder, the model's outputs and all of its named values by name, and gives the
 * outputs of the whole by name.
 */
export type ComposedHead = (
  graph: GraphBuilder,
  outputs: ReadonlyMap<string, Value>,
  values: ReadonlyMap<string, Value>,
) => Readonly<Record<string, Value>>

export interface ComposeOptions {
  /** Default: the model's own name. */
  name?: string
  /** Class names of the first output. */
  labels?: readonly string[]
}

/**
 * A model with something behind it, as one graph: it is differentiated, masked and explained like any other. Weights are
 * shared with the model, which stays as it is. Where an output of the head has the name of another value of the model, that
 * value is called `model.NAME` in the whole.
 *
 * @throws AscribeError `MODEL_INVALID` where the head gives no outputs, `OPTION_TYPE` where it gives something else.
 * @example compose(model, (graph, outputs) => ({ margin: graph.apply('softmax', [outputs.get('logits')!], { axis: -1 }) }))
 */
export function compose(model: Model, head: ComposedHead, options: ComposeOptions = {}): Model {
  expectModel(model)
  expectObject('options', options)
  if (options.labels !== undefined) expectStrings('labels', options.labels)
  if (typeof head !== 'function') throw typeError('head', 'a function', head)
  const builder = new GraphBuilder()
  const values = builder.include(model.graph)
  const outputs = new Map(
    model.outputs.flatMap(({ name }) => {
      const value = model.output(values, name)
      return value === undefined ? [] : [[name, value] as const]
    }),
  )
  const nodesBefore = builder.nodes.length
  const valuesBefore = builder.values.length
  const entries = Object.entries(expectObject('what the head gives', head(builder, outputs, values))) as [
    string,
    Value,
  ][]
  for (const [name, value] of entries)
    if (builder.values[value?.index] === undefined)
      throw typeError(`output ${name} of the head`, 'a value of the graph', value)
  if (entries.length === 0) throw new AscribeError('MODEL_INVALID', 'The head gives no outputs')
  for (const [name, value] of entries) {
    // The model's own value of that name, a tower's `logits` for example, makes room.
    const taken = builder.find(name)
    if (taken !== undefined && taken.index !== value.index) builder.rename(name, freeName(builder, name))
  }
  const named = entries.map(([name, value]) => builder.named(value, name))
  // Weights are in no description, so what is new says what the head is.
  const plain = (_: string, value: unknown) =>
    ArrayBuffer.isView(value) ? Array.from(value as unknown as ArrayLike<number | bigint>, String) : value
  const composition = JSON.stringify(
    [builder.nodes.slice(nodesBefore), builder.values.slice(valuesBefore)],
    plain,
  )
  return model.withGraph({
    graph: builder.build(named),
    outputs: entries.map(([name]) => ({ name })),
    name: expectString('name', options.name ?? model.name),
    composition,
    ...(options.labels === undefined ? {} : { labels: [...options.labels] }),
  })
}

function freeName(builder: GraphBuilder, name: string): string {
  let free = `model.${name}`
  while (builder.find(free) !== undefined) free = `model.${free}`
  return free
}
