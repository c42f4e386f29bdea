import { causalModel } from './causal.js'
import { Config } from './config.js'
import { architecture, type Family } from './family.js'
import { LlamaDecoder } from './llama.js'
import type { Network } from './network.js'
import { Unsupported } from './unsupported.js'

/** What these files leave out of `text_config`. */
const usual = {
  vocab_size: 262_208,
  hidden_size: 2304,
  intermediate_size: 9216,
  num_hidden_layers: 26,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  head_dim: 256,
  max_position_embeddings: 131_072,
  sliding_window: 4096,
}

/** Names of the text part's weights, by what wrote the file. */
const prefixes = ['language_model.model.', 'model.language_model.']

function textDecoder(config: Config, weights: Network['weights']): LlamaDecoder {
  const part = config.part('text_config').withDefaults(usual)
  const text = new Config({ ...part.values, model_type: 'gemma3_text', tie_word_embeddings: true }, part.name)
  const prefix = prefixes.find(each => weights.has(`${each}embed_tokens.weight`))
  return new LlamaDecoder(text, prefix ?? prefixes[0])
}

/** The text part of Gemma 3 models that also see: pictures are not read. */
export const gemma3: Family = {
  modelTypes: ['gemma3'],
  build(net, config) {
    const name = architecture(config)
    if (name !== '' && name !== 'Gemma3ForConditionalGeneration')
      throw new Unsupported(`the class ${JSON.stringify(name.slice(0, 60))}`)
    const language = new Config({ architectures: ['Gemma3ForCausalLM'] }, config.name)
    return causalModel(net, language, textDecoder(config, net.weights))
  },
  decoder: textDecoder,
}
