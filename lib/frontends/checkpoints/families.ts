import { AscribeError } from '../../errors.js'
import type { Config } from './config.js'
import type { Family } from './family.js'
import { gpt2 } from './gpt2.js'
import { gptNeox } from './gptNeox.js'
import { llama } from './llama.js'
import { opt } from './opt.js'

const families: readonly Family[] = [llama, gpt2, gptNeox, opt]

/** Every `model_type` that can be read. */
export const modelTypes: readonly string[] = families.flatMap(family => family.modelTypes)

/** The family that config.json names. @throws AscribeError MODEL_UNSUPPORTED_OP */
export function familyOf(config: Config): Family {
  const type = config.text('model_type')
  const family = families.find(each => each.modelTypes.includes(type))
  if (family === undefined)
    throw new AscribeError(
      'MODEL_UNSUPPORTED_OP',
      `${config.name}: models of type ${JSON.stringify(type.slice(0, 60))} are not supported`,
      {
        hint: `Supported: ${modelTypes.join(', ')}. Others can be exported to ONNX.`,
      },
    )
  return family
}
