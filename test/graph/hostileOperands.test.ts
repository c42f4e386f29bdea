import test from 'ava'
import { GraphBuilder } from '#lib/graph/builder.js'
import { createTensor } from '#lib/index.js'
import { runGraph } from '../oracles/runGraph.js'

const x = createTensor('f32', [1, 3], Float32Array.of(1, 2, 3))
const graphOf = (make: (graph: GraphBuilder, x: ReturnType<GraphBuilder['input']>) => unknown) => {
  const graph = new GraphBuilder()
  return graph.build([make(graph, graph.input('x', 'f32', [1, 3])) as never])
}

test('axes that are no whole numbers, or of two axes themselves, are refused', async t => {
  const real = graphOf((g, value) =>
    g.apply('unsqueeze', [value, g.constant('f32', [1], Float32Array.of(0.5))]),
  )
  const square = graphOf((g, value) =>
    g.apply('unsqueeze', [value, g.constant('i64', [2, 1], BigInt64Array.of(0n, 1n))]),
  )
  for (const graph of [real, square])
    await t.throwsAsync(runGraph(graph, { x }), {
      code: 'MODEL_INVALID',
      message: /its axes must be whole numbers/,
    })
})

test('scales that do not fit sizes would read without end, and are refused', async t => {
  const graph = graphOf((g, value) =>
    g.apply('resize', [value, g.constant('f32', [2], Float32Array.of(1, 1e-3)), g.integers([1, 5])], {
      mode: 'linear',
      antialias: 1,
    }),
  )
  await t.throwsAsync(runGraph(graph, { x }), { code: 'MODEL_INVALID', message: /do not fit each other/ })
})

test('bits seen as truths are 0 or 1', async t => {
  const graph = graphOf((g, value) => {
    const truths = g.apply('bitCast', [g.apply('cast', [value], { to: 'u8' })], { to: 'bool' })
    return g.apply('cast', [truths], { to: 'f32' })
  })
  const [result] = await runGraph(graph, { x })
  t.deepEqual(result!.data, [1, 1, 1])
})
