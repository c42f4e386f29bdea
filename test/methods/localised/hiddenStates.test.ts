import { join } from 'node:path'
import test from 'ava'
import { createTensor, HiddenStateLaquer, type HiddenStateLaquerOptions, loadModel } from '#lib/index.js'
import { usualLayer, wholeWords } from '#lib/methods/localised/hiddenStateLaquer.js'
import {
  anchorOf,
  bestWindow,
  cosine,
  queryVectors,
  type Vectors,
} from '#lib/methods/localised/hiddenStateWindows.js'
import { checkpointCopy } from '../../oracles/checkpointCopy.js'
import { letterTokenizer } from '../../oracles/letterTokenizer.js'
import { checkpointFolder } from '../../oracles/recordedCheckpoints.js'
import { sharedData } from '../../oracles/sharedData.js'

/** Five source tokens, two output tokens. */
const example: Vectors = {
  width: 3,
  data: Float64Array.from(
    [
      [1, 0, 0.2],
      [0.9, 0.1, 0.1],
      [0, 1, 0.3],
      [0.2, 0.8, 0.9],
      [-0.3, 0.4, 1],
      [1, 0.1, 0.1],
      [0.1, 0.9, 0.6],
    ].flat(),
  ),
}
const at = ({ data, width }: Vectors, place: number) => data.subarray(place * width, (place + 1) * width)
const close = (a: number, b: number) => Math.abs(a - b) < 1e-10

test('the worked example: cosines, the anchor, and windows around it', t => {
  const rows = [
    [0.9903379377, 0.9998818735, 0.1232906146, 0.3001293751, -0.1416983817],
    [0.1985934898, 0.2425108601, 0.9522906119, 0.9653300636, 0.7657498817],
  ]
  for (const [token, row] of rows.entries())
    for (const [source, value] of row.entries())
      t.true(close(cosine(at(example, source), at(example, 5 + token)), value))
  const anchor = anchorOf(example, [0, 1, 2, 3, 4], [5, 6])!
  t.is(anchor.anchor, 1)
  const unit = queryVectors(example, [5, 6], 'unit')
  const raw = queryVectors(example, [5, 6], 'raw')
  const windows: [number, number, number, number][] = [
    [0, 4, 0.9980030316, 0.9988922423],
    [1, 3, 0.9745184805, 0.9768732495],
    [0, 3, 0.9721494705, 0.965295852],
    [1, 4, 0.9502635536, 0.9588566327],
  ]
  for (const [start, end, byUnit, byRaw] of windows)
    for (const [query, value] of [
      [unit, byUnit],
      [raw, byRaw],
    ] as const) {
      // A window that cannot be another: its ends are the bounds, and what is shorter costs nothing less.
      const mean = [0, 1, 2].map(k => {
        let sum = 0
        for (let token = start; token < end; token++) sum += at(example, token)[k]!
        return sum
      })
      t.true(close(cosine(mean, query[0]!), value), `${start} ${end}`)
    }
  const bounds = { first: 0, last: 5, longest: 14, lambda: 0 }
  for (const [query, value] of [
    [unit, 0.9980030316],
    [raw, 0.9988922423],
  ] as const) {
    const best = bestWindow(example, 1, query, 2, bounds)
    t.deepEqual([best.start, best.end], [0, 4])
    t.true(close(best.score, value))
  }
  const dear = bestWindow(example, 1, unit, 2, { ...bounds, lambda: 0.05 })
  t.deepEqual([dear.start, dear.end], [1, 3])
  t.true(close(dear.score, 0.9745184805 - 0.05))
  const short = bestWindow(example, 1, unit, 2, { ...bounds, longest: 2 })
  t.deepEqual([short.start, short.end], [1, 3])
})

test('windows do not change with one scale for all, or a rotation', t => {
  const query = queryVectors(example, [5, 6], 'unit')
  const plain = bestWindow(example, 1, query, 2, { first: 0, last: 5, longest: 5, lambda: 0 })
  const scaled = { ...example, data: example.data.map(value => 37 * value) as Float64Array }
  const [c, s] = [Math.cos(0.7), Math.sin(0.7)]
  const turned = {
    width: 3,
    data: Float64Array.from(
      Array.from({ length: 7 }, (_, token) => {
        const [x, y, z] = at(example, token) as unknown as [number, number, number]
        return [c * x - s * y, s * x + c * y, z]
      }).flat(),
    ),
  }
  for (const other of [scaled, turned]) {
    const found = bestWindow(other, 1, queryVectors(other, [5, 6], 'unit'), 2, {
      first: 0,
      last: 5,
      longest: 5,
      lambda: 0,
    })
    t.deepEqual([found.start, found.end], [plain.start, plain.end])
    t.true(Math.abs(found.score - plain.score) < 1e-12)
  }
})

test('stretches grow to whole words, inside their bounds', t => {
  const text = 'Tom had a red ball.'
  const grown = (start: number, end: number, from = 0, to = text.length) => {
    const span = wholeWords(text, { start, end }, { start: from, end: to })
    return text.slice(span.start, span.end)
  }
  t.is(grown(11, 15), 'red ball')
  t.is(grown(3, 9), 'had a')
  t.is(grown(15, 18, 15), 'all')
})

const sources = [
  { id: 'one', text: 'abc def. ghi jkl mno.' },
  { id: 'two', text: 'pqr stu. vwx.' },
]

async function respond(t: Parameters<typeof sharedData>[0], options: HiddenStateLaquerOptions = {}) {
  const folder = await checkpointCopy(t, 'llama', { 'tokenizer.json': letterTokenizer() })
  const model = await loadModel(folder)
  t.teardown(() => model.tokenizer?.dispose())
  return new HiddenStateLaquer(model, options).read({
    sources,
    output: 'jkl, stu.',
    layout: { between: ' ', output: ' ' },
  })
}

test('spans are stretches of the candidates, apart, in order, ranked; one read answers every query', async t => {
  const response = await respond(t, { threshold: -1, spans: 5 })
  t.true(response.byteLength > 0)
  const coarse = [
    { output: { start: 0, end: 3 }, sources: [{ source: 'one', start: 9, end: 21 }] },
    { output: { start: 5, end: 9 }, sources: [{ source: 'two', start: 0, end: 8 }] },
  ]
  for (const [highlight, allowed] of [
    [[{ start: 0, end: 3 }], 'one'],
    [[{ start: 5, end: 8 }], 'two'],
  ] as const) {
    const { spans, candidates, isUnattributed } = response.query(highlight, coarse)
    t.false(isUnattributed)
    t.true(spans.length > 0)
    t.deepEqual(
      spans.map(({ rank }) => rank).toSorted(),
      spans.map((_, k) => k + 1),
    )
    for (const [k, { source, start, end, text }] of spans.entries()) {
      t.is(source, allowed)
      t.is(sources.find(({ id }) => id === source)!.text.slice(start, end), text)
      t.true(candidates.some(each => each.source === source && each.start <= start && end <= each.end))
      if (k > 0) t.true(spans[k - 1]!.end <= start)
    }
  }
  t.deepEqual(response.query([{ start: 0, end: 3 }], []).spans, [])
  t.true(response.query([{ start: 0, end: 3 }], []).isUnattributed)
  t.deepEqual(response.query([{ start: 0, end: 3 }]), response.query([{ start: 0, end: 3 }]))
  const strict = await respond(t, { threshold: 1 })
  t.true(strict.query([{ start: 0, end: 3 }]).isUnattributed)
  t.throws(
    () =>
      response.query(
        [
          { start: 3, end: 4 },
          { start: 4, end: 5 },
        ].slice(1),
      ),
    { code: 'INPUT_VALUE' },
  )
  t.throws(() => response.query([{ start: 0, end: 99 }]), { code: 'OPTION_RANGE' })
})

test('windows are those of the states by hand: centred or not, inside sentences or sources, by every kind of query', async t => {
  const folder = await checkpointCopy(t, 'llama', { 'tokenizer.json': letterTokenizer() })
  const model = await loadModel(folder)
  t.teardown(() => model.tokenizer?.dispose())
  const text = 'abc def! ghi jkl mno. jkl, stu.'
  const [source, output] = [text.slice(0, 21), text.slice(22)]
  const { ids, offsets } = await model.tokenizer!.encode(text)
  const [name] = model.layers().flatMap(layer => (/layers\.0$/.test(layer.name) ? [layer.name] : []))
  const given = { input_ids: createTensor('i64', [1, ids.length], BigInt64Array.from(ids, BigInt)) }
  const { shape, data } = (await model.run(given, { outputs: [name!] })).outputs[name!]!
  const width = shape[2]!
  const plain = data as Float32Array
  const mean = Array.from({ length: width }, (_, k) =>
    ids.reduce<number>((sum, _id, token) => sum + plain[token * width + k]! / ids.length, 0),
  )
  const tokensIn = (start: number, end: number) =>
    ids.flatMap((_, token) => {
      const place = offsets[token]
      return place && place[0] >= start && place[1] <= end ? [token] : []
    })
  const asked = tokensIn(22, 25)
  for (const centred of [false, true])
    for (const within of ['sentence', 'source'] as const)
      for (const query of ['unit', 'raw', 'vote'] as const) {
        const states = { width, data: plain.map((value, at) => value - (centred ? mean[at % width]! : 0)) }
        const { anchor } = anchorOf(states, tokensIn(0, 21), asked)!
        // The first sentence ends behind its white space.
        const inFirst = offsets[anchor]![0] < 9
        const bounds = within === 'source' ? [0, 21] : inFirst ? [0, 9] : [9, 21]
        const own = tokensIn(bounds[0]!, bounds[1]!)
        const window = bestWindow(states, anchor, queryVectors(states, asked, query), asked.length, {
          first: own[0]!,
          last: own.at(-1)! + 1,
          longest: 16,
          lambda: 0,
        })
        const span = { start: offsets[window.start]![0], end: offsets[window.end - 1]![1] }
        const expected = wholeWords(source, span, { start: bounds[0]!, end: bounds[1]! })
        const laquer = new HiddenStateLaquer(model, {
          centred,
          within,
          query,
          spans: 1,
          threshold: -1,
          longest: 16,
        })
        const response = await laquer.read({
          sources: [{ id: 'one', text: source }],
          output,
          layout: { output: ' ' },
        })
        const [found] = response.query([{ start: 0, end: 3 }]).spans
        const which = `${centred} ${within} ${query}`
        t.deepEqual([found!.start, found!.end], [expected.start, expected.end], which)
        t.true(Math.abs(found!.score - window.score) < 1e-5, which)
      }
  // A highlight of two sentences that were copied: its window goes from one into the other only where it may.
  const spansOf = async (within: 'sentence' | 'source') => {
    const laquer = new HiddenStateLaquer(model, { within, spans: 1, threshold: -1 })
    const one = { id: 'one', text: 'abc! ghi jkl! stu vwx! mno.' }
    const response = await laquer.read({
      sources: [one],
      output: 'ghi jkl! stu vwx!',
      layout: { output: ' ' },
    })
    return response.query([{ start: 0, end: 17 }]).spans.map(({ text: found }) => found)
  }
  const [inSentence, inSource] = [await spansOf('sentence'), await spansOf('source')]
  t.false(inSentence[0]!.slice(0, -1).includes('!'), inSentence[0])
  t.true(inSource[0]!.slice(0, -1).includes('!'), inSource[0])
})

test('a window that each highlighted token votes on has the mean of their cosines', t => {
  const votes = queryVectors(example, [5, 6], 'vote')
  t.deepEqual(votes, [Float64Array.from(at(example, 5)), Float64Array.from(at(example, 6))])
  const best = bestWindow(example, 1, votes, 2, { first: 0, last: 5, longest: 5, lambda: 0 })
  let most = Number.NEGATIVE_INFINITY
  for (let start = 0; start <= 1; start++)
    for (let end = 2; end <= 5; end++) {
      const sum = [0, 1, 2].map(k => {
        let all = 0
        for (let token = start; token < end; token++) all += at(example, token)[k]!
        return all
      })
      most = Math.max(most, (cosine(sum, votes[0]!) + cosine(sum, votes[1]!)) / 2)
    }
  t.true(close(best.score, most))
})

test('models and requests that cannot be read are refused', async t => {
  const encoder = await loadModel(checkpointFolder('bert-masked'))
  t.throws(() => new HiddenStateLaquer(encoder), { code: 'MODEL_CAPABILITY' })
  const bare = await loadModel(checkpointFolder('llama'))
  t.throws(() => new HiddenStateLaquer(bare, { layer: 3 }), { code: 'OPTION_RANGE' })
  t.is(new HiddenStateLaquer(bare).layer, 1)
  await t.throwsAsync(new HiddenStateLaquer(bare).read({ sources, output: 'x' }), {
    code: 'TOKENIZER_REQUIRED',
  })
  const folder = await checkpointCopy(t, 'llama', { 'tokenizer.json': letterTokenizer() })
  const model = await loadModel(folder)
  t.teardown(() => model.tokenizer?.dispose())
  const laquer = new HiddenStateLaquer(model)
  await t.throwsAsync(laquer.read({ sources: [{ id: 'a', text: 'a'.repeat(300) }], output: 'x' }), {
    code: 'INPUT_SHAPE',
  })
  await t.throwsAsync(laquer.read({ sources, output: ' ' }), { code: 'INPUT_VALUE' })
})

test('a trained model finds the place that a phrase was copied from', async t => {
  const folder = sharedData(t, 'stories260k')
  if (folder === undefined) return
  const model = await loadModel(join(folder, 'stories260K.bin'), { tokenizer: join(folder, 'tok512.bin') })
  t.teardown(() => model.tokenizer?.dispose())
  const story = [
    {
      id: 'lily',
      text: 'Lily went to the park with her mom. She saw a big brown dog near the swings. The dog was sad.',
    },
    { id: 'tom', text: 'Tom had a red ball. He liked to kick the ball very far. One day the ball was lost.' },
  ]
  const output = 'Lily saw a big brown dog near the swings. Tom liked to kick the ball very far.'
  const response = await new HiddenStateLaquer(model, { spans: 1 }).read({ sources: story, output })
  for (const [phrase, source] of [
    ['a big brown dog near the swings', 'lily'],
    ['liked to kick the ball very far', 'tom'],
  ] as const) {
    const start = output.indexOf(phrase)
    const { spans } = response.query([{ start, end: start + phrase.length }])
    const [best] = spans
    t.is(best!.source, source)
    const truth = story.find(({ id }) => id === source)!.text.indexOf(phrase)
    const shared = Math.min(best!.end, truth + phrase.length) - Math.max(best!.start, truth)
    t.true(
      shared / (Math.max(best!.end, truth + phrase.length) - Math.min(best!.start, truth)) >= 0.7,
      best!.text,
    )
  }
})

test('by default the states behind six tenths of the layers are read', async t => {
  t.deepEqual([1, 2, 5, 10, 16, 32].map(usualLayer), [1, 1, 3, 6, 10, 19])
  const model = await loadModel(checkpointFolder('llama'))
  t.is(new HiddenStateLaquer(model).layer, 1)
  t.is(new HiddenStateLaquer(model, { layer: 2 }).layer, 2)
})
