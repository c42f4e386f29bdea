import test from 'ava'
import { loadModel, Saliency, type Tensor } from '#lib/index.js'
import { AttnLrp } from '#lib/relevance.js'
import { checkpointFolder, recordedCheckpoint, relativeError } from '../../oracles/recordedCheckpoints.js'

const layer = 'bert.embeddings.word_embeddings'

/** The first text of the recorded two. */
function firstText() {
  const { inputs, explained } = recordedCheckpoint('bert-classification')
  const rows = Object.entries(inputs).map(([name, { shape, data }]): [string, Tensor] => {
    const length = shape[1]!
    return [name, { dtype: 'i64', shape: [1, length], data: (data as BigInt64Array).slice(0, length) }]
  })
  return { input: Object.fromEntries(rows), explained: explained! }
}

test('Saliency of the embeddings of a BERT checkpoint: the gradient that PyTorch computes', async t => {
  const { input, explained } = firstText()
  const model = await loadModel(checkpointFolder('bert-classification'))
  const saliency = new Saliency(model, { absolute: false })
  const attribution = await saliency.attribute(input, { target: explained.target, layer })
  t.deepEqual(attribution.scores().shape, explained.gradient.shape)
  t.true(relativeError(attribution.scores().data, explained.gradient.data) < 1e-5)
  t.is(attribution.inputs[0]!.units.kind, 'tokens')
})

test('AttnLRP of the embeddings of a BERT checkpoint: its rules written out in PyTorch', async t => {
  const { input, explained } = firstText()
  const model = await loadModel(checkpointFolder('bert-classification'))
  const attribution = await new AttnLrp(model).attribute(input, { target: explained.target, layer })
  const error = relativeError(attribution.scores().data, explained.attnLrp.data)
  t.true(error < 1e-5, String(error))
})

test('a text model is explained at its embeddings where nothing is named', async t => {
  const { input } = firstText()
  const model = await loadModel(checkpointFolder('bert-classification'))
  const attribution = await new Saliency(model).attribute(input)
  t.deepEqual(
    attribution.inputs.map(({ name }) => name),
    [layer, 'bert.embeddings.token_type_embeddings'],
  )
})
