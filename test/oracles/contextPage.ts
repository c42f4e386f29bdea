import { contextMethods } from '#lib/index.js'
import { at2FitOptions } from '#lib/methods/context/at2.js'
import type { OptionSchema } from '#lib/methods/options.js'
import { removalCheckOptions } from '#lib/metrics/removalCheck.js'
import { softContextFaithfulnessOptions } from '#lib/metrics/softContextFaithfulness.js'
import { contextTable } from './contextTable.js'
import { optionRow } from './optionRow.js'

const introduction = `# Tracing contexts

Which texts of a long context did an answer come from: sentences, paragraphs, passages that were retrieved, observations
of a tool. For finding out after the fact which of them made a model say what it said (a planted instruction, a false
passage), and for citing. This page is generated from the registry by \`node scripts/docs.js\`.

\`\`\`ts
import { AttnTrace, loadModel } from 'ascribe'

const model = await loadModel('Llama-3.2-1B-Instruct/')
const found = await new AttnTrace(model).attribute({ context, question, response })
for (const { rank, score, standardError, text } of found.top(3)) console.log(rank, score, standardError, text)
await found.save('trace.json')
\`\`\`

The model is any checkpoint that writes text ([checkpoints](checkpoints.md)). One that reads with an encoder (T5) reads the prompt
there; methods on attention then read where its decoder looks in it, and the answer is tokens by itself. Where the one that answered is closed, an open one
stands in with the closed one's answer.

## The prompt

\`context\` is one text, which is cut, or a list of passages, which are the texts as they are. \`response\` is the answer, or
the token ids that a [\`Generator\`](checkpoints.md#text) wrote.

| property | default | what it does |
|---|---|---|
| \`unit\` | sentences | \`sentences\` (Unicode's rules, but not behind abbreviations and initials), \`paragraphs\` (at blank lines), \`segments\` (of \`segmentWords\` words, 100), \`words\`. Put together they are the context again |
| \`spans\` | none | Texts of your own, \`{ start, end }\` in UTF-16 units; what lies between them always stays |
| \`question\`, \`template\` | | The template has \`[context]\` and, where there is a question, \`[question]\` |
| \`chat\`, \`system\` | where there is one | The checkpoint's chat template is put around it, with a message of the system in front |
| \`promptIds\` | none | The prompt's token ids as the model read them (\`Generation.promptIds\`) |
| \`tokenisation\` | once | \`once\`: the prompt is written as tokens, and texts are tokens that are left out; \`anew\`: each shorter prompt is written as tokens by itself; \`apart\`: each text is |
| \`dropFirstToken\`, \`specialsInside\` | false | With \`apart\`: what the code of AttnTrace does. Each text loses its first token, whatever it is; what follows the context, and the response, begin with the tokenizer's own tokens |
| \`overlong\` | error | \`drop\` leaves texts out from the end on, with a warning, where the model reads less |

Texts are removed, not masked: those behind them move up. \`ContextPrompt.create\` makes the prompt once for several
methods; \`ContextPrompt.fromTokens\` takes ids and the tokens of each text, and needs no tokenizer. \`ResponseScores\` says
how likely the response is with some of the texts, as a game that any sampler plays; sets that were asked for are
remembered, so that methods which are given the same one share passes, and so do several spans of one response:

\`\`\`ts
import { ContextCite, ContextPrompt, ResponseScores, TracLLM } from 'ascribe'

const scores = new ResponseScores(await ContextPrompt.create(model, { context, question, response }))
const whole = await new ContextCite(model).attribute(scores)
const part = await new ContextCite(model).attribute(scores, { span: { start: 0, end: 9 } }) // no further pass
const other = await new TracLLM(model).attribute(scores)
\`\`\`

Prompts that are asked about together (all sets of a round, all subsets of AttnTrace) share what they begin with: it is
read once, its keys and values are gone on from, and their ends lie side by side in one run, in which nothing is filled up
between texts of unlike length. Attention is causal and positions agree, so that numbers are those of each prompt by
itself, within rounding; \`cost.tokens\` counts what was read. \`bench/shared-prefixes.bench.ts\` measures it. On a GPU each
prompt is read by itself.

Models that only write texts, behind an endpoint say, are traced by how much they answer alike: \`AnswerSimilarity\` is BLEU of the
answer under some of the texts against the response (one answer for each set), and methods that leave texts out take it where they are
made for its generator. Which BLEU the authors of TracLLM take for black boxes is [unconfirmed]; ours is that of sentences,
smoothed, of words and marks (\`bleu\`).

\`\`\`ts
import { AnswerSimilarity, ContextLeaveOneOut, RemoteGenerator } from 'ascribe'

const similarity = new AnswerSimilarity(new RemoteGenerator(endpoint), { context, question, response })
const found = await new ContextLeaveOneOut(similarity.generator).attribute(similarity)
\`\`\`

## Results

A \`ContextAttribution\` has a score for each text, where they are known standard errors, how often each was drawn and
scores of its tokens, the response's tokens that were traced, warnings, cost, options and seed. \`top(count)\` ranks,
texts that a search dropped (which are not \`kept\`) behind all others,
\`save\` and \`ContextAttribution.load\` write and read JSON. Scores do not prove causes.

| warning | meaning |
|---|---|
| \`SCORES_DEGENERATE\` | All scores are equal: the ranking is the texts' order |
| \`SUBSETS_SMALL\` | Subsets have fewer than four texts |
| \`TEXTS_NOT_DRAWN\` | Some texts were in no subset |
| \`ATTENTION_ELSEWHERE\` | Less than 1 % of the attention is on the context |
| \`CONSTANT_MASKS\` | ContextCite kept some texts in all of its subsets or in none: their scores are 0 |
| \`CONSTANT_SCORES\` | The response is as likely under every set of texts: all scores are 0 |
| \`TEXTS_DROPPED\` | Texts were left out so that the rest fits the model |
| \`NOTHING_CITED\` | Asked what it stands on, the model named none of the texts: all scores are 0 |
`

const notes: Readonly<Record<string, string>> = {
  At2: `A text's score is the sum over its tokens and the mean over the response's (AttnTrace has a mean of the most read ones);
weights may be below 0, and so may scores. Weights are learnt once for a model, from prompts with responses: under random
masks, which hide single tokens of the context from attention, the weighted attention of what is kept should go along with
how likely each sentence of the response is (negative Pearson correlation, Adam, a rate that falls to 0 along a cosine).

\`\`\`ts
import { At2 } from 'ascribe'

const { weights, losses } = await At2.fit(model, examples, { signal })
const found = await new At2(model, { headWeights: weights }).attribute({ context, question, response })
\`\`\`

| option of \`At2.fit\` | values | default | what it does |
|---|---|---|---|
${Object.entries(at2FitOptions)
  .map(([option, spec]) => optionRow(option, spec))
  .join('\n')}`,
  AttnTrace: `Attention is reduced inside its kernel, row by row, while queries and keys are there: no matrix and no layer's states
are kept, and nothing behind the last layer's keys is computed. Sums are in f32; the model's own scale, caps and windows
hold. \`headWeights\` weighs heads (one for each head of each layer). \`trace\` keeps the rows of the response's tokens, so that
every span of the answer is traced by one reading:

\`\`\`ts
import { AttnTrace } from 'ascribe'

const trace = await new AttnTrace(model).trace({ context, question, response })
const sentence = await trace.attribution({ start: 0, end: 12 }) // tokens of the response
\`\`\`

\`{ q: 1, avgK: 1e6 }\` is the plain mean of all attention. Unlike its code this reads the prompt that the model saw, takes all
of fewer than five texts (⌊nq⌋ of two is none), and sums in f32 instead of bf16, which differs by 2 % at most.`,
  SelfCitation: `The first text named has as many points as texts were named, the last one 1; numbers that no text has are dropped. Prompt and
answer are in the result's details. It needs a capable model, tells only what that says of itself, and works behind an endpoint:
\`new SelfCitation(generator).attribute(similarity)\` with an \`AnswerSimilarity\` of that generator.`,
}

const streaming = `## While the answer is written

\`StreamedTrace\` writes the answer and reads the attention of each token's row in the step that writes it, so that sources
are known with every sentence. It is \`AttnTrace\` with \`q: 1\` and \`rows: 'predicting'\`, within rounding: one reading of the
whole context, no subsets. \`bench/streamed-trace.bench.ts\` measures what it adds to generation.

\`\`\`ts
import { StreamedTrace } from 'ascribe'

const trace = await StreamedTrace.open(model, { context, question })
for await (const { text } of trace.stream({ maximumTokens: 200 })) {
  process.stdout.write(text)
  if (text.endsWith('.')) console.log((await trace.attribution()).top(1))
}
\`\`\`

\`streamAnswer\` asks a question about documents and tells each sentence with its sources as soon as it is whole, which a server can
send on as it comes; on the command line \`ascribe trace --stream\` ([the command line](cli.md#where-an-answer-came-from)).

\`\`\`ts
import { streamAnswer } from 'ascribe'

for await (const event of streamAnswer(model, { documents: [{ name: 'notes.txt', text }], question }))
  if (event.kind === 'text') process.stdout.write(event.text)
  else if (event.kind === 'sentence')
    for (const { number, document, line, score } of event.sources) console.log(number, document, line, score)
\`\`\`

Without a trace, \`attention\` of a \`Generator\`'s options is shown every row.
`

const optionTable = (options: OptionSchema): string[] => [
  '| option | values | default | what it does |',
  '|---|---|---|---|',
  ...Object.entries(options).map(([option, spec]) => optionRow(option, spec)),
]

const checking = [
  '## Checking a trace',
  '',
  'Scores do not prove causes; taking texts away tells more. `removalCheck` asks how likely the answer is without the first texts of',
  'a trace, and with these alone, beside random sets of as many, with `answers` also what the model says then: an answer that stands',
  'on them changes without them and persists with them. It takes a prompt or `ResponseScores`, whose passes are shared, and a trace by any',
  'method or the numbers of texts.',
  '',
  '```ts',
  "import { AttnTrace, ContextPrompt, removalCheck, softContextFaithfulness } from 'ascribe'",
  '',
  'const prompt = await ContextPrompt.create(model, { context, question, response })',
  'const found = await new AttnTrace(model).attribute(prompt)',
  'const { whole, removed, kept } = await removalCheck(prompt, found, { topK: 1, answers: true })',
  'console.log(removed.drop, removed.random, removed.answer, removed.isSameAnswer, kept.answer) // nats, { mean, low, high }',
  '',
  'const { sufficiency, comprehensiveness, random } = await softContextFaithfulness(prompt, found)',
  '```',
  '',
  ...optionTable(removalCheckOptions),
  '',
  '`softContextFaithfulness` removes nothing: each element of the embeddings of the context is kept with the importance of its text as',
  'probability (sufficiency), or with what is missing of it (comprehensiveness), and the distributions that predict the answer are',
  'compared, as shares of what a context of empty embeddings does; with standard errors, beside random importances (Zhao and',
  'Aletras 2023; texts as units and the sum over the tokens of the answer are our own). For generated tokens: [judging maps](generation.md#judging-maps).',
  '',
  ...optionTable(softContextFaithfulnessOptions),
  '',
]

/** docs/context.md */
export function contextPage(): string {
  const sections = contextMethods.flatMap(({ name, summary, source, options }) => [
    `## ${name}`,
    '',
    summary,
    '',
    `Source: ${source}.`,
    '',
    ...(Object.keys(options).length === 0
      ? ['No options.']
      : ['| option | values | default | what it does |', '|---|---|---|---|']),
    ...Object.entries(options).map(([option, spec]) => optionRow(option, spec)),
    '',
    ...(notes[name] === undefined ? [] : [notes[name], '']),
  ])
  return [introduction, ...sections, ...checking, ...contextTable(), streaming].join('\n')
}
