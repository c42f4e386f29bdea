import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { GraphBuilder } from '#lib/graph/builder.js'
import { native } from '#lib/native.js'

const fuzzer = fileURLToPath(new URL('fuzzGraphs.js', import.meta.url))

test('any graph of any operations gives a result or an error with a code', t => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [fuzzer, '--seed', '1', '--count', '4000'], {
    encoding: 'utf8',
    timeout: 240_000,
  })
  t.is(status, 0, stdout + stderr)
  t.regex(stdout, /\d+ {2}ok/)
})

test('operations that only the compiler appends cannot be described', t => {
  for (const op of ['sliceGrad', 'convDataGradient', 'fusedConv', 'reorder']) {
    const graph = new GraphBuilder()
    const x = graph.input('x', 'f32', [2])
    const y = graph.apply(op as 'identity', [x, x, x])
    t.throws(() => native().createGraph(graph.build([y])), { code: 'MODEL_UNSUPPORTED_OP' }, op)
  }
})
