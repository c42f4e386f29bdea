import type { Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import type { OnnxValue } from '../frontends/onnx/declarations.js'

/**
 * What each symbolic dimension stands for, from the shapes that were given.
 *
 * @throws AscribeError INPUT_SHAPE where a shape does not fit the declared one, or one symbol would be two sizes.
 */
export function bindSizes(
  declared: readonly OnnxValue[],
  given: Readonly<Record<string, Tensor>>,
): Record<string, number> {
  const sizes: Record<string, number> = {}
  const origin: Record<string, string> = {}
  for (const input of declared) {
    const tensor = given[input.name]
    if (tensor === undefined || input.shape === undefined) continue
    const describe = `[${input.shape.join(', ')}]`
    if (tensor.shape.length !== input.shape.length)
      throw new AscribeError(
        'INPUT_SHAPE',
        `Input "${input.name}" has shape [${tensor.shape.join(', ')}], expected ${describe}`,
      )
    input.shape.forEach((dim, axis) => {
      const size = tensor.shape[axis] as number
      if (typeof dim === 'number' ? dim !== size : dim in sizes && sizes[dim] !== size) {
        const also = typeof dim === 'string' ? ` (${dim} is ${sizes[dim]} in "${origin[dim]}")` : ''
        throw new AscribeError(
          'INPUT_SHAPE',
          `Input "${input.name}" has shape [${tensor.shape.join(', ')}], expected ${describe}${also}`,
        )
      }
      if (typeof dim === 'string') {
        sizes[dim] = size
        origin[dim] ??= input.name
      }
    })
  }
  return sizes
}
