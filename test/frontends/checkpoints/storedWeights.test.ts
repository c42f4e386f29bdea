import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { bfloatToNumber, halfToNumber } from '#lib/data/halves.js'
import { Generator, loadModel, Saliency, Scorer, Target } from '#lib/index.js'
import { idsTensor } from '../../oracles/recordedCheckpoints.js'
import { temporaryFolder } from '../../oracles/temporaryFolder.js'

const [features, middle, vocabulary] = [64, 96, 80]

/**
 * A llama of one layer whose weights are stored in a half type, or the same numbers in f32; they are random and
 * repeatable.
 */
async function halfLlama(t: ExecutionContext, dtype: 'F16' | 'BF16', widened = false): Promise<string> {
  const folder = join(await temporaryFolder(t), dtype)
  await mkdir(folder)
  let state = 12_345
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  // Signs, exponents and fractions: magnitudes from 2^-7 to 2^-2.
  const [fraction, bias] = dtype === 'F16' ? [10, 15] : [7, 127]
  const half = () => (random(2) << 15) | ((bias - 7 + random(5)) << fraction) | random(1 << fraction)
  const widen = dtype === 'F16' ? halfToNumber : bfloatToNumber
  const layer = 'model.layers.0.'
  const shapes: Record<string, number[]> = {
    'model.embed_tokens.weight': [vocabulary, features],
    [`${layer}input_layernorm.weight`]: [features],
    [`${layer}self_attn.q_proj.weight`]: [features, features],
    [`${layer}self_attn.k_proj.weight`]: [features / 2, features],
    [`${layer}self_attn.v_proj.weight`]: [features / 2, features],
    [`${layer}self_attn.o_proj.weight`]: [features, features],
    [`${layer}post_attention_layernorm.weight`]: [features],
    [`${layer}mlp.gate_proj.weight`]: [middle, features],
    [`${layer}mlp.up_proj.weight`]: [middle, features],
    [`${layer}mlp.down_proj.weight`]: [features, middle],
    'model.norm.weight': [features],
  }
  const header: Record<string, object> = {}
  const parts: Uint8Array[] = []
  let at = 0
  for (const [name, shape] of Object.entries(shapes)) {
    const count = shape.reduce((a, b) => a * b, 1)
    const narrow = Uint16Array.from({ length: count }, half)
    const stored = widened ? Float32Array.from(narrow, widen) : narrow
    const bytes = new Uint8Array(stored.buffer)
    header[name] = { dtype: widened ? 'F32' : dtype, shape, data_offsets: [at, at + bytes.length] }
    at += bytes.length
    parts.push(bytes)
  }
  const text = Buffer.from(JSON.stringify(header))
  // An odd length in one case, so that elements lie at odd addresses.
  const padded = Buffer.concat([text, Buffer.alloc((dtype === 'F16' ? 0 : 1) + 8 - (text.length % 8), ' ')])
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(padded.length))
  await writeFile(join(folder, 'model.safetensors'), Buffer.concat([length, padded, ...parts]))
  const config = {
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    hidden_size: features,
    intermediate_size: middle,
    num_hidden_layers: 1,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    vocab_size: vocabulary,
    max_position_embeddings: 128,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
  }
  await writeFile(join(folder, 'config.json'), JSON.stringify(config))
  return folder
}

const ids = idsTensor([Array.from({ length: 20 }, (_, at) => (at * 37) % vocabulary)])

for (const dtype of ['F16', 'BF16'] as const) {
  test(`${dtype}: weights that stay as they are stored give the bits of widened ones`, async t => {
    const model = await loadModel(await halfLlama(t, dtype))
    const wide = await loadModel(await halfLlama(t, dtype, true))
    for (const input_ids of [ids, idsTensor([[3]])]) {
      const kept = (await model.run({ input_ids })).outputs.logits!.data
      t.deepEqual(kept, (await wide.run({ input_ids })).outputs.logits!.data)
      const without = await model.run({ input_ids }, { withoutPasses: ['keep-storage'] })
      t.deepEqual(kept, without.outputs.logits!.data)
    }
  })

  test(`${dtype}: gradients go through stored weights as through widened ones`, async t => {
    const [kept, wide] = await Promise.all(
      [false, true].map(async widened => {
        const model = await loadModel(await halfLlama(t, dtype, widened))
        const saliency = new Saliency(model, { absolute: false })
        return saliency.attribute(
          { input_ids: ids },
          { target: Target.token(19, 5), layer: 'model.embed_tokens' },
        )
      }),
    )
    t.deepEqual(kept!.scores().data, wide!.scores().data)
    t.true(kept!.scores().data.some(value => value !== 0))
  })
}

test('a plan holds no copy of weights that lie in the file', async t => {
  const folder = await halfLlama(t, 'F16')
  const model = await loadModel(folder)
  const { outputs } = await model.run({ input_ids: ids })
  t.is(outputs.logits!.shape.at(-1), vocabulary)
  const { size } = await readFile(join(folder, 'model.safetensors')).then(bytes => ({ size: bytes.length }))
  const plan = await model.plan('logits', () => model.graph, { sizes: { batch: 1, tokens: 20 } })
  // Norms, masks and angles; the matrices take the rest of the file.
  t.true(plan.describe().weightBytes < size / 10, String(plan.describe().weightBytes))
  const widened = await model.plan('wide', () => model.graph, {
    sizes: { batch: 1, tokens: 20 },
    withoutPasses: ['keep-storage'],
  })
  t.true(widened.describe().weightBytes > 1.9 * size, String(widened.describe().weightBytes))
})

test('generation and scores from f16 weights agree', async t => {
  const model = await loadModel(await halfLlama(t, 'F16'))
  const given = [3, 5, 7, 11, 13, 17, 19]
  const written = await new Generator(model).generate(given, { maximumTokens: 6 })
  const score = await new Scorer(model).score({ given, text: [...written.ids] })
  t.deepEqual(score.mostLikely, written.ids)
  for (const [at, each] of score.logProbabilities.entries())
    t.true(Math.abs(each - written.logProbabilities[at]!) < 1e-4)
})
