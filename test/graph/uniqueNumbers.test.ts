import test from 'ava'
import { GraphBuilder } from '#lib/graph/builder.js'
import { createTensor } from '#lib/index.js'
import { runGraph } from '../oracles/runGraph.js'

test('what is no number is one value behind all numbers', async t => {
  const graph = new GraphBuilder()
  const rows = graph.input('x', 'f32', [4, 1])
  const [values, firsts, places, counts, count] = graph.applyMany('unique', [rows], 5, { sorted: 1 })
  const given = createTensor('f32', [4, 1], Float32Array.of(3, Number.NaN, 1, Number.NaN))
  const results = await runGraph(graph.build([values!, firsts!, places!, counts!, count!]), { x: given })
  const [found, first, place, size, total] = results.map(({ data }) => data)
  t.deepEqual(total, [3])
  t.deepEqual(found!.slice(0, 3), [1, 3, Number.NaN])
  t.deepEqual(first!.slice(0, 3), [2, 0, 1])
  t.deepEqual(place, [1, 2, 0, 2])
  t.deepEqual(size!.slice(0, 3), [1, 1, 2])
})
