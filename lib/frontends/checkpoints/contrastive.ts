import type { Value } from '../../graph/builder.js'
import type { Config } from './config.js'
import { output } from './encoder.js'
import { architecture, type BuiltModel, type CheckpointValue } from './family.js'
import type { Network } from './network.js'
import { patchSizes, pixelValues } from './patches.js'
import type { Sequence } from './sequence.js'
import { type EncoderSizes, feedForward, selfAttention } from './transformerLayer.js'
import { Unsupported } from './unsupported.js'

const attentionNames = {
  query: 'self_attn.q_proj',
  key: 'self_attn.k_proj',
  value: 'self_attn.v_proj',
  output: 'self_attn.out_proj',
}

/** Layers of CLIP and SigLIP, of both towers: each normalises, then adds. */
export function towerLayers(
  net: Network,
  x: Value,
  count: number,
  sizes: EncoderSizes,
  sequence: Sequence,
): Value {
  const { features, epsilon } = sizes
  let states = x
  for (let at = 0; at < count; at++) {
    const layer = net.within(`encoder.layers.${at}.`)
    const norm = (value: Value, name: string) => layer.layerNorm(value, name, features, epsilon)
    const read = selfAttention(layer, norm(states, 'layer_norm1'), attentionNames, sizes, sequence)
    const middle = net.add(states, layer.named(read, 'self_attn'))
    const fed = feedForward(layer, norm(middle, 'layer_norm2'), ['mlp.fc1', 'mlp.fc2'], sizes)
    states = net.named(net.add(middle, fed), `encoder.layers.${at}`)
  }
  return states
}

/** One tower: what it reads, and one vector for each example. */
export interface Tower {
  readonly size: number
  embed(input: Value): Value
}

/** x / |x| along the last axis. */
const unit = (net: Network, x: Value): Value =>
  net.apply('div', [
    x,
    net.apply('sqrt', [net.apply('sum', [net.apply('mul', [x, x])], { axes: [-1], keepDims: 1 })]),
  ])

/**
 * A model that compares texts with pictures: both towers with the scaled product of their unit vectors, or one tower
 * where the checkpoint has one.
 *
 * @param bias Added to the logits.
 */
export function contrastive(
  net: Network,
  config: Config,
  text: (config: Config) => Tower,
  vision: (config: Config) => Tower,
  scalarShape: number[],
  hasBias: boolean,
): BuiltModel {
  const name = architecture(config)
  const part = (key: string) => config.optionalPart(key) ?? config
  const hasText = !name.includes('Vision')
  const hasVision = !name.includes('Text')
  if (name !== '' && !/^(CLIP|Siglip)(Text|Vision)?Model(WithProjection)?$/.test(name))
    throw new Unsupported(`the class ${JSON.stringify(name.slice(0, 60))}`)
  const inputs: CheckpointValue[] = []
  const given = (value: CheckpointValue) => {
    inputs.push(value)
    return net.graph.input(value.name, value.dtype, value.shape)
  }
  const tower = (make: () => Tower, value: CheckpointValue) => {
    const each = make()
    return { size: each.size, vectors: each.embed(given(value)) }
  }
  const texts = hasText
    ? tower(() => text(part('text_config')), { name: 'input_ids', dtype: 'i64', shape: ['texts', 'tokens'] })
    : undefined
  const pictures = hasVision
    ? tower(() => vision(part('vision_config')), pixelValues(patchSizes(part('vision_config')), 'images'))
    : undefined
  if (texts === undefined || pictures === undefined) {
    const only = (texts ?? pictures)!
    const shape = [texts ? 'texts' : 'images', only.size]
    return { inputs, outputs: [output(net, texts ? 'text_embeds' : 'image_embeds', only.vectors, shape)] }
  }
  const a = net.graph.named(unit(net, texts.vectors), 'text_embeds')
  const b = net.graph.named(unit(net, pictures.vectors), 'image_embeds')
  const product = net.apply('matMul', [b, a], { transposeB: 1 })
  const scaled = net.apply('mul', [product, net.apply('exp', [net.parameter('logit_scale', scalarShape)])])
  const logits = hasBias ? net.add(scaled, net.parameter('logit_bias', scalarShape)) : scaled
  return { inputs, outputs: [output(net, 'logits_per_image', logits, ['images', 'texts'])] }
}
