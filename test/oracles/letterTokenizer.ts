/** Forty tokens: three special ones, and single letters. */
export const letters = [...'abcdefghijklmnopqrstuvwxyz .,!?0123456']

export const idsOf = (text: string): number[] => [...text].map(letter => 3 + letters.indexOf(letter))

/** A tokenizer.json that writes each letter as one token and puts `<s>` before a text. */
export function letterTokenizer(): Record<string, unknown> {
  const specials = ['<pad>', '<s>', '</s>']
  return {
    added_tokens: specials.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: { type: 'Fuse' },
    model: {
      type: 'BPE',
      unk_token: '?',
      vocab: Object.fromEntries([...specials, ...letters].map((token, id) => [token, id])),
      merges: [],
    },
  }
}
