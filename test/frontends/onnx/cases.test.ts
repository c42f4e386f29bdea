import test from 'ava'
import { operators } from '#lib/frontends/onnx/table/index.js'
import { importGiven } from '../../oracles/importOnnx.js'
import { operatorOf } from '../../oracles/onnxCases/case.js'
import { onnxCases } from '../../oracles/onnxCases/index.js'
import { recordedCases } from '../../oracles/onnxCases/recorded.js'

test('no two cases have one name', t => {
  const names = onnxCases.map(({ name }) => name)
  t.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  )
})

test('every operator of the table has a case', t => {
  const used = new Set([...onnxCases, ...recordedCases].flatMap(({ model }) => model.nodes.map(operatorOf)))
  t.deepEqual(
    Object.keys(operators).filter(name => !used.has(name)),
    [],
  )
})

test('every case is imported', async t => {
  for (const { name, model, outputs } of onnxCases) {
    const { graph } = await importGiven(model)
    t.is(graph.outputs.length, outputs.length, name)
    t.true(graph.nodes.length > 0, name)
  }
})
