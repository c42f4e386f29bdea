import type { OnnxNode } from '../node.js'

export interface WindowAttributes {
  strides?: number[]
  dilations?: number[]
  pads?: number[]
  autoPad?: 'explicit' | 'sameUpper' | 'sameLower' | 'valid'
}

const autoPads = {
  NOTSET: 'explicit',
  SAME_UPPER: 'sameUpper',
  SAME_LOWER: 'sameLower',
  VALID: 'valid',
} as const

/** What convolutions and poolings have in common. */
export function windowOf(node: OnnxNode): WindowAttributes {
  const autoPad =
    autoPads[node.attributes.text('auto_pad', 'NOTSET', Object.keys(autoPads) as (keyof typeof autoPads)[])]
  const pads = node.attributes.integers('pads')
  const strides = node.attributes.integers('strides')
  const dilations = node.attributes.integers('dilations')
  return {
    ...(strides ? { strides } : {}),
    ...(dilations ? { dilations } : {}),
    // With automatic padding the list says nothing; some exporters write it all the same.
    ...(pads && autoPad === 'explicit' ? { pads } : {}),
    ...(autoPad === 'explicit' ? {} : { autoPad }),
  }
}

/** The weights say what the kernel is; a node that says something else is damaged. */
export function checkKernel(node: OnnxNode, weightsAt = 1): void {
  const kernel = node.attributes.integers('kernel_shape')
  const weights = node.tensorShape(weightsAt)
  if (kernel && weights && kernel.join() !== weights.slice(2).join())
    node.invalid(`kernel_shape is [${kernel}], but its weights have shape [${weights}]`)
}
