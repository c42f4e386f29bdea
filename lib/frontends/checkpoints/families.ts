import { AscribeError } from '../../errors.js'
import { bert } from './bert.js'
import { clip } from './clip.js'
import type { Config } from './config.js'
import { distilbert } from './distilbert.js'
import { electra } from './electra.js'
import type { Family } from './family.js'
import { gemma3 } from './gemma3.js'
import { gpt2 } from './gpt2.js'
import { gptNeox } from './gptNeox.js'
import { llama } from './llama.js'
import { mpnet } from './mpnet.js'
import { opt } from './opt.js'
import { roberta } from './roberta.js'
import { siglip } from './siglip.js'
import { t5 } from './t5.js'
import { vit } from './vit.js'

const families: readonly Family[] = [
  llama,
  gemma3,
  gpt2,
  gptNeox,
  opt,
  bert,
  roberta,
  distilbert,
  electra,
  mpnet,
  vit,
  clip,
  siglip,
  t5,
]

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
