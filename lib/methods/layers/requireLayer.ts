import { AscribeError } from '../../errors.js'
import type { AttributeOptions, GradientMethod } from '../inputs/gradientMethod.js'

/** The options of a call that must name what it explains. */
export function requireLayer(method: GradientMethod, options: AttributeOptions): AttributeOptions {
  if (options.layer !== undefined) return options
  throw new AscribeError(
    'LAYER_NOT_FOUND',
    `${method.identity().name} explains a layer: name it, option \`layer\``,
    {
      hint: 'model.layers() lists them; `ascribe inspect --layers` marks good ones.',
    },
  )
}
