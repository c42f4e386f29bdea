import test from 'ava'
import {
  AnswerSimilarity,
  AttnTrace,
  bleu,
  ContextAttribution,
  ContextCite,
  ContextLeaveOneOut,
  ContextShapley,
  SingleTextContribution,
  type TextGenerator,
  TracLLM,
} from '#lib/index.js'

const near = (a: number, b: number, tolerance = 1e-12) => Math.abs(a - b) <= tolerance

test('BLEU: the worked example of its paper, brevity, order and equal texts', t => {
  // Papineni et al., example 2: 2 of 7 words count, since the reference has "the" twice.
  t.true(near(bleu('The cat is on the mat.', 'the the the the the the the', 1), 2 / 7))
  t.is(bleu('The key is copper 4.', 'the key is copper 4.'), 1)
  t.true(near(bleu('the cat is on the mat', 'the cat'), Math.exp(1 - 6 / 2)))
  // Runs: 3/4 of words, (1 + 1)/(3 + 1) of pairs, (0 + 1)/(2 + 1) of three, (0 + 1)/(1 + 1) of four.
  t.true(near(bleu('a b c d', 'a b x d'), (0.75 * 0.5 * (1 / 3) * 0.5) ** 0.25))
  t.is(bleu('one two', 'three four'), 0)
  t.is(bleu('one', ''), 0)
  t.is(bleu('', ''), 1)
  t.throws(() => bleu('a', 'b', 0), { code: 'OPTION_RANGE' })
})

const context = 'Rain fell. Ada has the copper key. It was cold. The copper key is held by Ada. Bob slept.'
const response = 'Ada has the copper key.'

/** A generator that knows who has the key where its prompt says so. */
function reader(): TextGenerator & { asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    generate: async prompt => {
      asked.push(prompt as string)
      return {
        text: /Ada has|held by Ada/.test(prompt as string) ? response : 'Nobody knows anything at all.',
      }
    },
  }
}

test('texts that a black box answers from are found; answers are remembered', async t => {
  const generator = reader()
  const similarity = new AnswerSimilarity(generator, { context, question: 'Who has the key?', response })
  t.is(similarity.texts.length, 5)
  t.regex(similarity.promptWith([0, 4]), /Context:\nRain fell\. Bob slept\.\n\nQuestion: Who has the key\?$/)
  const single = await new SingleTextContribution(generator).attribute(similarity)
  const without = bleu(response, 'Nobody knows anything at all.')
  t.deepEqual(
    single.scores.map(score => near(score, 1 - without)),
    [false, true, false, true, false],
  )
  t.is(single.unit, 'BLEU')
  t.is(single.cost.forwardPasses, 6)
  t.is(generator.asked.length, 6)
  const left = await new ContextLeaveOneOut(generator).attribute(similarity)
  t.deepEqual(left.scores, [0, 0, 0, 0, 0], 'neither is missed')
  const shapley = await new ContextShapley(generator, { permutations: 40 }).attribute(similarity)
  t.true(
    near(
      shapley.scores.reduce((sum, each) => sum + each, 0),
      1 - without,
      1e-9,
    ),
  )
  t.deepEqual(
    shapley
      .top(2)
      .map(({ index }) => index)
      .sort(),
    [1, 3],
  )
  const tree = await new TracLLM(generator, { topK: 2, permutations: 3 }).attribute(similarity)
  t.deepEqual([...tree.kept!].sort(), [1, 3])
  const cite = await new ContextCite(generator).attribute(similarity)
  t.deepEqual(
    cite
      .top(2)
      .map(({ index }) => index)
      .sort(),
    [1, 3],
  )
  // Thirty-two sets there are.
  t.true(generator.asked.length <= 32)
  const loaded = ContextAttribution.fromJSON(JSON.stringify(single))
  t.deepEqual(loaded.scores, single.scores)
})

test('what cannot be traced so is refused by name', async t => {
  const generator = reader()
  const request = { context, question: 'Who?', response }
  const similarity = new AnswerSimilarity(generator, request)
  const method = new ContextLeaveOneOut(generator)
  await t.throwsAsync(method.attribute(request), { code: 'MODEL_CAPABILITY' })
  await t.throwsAsync(method.attribute(similarity, { span: { start: 0, end: 1 } }), { code: 'OPTION_RANGE' })
  await t.throwsAsync(new ContextLeaveOneOut(reader()).attribute(similarity), { code: 'OPTION_RANGE' })
  await t.throwsAsync(method.attribute(similarity, { signal: AbortSignal.abort() }), { code: 'ABORTED' })
  t.throws(() => new ContextLeaveOneOut({} as never), { code: 'OPTION_TYPE' })
  t.throws(() => new AttnTrace(generator as never))
  t.throws(() => new AnswerSimilarity(generator, { ...request, response: ' ' }), { code: 'INPUT_VALUE' })
  t.throws(() => new AnswerSimilarity(generator, { ...request, template: 'none' }), { code: 'OPTION_RANGE' })
  t.throws(() => new AnswerSimilarity({} as never, request), { code: 'OPTION_TYPE' })
})
