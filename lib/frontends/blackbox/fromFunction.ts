import { BlackBox, type BlackBoxFunction, type BlackBoxOptions } from './blackBox.js'

/**
 * Explains a function: from a batch of inputs to a batch of outputs, wherever that is computed.
 *
 * @param run Gets tensors by name with the examples along the first axis; gives the output tensor, or outputs by name,
 *   with as many rows. It may be called several times one after the other, never at once.
 * @example fromFunction(async ({ input }) => classifier(input), { labels, preprocessing: 'imagenet' })
 */
export function fromFunction(run: BlackBoxFunction, options: BlackBoxOptions = {}): BlackBox {
  return new BlackBox({ ...options, run })
}
