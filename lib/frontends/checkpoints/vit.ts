import type { Value } from '../../graph/builder.js'
import { bodyPrefix } from './causal.js'
import type { Config } from './config.js'
import { classCount, firstToken, labelsOf, output } from './encoder.js'
import { architecture, type BuiltModel, type Family } from './family.js'
import type { Network } from './network.js'
import { forEach, patches, patchSizes, pixelValues } from './patches.js'
import { WholeSequence } from './sequence.js'
import { encoderSizes, feedForward, selfAttention } from './transformerLayer.js'
import { Unsupported } from './unsupported.js'

const attentionNames = {
  query: 'attention.attention.query',
  key: 'attention.attention.key',
  value: 'attention.attention.value',
  output: 'attention.output.dense',
}

/** ViT and DeiT, which has one token more. */
function build(net: Network, config: Config): BuiltModel {
  const type = config.text('model_type')
  const sizes = encoderSizes(config)
  const { features, epsilon } = sizes
  const cut = patchSizes(config)
  const input = pixelValues(cut, 'batch')
  const pixels = net.graph.input(input.name, input.dtype, input.shape)
  const body = net.within(bodyPrefix(net, `${type}.`, 'embeddings.cls_token'))
  const tokens = type === 'deit' ? ['cls_token', 'distillation_token'] : ['cls_token']
  const length = cut.count + tokens.length
  const own = tokens.map(name =>
    forEach(net, body.weight(`embeddings.${name}`, [1, 1, features]), pixels, features),
  )
  const seen = patches(body, pixels, 'embeddings.patch_embeddings.projection', cut, features, true)
  body.named(seen, 'embeddings.patch_embeddings')
  const rows = net.apply('concat', [...own, seen], { axis: 1 })
  let states = body.named(
    net.add(rows, body.weight('embeddings.position_embeddings', [1, length, features])),
    'embeddings',
  )
  const sequence = new WholeSequence(net, states, false)
  for (let at = 0; at < config.layers(); at++) {
    const layer = body.within(`encoder.layer.${at}.`)
    const norm = (x: Value, name: string) => layer.layerNorm(x, name, features, epsilon)
    const read = selfAttention(layer, norm(states, 'layernorm_before'), attentionNames, sizes, sequence)
    const middle = net.add(states, layer.named(read, 'attention'))
    const fed = feedForward(
      layer,
      norm(middle, 'layernorm_after'),
      ['intermediate.dense', 'output.dense'],
      sizes,
    )
    states = body.named(net.add(middle, fed), `encoder.layer.${at}`)
  }
  const normed = net.graph.named(body.layerNorm(states, 'layernorm', features, epsilon), 'last_hidden_state')
  return { inputs: [input], ...head(net, config, normed, features, length) }
}

function head(
  net: Network,
  config: Config,
  states: Value,
  features: number,
  length: number,
): Omit<BuiltModel, 'inputs'> {
  const name = architecture(config)
  const first = firstToken(net, states)
  const classified = (logits: Value, count: number) => {
    const labels = labelsOf(config, count)
    return { outputs: [output(net, 'logits', logits, ['batch', count])], ...(labels ? { labels } : {}) }
  }
  if (name.endsWith('ForImageClassificationWithTeacher')) {
    const count = classCount(net, 'cls_classifier.weight')
    const second = net.row(states, 1, 1)
    const both = net.add(
      net.linear(first, 'cls_classifier', features, count),
      net.linear(second, 'distillation_classifier', features, count),
    )
    return classified(net.scaled(both, 0.5), count)
  }
  if (name.endsWith('ForImageClassification')) {
    const count = classCount(net, 'classifier.weight')
    return classified(net.linear(first, 'classifier', features, count), count)
  }
  if (name !== '' && !name.endsWith('Model'))
    throw new Unsupported(`the class ${JSON.stringify(name.slice(0, 60))}`)
  return {
    outputs: [{ name: 'last_hidden_state', dtype: 'f32', shape: ['batch', length, features], value: states }],
  }
}

export const vit: Family = { modelTypes: ['vit', 'deit'], build }
