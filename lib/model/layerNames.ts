import { AscribeError } from '../errors.js'
import { expectStrings } from '../validate.js'
import type { Model } from './model.js'
import { suggestedLayers } from './suggestedLayers.js'

/** Letters that stand for themselves in a pattern. */
const literal = (text: string): string => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&')

/**
 * Values inside a model by what a caller calls them: the name of a value; the name of an ONNX node, for its first result; a
 * pattern in which `*` stands for any letters; or `last-convolution`, `last-maps`, `last-block` (see `suggestedLayers`).
 *
 * @returns Names of values, of a pattern all that fit, in the order of computation.
 * @throws AscribeError LAYER_NOT_FOUND
 */
export function resolveLayer(model: Model, text: string): string[] {
  const names = model.layers().map(({ name }) => name)
  if (names.includes(text)) return [text]
  const node = model.graph.nodes.find(each => each.name === text)
  const result = node && model.graph.values[node.outputs[0]!]?.name
  if (result !== undefined) return [result]
  const suggested = suggestedLayers(model.graph)
  // Without a norm or an activation behind it, what the last convolution gives are the last maps.
  const kind =
    suggested.find(each => each.kind === text) ??
    (text === 'last-maps' ? suggested.find(each => each.kind === 'last-convolution') : undefined)
  if (kind) return [kind.name]
  if (text.includes('*')) {
    // Runs of stars are one: each more would multiply the ways to fit.
    const pattern = new RegExp(`^${text.split(/\*+/).map(literal).join('.*')}$`)
    const found = text.length <= 200 ? names.filter(name => pattern.test(name)) : []
    if (found.length > 0) return found
  }
  const near = names.filter(name => name.toLowerCase().includes(text.toLowerCase())).slice(0, 5)
  const good = suggested.map(({ name, kind: why }) => `${name} (${why})`)
  throw new AscribeError('LAYER_NOT_FOUND', `The model has no layer called "${text}"`, {
    hint: [
      ...(near.length > 0 ? [`Did you mean ${near.join(', ')}?`] : []),
      ...(good.length > 0 ? [`Good ones: ${good.join(', ')}.`] : []),
      'model.layers() lists them.',
    ].join(' '),
  })
}

/** Checks the type of what a caller names as a layer, or as several. @throws AscribeError OPTION_TYPE */
export function expectLayer(given: unknown): void {
  if (typeof given !== 'string') expectStrings('layer', given)
}

/** The same where one is wanted. */
export function resolveOneLayer(model: Model, text: string): string {
  const found = resolveLayer(model, text)
  if (found.length > 1)
    throw new AscribeError(
      'LAYER_NOT_FOUND',
      `"${text}" fits ${found.length} layers (${found.slice(0, 4).join(', ')} …), and one is wanted`,
    )
  return found[0]!
}
