import { GraphBuilder } from '#lib/graph/builder.js'
import { Model } from '#lib/index.js'
import { call, native } from '#lib/native.js'

/** A model whose output is its input, [batch, size]; with a softmax behind it where asked. */
export async function logitsModel(size: number, hasSoftmax = false): Promise<Model> {
  const graph = new GraphBuilder()
  const x = graph.input('x', 'f32', ['batch', size])
  const same = graph.apply('mul', [x, graph.scalar(1)])
  const output = graph.named(hasSoftmax ? graph.apply('softmax', [same], { axis: -1 }) : same, 'logits')
  return new Model({
    name: 'logits',
    graph: graph.build([output]),
    inputs: [{ name: 'x', dtype: 'f32', shape: ['batch', size] }],
    outputs: [{ name: 'logits', dtype: 'f32', shape: ['batch', size] }],
    parameters: call(() => native().createParameters([])),
  })
}
