import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { createEncoder } from '#lib/data/tokenizer/createEncoder.js'
import { loadTokenizer } from '#lib/index.js'
import { repositoryRoot } from '../../oracles/repository.js'

const folder = join(repositoryRoot, 'test/fixtures/tokenizers')
const read = (kind: string) => readFileSync(join(folder, `${kind}.json`), 'utf8')
const bytes = (value: unknown) =>
  new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))
interface Description {
  model: { type: string }
  normalizer: object
  pre_tokenizer: { pretokenizers: { behavior: string; pattern: { Regex: string } }[] }
}
const changed = (kind: string, change: (description: Description) => void): Uint8Array => {
  const description = JSON.parse(read(kind))
  change(description)
  return bytes(description)
}

for (const kind of [
  'words',
  'bert',
  'cased',
  'punctuated',
  'byte_level',
  'roberta',
  'split_bytes',
  'sentence_piece',
  'unigram',
  'clip',
])
  test(`${kind}: whatever the text, spans are in order and cover every character that is not white or dropped`, async t => {
    const { encoder } = await createEncoder(read(kind))
    const letters = fc.constantFrom(..."aeé dogT'.,!1 \n\t\u00df\u4eca\u{1f600}\u0301\u200d\ufb01")
    fc.assert(
      fc.property(fc.string({ unit: letters, maxLength: 40 }), text => {
        const { ids, tokens, offsets } = encoder.encode(text)
        t.is(ids.length, tokens.length)
        let last = 0
        const covered = new Uint8Array(text.length)
        for (const span of offsets) {
          if (span === null) continue
          const [start, end] = span
          t.true(start >= 0 && start <= end && end <= text.length && start >= last)
          last = start
          covered.fill(1, start, end)
        }
        // Accents are stripped, and joiners are no text: all else is in some token.
        for (const [at, seen] of covered.entries())
          if (!seen && !(kind === 'words' && /[^\p{L}\p{N}']/u.test(text[at]!)))
            t.regex(text[at]!, /\s|\u0301|\u200d/, JSON.stringify([text, tokens]))
      }),
      { seed: 7, numRuns: 300 },
    )
  })

test('what is no tokenizer is refused, and says why', async t => {
  for (const [what, message] of [
    ['not json', /JSON/],
    ['[]', /no object/],
    ['{}', /no model/],
    [changed('bert', d => (d.model.type = 'WordCount')), /WordCount/],
    [changed('bert', d => (d.normalizer = { type: 'Shout' })), /Shout/],
    [
      changed('split_bytes', d => (d.pre_tokenizer.pretokenizers[0]!.behavior = 'MergedWithNext')),
      /MergedWithNext/,
    ],
    [changed('split_bytes', d => (d.pre_tokenizer.pretokenizers[0]!.pattern.Regex = '(')), /./],
  ] as const) {
    const error = await t.throwsAsync(
      loadTokenizer(typeof what === 'string' ? bytes(what) : what),
      {
        code: 'TOKENIZER_INVALID',
      },
      String(message),
    )
    t.regex(error!.message, message)
  }
  await t.throwsAsync(loadTokenizer('/nowhere/tokenizer.json'), { code: 'FILE_NOT_FOUND' })
  await t.throwsAsync(loadTokenizer(bytes(read('bert')), { deadlineMs: 0 }), { code: 'OPTION_RANGE' })
})

test('a pattern that never comes back is ended at its deadline, with the loop free, and the next text is served', async t => {
  const hostile = changed('split_bytes', d => (d.pre_tokenizer.pretokenizers[0]!.pattern.Regex = '(a+)+$'))
  const tokenizer = await loadTokenizer(hostile, { deadlineMs: 300 })
  let turns = 0
  const ticking = setInterval(() => (turns += 1), 10)
  await t.throwsAsync(tokenizer.encode(`${'a'.repeat(60)}!`), { code: 'DEADLINE_EXCEEDED' })
  clearInterval(ticking)
  t.true(turns > 3)
  t.true((await tokenizer.encode('aa')).ids.length > 0)
  const controller = new AbortController()
  const aborted = tokenizer.encode(`${'a'.repeat(60)}!`, { signal: controller.signal })
  controller.abort()
  await t.throwsAsync(aborted, { code: 'ABORTED' })
  tokenizer.dispose()
  await t.throwsAsync(tokenizer.encode('a'), { code: 'HANDLE_DISPOSED' })
})

test('texts asked for at once get each their own answer', async t => {
  const tokenizer = await loadTokenizer(join(folder, 'bert.json'))
  t.is(tokenizer.padding, 0)
  const texts = ['the dog', 'a', '', 'sea shells by the sea', '1999']
  const together = await Promise.all(texts.map(text => tokenizer.encode(text)))
  for (const [at, text] of texts.entries()) t.deepEqual(together[at], await tokenizer.encode(text))
  t.deepEqual(together[2]!.tokens, ['[CLS]', '[SEP]'])
  t.deepEqual(together[0]!.offsets[0], null)
  tokenizer.dispose()
})
