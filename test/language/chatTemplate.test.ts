import test from 'ava'
import { Generator, loadModel } from '#lib/index.js'
import { chatPrompt } from '#lib/language/chatPrompt.js'
import { renderChatTemplate } from '#lib/language/chatTemplate.js'
import { checkpointCopy } from '../oracles/checkpointCopy.js'
import { letterTokenizer } from '../oracles/letterTokenizer.js'

const chatML = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`
const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Who wrote <Emma>?' },
]
const written =
  '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho wrote <Emma>?<|im_end|>\n<|im_start|>assistant\n'

/** The template of Llama 2, which has conditions, loops, filters and errors. */
const llama2 = `{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% else %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}`

test('templates of two families write what they are known to write', async t => {
  t.is(await renderChatTemplate(chatML, { messages, add_generation_prompt: true }), written)
  const turns = [...messages, { role: 'assistant', content: ' Austen. ' }, { role: 'user', content: 'When?' }]
  t.is(
    await renderChatTemplate(llama2, { messages: turns, bos_token: '<s>', eos_token: '</s>' }),
    '<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nWho wrote <Emma>? [/INST] Austen. </s><s>[INST] When? [/INST]',
  )
  await t.throwsAsync(
    renderChatTemplate(llama2, { messages: turns.slice(2), bos_token: '', eos_token: '' }),
    {
      code: 'CHAT_TEMPLATE_INVALID',
      message: /roles must alternate/,
    },
  )
})

test('a checkpoint says its template in one of three files, and the tokens that it writes', async t => {
  const configuration = { bos_token: { content: '<s>' }, eos_token: '</s>', chat_template: llama2 }
  for (const [files, expected] of [
    [{ 'tokenizer_config.json': { chat_template: chatML } }, written],
    [
      {
        'tokenizer_config.json': {
          chat_template: [
            { name: 'tools', template: 'x' },
            { name: 'default', template: chatML },
          ],
        },
      },
      written,
    ],
    [{ 'tokenizer_config.json': configuration, 'chat_template.jinja': chatML }, written],
    [{ 'chat_template.json': { chat_template: chatML } }, written],
    [
      { 'tokenizer_config.json': configuration },
      '<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nWho wrote <Emma>? [/INST]',
    ],
  ] as const)
    t.is(await chatPrompt(await loadModel(await checkpointCopy(t, 'llama', files)), messages), expected)
  const bare = await loadModel(await checkpointCopy(t, 'llama'))
  await t.throwsAsync(chatPrompt(bare, messages), { code: 'CHAT_TEMPLATE_REQUIRED' })
})

test('messages become a prompt whose tokens the template alone decides', async t => {
  const template = "{{ '<s>' }}{% for m in messages %}{{ m.content }}{% endfor %}"
  const folder = await checkpointCopy(t, 'llama', {
    'tokenizer.json': letterTokenizer(),
    'tokenizer_config.json': { chat_template: template },
  })
  const model = await loadModel(folder)
  t.teardown(() => model.tokenizer!.dispose())
  const generator = new Generator(model)
  const chat = await generator.generate([{ role: 'user', content: 'abc' }], { maximumTokens: 5 })
  t.deepEqual(chat.promptIds, [1, 3, 4, 5])
  t.deepEqual(chat, await generator.generate('abc', { maximumTokens: 5 }))
  await t.throwsAsync(generator.generate([{ role: 'user' } as never]), { code: 'OPTION_TYPE' })
})

for (const [what, template, code] of [
  [
    'never ends',
    '{% for a in range(99999999) %}{% for b in range(99999999) %}{% endfor %}{% endfor %}',
    /DEADLINE_EXCEEDED|CHAT_TEMPLATE_INVALID/,
  ],
  [
    'takes all memory',
    '{% set ns = namespace(x="aaaaaaaaaaaaaaaa") %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}',
    /CHAT_TEMPLATE_INVALID|DEADLINE_EXCEEDED/,
  ],
  ['is no template', '{% for %}', /CHAT_TEMPLATE_INVALID/],
  [
    'looks for the process',
    "{{ messages.constructor.constructor('return process')() }}",
    /CHAT_TEMPLATE_INVALID/,
  ],
] as const)
  test(`a template that ${what} is an error, and the process goes on`, async t => {
    const error = await t.throwsAsync(renderChatTemplate(template, { messages }, { deadlineMs: 1500 }))
    t.regex((error as Error & { code: string }).code, code)
  })

test("the deadline is the template's: the beginning of its thread, which takes longer, does not count", async t => {
  t.is(await renderChatTemplate('a', { messages }, { deadlineMs: 20 }), 'a')
})

test('a signal ends the work on a template', async t => {
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 50)
  const slow = '{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}'
  await t.throwsAsync(renderChatTemplate(slow, { messages }, { signal: controller.signal }), {
    code: 'ABORTED',
  })
})
