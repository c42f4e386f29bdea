import test from 'ava'
import { AttentionRollout, LeaveOneOut, loadModel, Saliency } from '#lib/index.js'
import { positionLimit } from '#lib/model/positionLimit.js'
import { checkpointFolder, idsTensor } from '../oracles/recordedCheckpoints.js'

const someIds = (length: number) => Array.from({ length }, (_, at) => 3 + (at % 20))

for (const [name, limit] of [
  ['gpt2', 256],
  ['opt', 256],
  ['roberta-classification', undefined],
  ['bert-classification', undefined],
] as const)
  test(`${name}: a text that is longer than the table of positions is told the limit`, async t => {
    const model = await loadModel(checkpointFolder(name))
    const found = positionLimit(model)!
    if (limit !== undefined) t.is(found, limit)
    const inputs = (length: number) => ({
      input_ids: idsTensor([someIds(length)]),
      ...(model.inputs.some(each => each.name === 'attention_mask')
        ? { attention_mask: idsTensor([someIds(length).map(() => 1)]) }
        : {}),
      ...(model.inputs.some(each => each.name === 'token_type_ids')
        ? { token_type_ids: idsTensor([someIds(length).map(() => 0)]) }
        : {}),
    })
    // As long as that is read.
    await t.notThrowsAsync(model.run(inputs(found)))
    const told = { code: 'INPUT_SHAPE', message: new RegExp(`${found + 1} tokens.*positions for ${found}`) }
    await t.throwsAsync(model.run(inputs(found + 1)), told)
    // The same wherever a text goes in.
    for (const method of [new Saliency(model), new AttentionRollout(model), new LeaveOneOut(model)])
      await t.throwsAsync(method.attribute(inputs(found + 1), { target: 0 }), told)
  })

test('positions that are computed have no such limit', async t => {
  t.is(positionLimit(await loadModel(checkpointFolder('llama'))), undefined)
  t.is(positionLimit(await loadModel(checkpointFolder('t5'))), undefined)
})
