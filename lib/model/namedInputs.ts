import { Image } from '../data/image.js'
import { type Tensor, validateTensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { typeError } from '../validate.js'
import type { ModelInputs, ModelValue } from './modelParts.js'

/**
 * What is given to a model, by the names of its inputs, with element types and shapes that are those of tensors.
 *
 * @throws AscribeError `OPTION_TYPE`; `INPUT_MISSING` where an input was not given, or there is none of that name
 */
export function namedInputs(declared: readonly ModelValue[], given: ModelInputs): Record<string, Tensor> {
  if (typeof given !== 'object' || given === null || given instanceof Image)
    throw typeError('inputs', 'a tensor, or tensors by name', given)
  const names = declared.map(({ name }) => name).join(', ')
  const single = given as Partial<Tensor>
  if (typeof single.dtype === 'string' && Array.isArray(single.shape)) {
    if (declared.length !== 1)
      throw new AscribeError(
        'INPUT_MISSING',
        `The model has ${declared.length} inputs (${names}); give a tensor for each, by name`,
      )
    return { [declared[0]!.name]: validateTensor(given as Tensor, 'input') }
  }
  const record = given as Readonly<Record<string, Tensor>>
  for (const name of Object.keys(record))
    if (!declared.some(input => input.name === name))
      throw new AscribeError('INPUT_MISSING', `The model has no input called "${name}"`, {
        hint: `Its inputs are ${names}.`,
      })
  for (const { name } of declared) {
    if (record[name] === undefined) throw new AscribeError('INPUT_MISSING', `Input "${name}" was not given`)
    validateTensor(record[name], name)
  }
  return { ...record }
}
