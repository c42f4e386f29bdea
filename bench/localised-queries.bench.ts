// Localised queries where the truth is known: outputs made of source sentences (copied, compressed, with a pronoun or a
// synonym put in), a clause of each as the highlight. Hidden-state windows of stories260K against alignment of words, with and
// without a coarse attribution of sentences; the sentence as a whole is what a reader has without either.
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { sentenceEnds } from '#lib/context/sentences.js'
import { alignFact, HiddenStateLaquer, loadModel, type SourceInterval, wordsOf } from '#lib/index.js'
import { bootstrapInterval } from '#lib/metrics/intervals.js'
import { randomStream } from '#lib/metrics/randomStream.js'
import { quick } from './harness.js'

const data = process.env.ASCRIBE_SHARED_DATA ?? resolve('../shared/data')
const stories = join(data, 'tinystories-1000', 'stories.jsonl')
const models = join(data, 'stories260k')

type Edit = 'copied' | 'compressed' | 'pronoun' | 'synonym'
const edits: readonly Edit[] = ['copied', 'compressed', 'pronoun', 'synonym']
const synonyms: Readonly<Record<string, string>> = {
  big: 'large',
  little: 'small',
  happy: 'glad',
  sad: 'unhappy',
  liked: 'loved',
  saw: 'noticed',
  said: 'told',
  went: 'walked',
  wanted: 'wished',
  looked: 'gazed',
  park: 'garden',
  mom: 'mother',
  friends: 'pals',
}

interface Sample {
  readonly sources: readonly { id: string; text: string }[]
  readonly output: string
  readonly highlight: { start: number; end: number }
  readonly truth: SourceInterval
  /** The sentence that the truth is in. */
  readonly sentence: SourceInterval
  readonly edit: Edit
}

/** The words of a sentence, edited; each says which word of the source it came from. */
function edited(
  words: readonly string[],
  edit: Edit,
  draw: () => number,
): { word: string; from: number }[] | undefined {
  const all = words.map((word, from) => ({ word, from }))
  if (edit === 'copied') return all
  if (edit === 'compressed') return all.filter((_, at) => at === 0 || draw() > 0.25)
  if (edit === 'pronoun') {
    const name = /^\p{Lu}\p{Ll}+$/u
    if (!name.test(words[0]!) || /^(The|A|She|He|They|It|One|But|Then|So|Her|His)$/.test(words[0]!))
      return undefined
    return [{ word: draw() < 0.5 ? 'She' : 'He', from: 0 }, ...all.slice(1)]
  }
  const changed = all.map(({ word, from }) => ({ word: synonyms[word] ?? word, from }))
  return changed.some(({ word }, at) => word !== words[at]) ? changed : undefined
}

function sampleOf(texts: readonly string[], seed: number): Sample | undefined {
  const stream = randomStream(seed, 'localised', 0)
  const sources = Array.from({ length: 3 }, (_, at) => {
    const text = texts[stream.below(texts.length)]!
    const ends = sentenceEnds(text)
    return { id: `${at}`, text: text.slice(0, ends[Math.min(4, ends.length - 1)]).trim() }
  })
  const source = sources[stream.below(3)]!
  const ends = sentenceEnds(source.text)
  const pick = stream.below(ends.length)
  const start = ends[pick - 1] ?? 0
  const words = Array.from(source.text.slice(start, ends[pick]).matchAll(/\S+/g), ({ index, 0: word }) => ({
    word,
    start: start + index,
    end: start + index + word.length,
  }))
  if (words.length < 7) return undefined
  const edit = edits[seed % edits.length]!
  const made = edited(
    words.map(({ word }) => word),
    edit,
    () => stream.uniform(),
  )
  if (made === undefined || made.length < 6) return undefined
  const length = 3 + stream.below(4)
  const first = edit === 'pronoun' ? 0 : stream.below(made.length - length + 1)
  const clause = made.slice(first, first + length)
  const before = made.slice(0, first).map(({ word }) => word)
  const lead = before.length > 0 ? `${before.join(' ')} ` : ''
  const own = clause.map(({ word }) => word).join(' ')
  const rest = made.slice(first + length).map(({ word }) => word)
  return {
    sources,
    output: [lead + own, ...rest].join(' '),
    highlight: { start: lead.length, end: lead.length + own.length },
    truth: { source: source.id, start: words[clause[0]!.from]!.start, end: words[clause.at(-1)!.from]!.end },
    sentence: { source: source.id, start: words[0]!.start, end: words.at(-1)!.end },
    edit,
  }
}

interface Judged {
  readonly iou: number
  readonly precision: number
  readonly recall: number
  readonly length: number
}

/** Words shared with the truth. */
function judge(sample: Sample, spans: readonly SourceInterval[]): Judged {
  const wordsIn = ({ source, start, end }: SourceInterval) =>
    wordsOf(sample.sources.find(({ id }) => id === source)!.text)
      .filter(word => word.start >= start && word.end <= end)
      .map(word => `${source} ${word.start}`)
  const [found, truth] = [new Set(spans.flatMap(wordsIn)), new Set(wordsIn(sample.truth))]
  const shared = [...found].filter(word => truth.has(word)).length
  return {
    iou: shared / (found.size + truth.size - shared),
    precision: found.size === 0 ? 0 : shared / found.size,
    recall: shared / truth.size,
    length: found.size / Math.max(1, wordsIn(sample.sentence).length),
  }
}

/** The candidate in which most words of the highlight are found, from the first to the last of them. */
function byWords(sample: Sample, candidates: readonly SourceInterval[]): SourceInterval[] {
  const fact = wordsOf(sample.output.slice(sample.highlight.start, sample.highlight.end)).map(
    ({ word }) => word,
  )
  const found = candidates.map(candidate => {
    const text = sample.sources.find(({ id }) => id === candidate.source)!.text
    const words = wordsOf(text).filter(({ start, end }) => start >= candidate.start && end <= candidate.end)
    const { matches } = alignFact(
      fact,
      words.map(({ word }) => word),
    )
    const places = matches.flatMap(at => at ?? [])
    if (places.length === 0) return { count: 0, span: candidate }
    const [first, last] = [words[Math.min(...places)]!, words[Math.max(...places)]!]
    return { count: places.length, span: { source: candidate.source, start: first.start, end: last.end } }
  })
  const best = found.reduce((a, b) => (b.count > a.count ? b : a))
  return best.count === 0 ? [] : [best.span]
}

const sentences = ({ sources }: Sample): SourceInterval[] =>
  sources.flatMap(({ id, text }) => {
    const ends = sentenceEnds(text)
    return ends.map((end, at) => ({ source: id, start: ends[at - 1] ?? 0, end }))
  })

if (!existsSync(stories) || !existsSync(models)) {
  console.log(`skipped: ${stories} or ${models} is not there (set ASCRIBE_SHARED_DATA)`)
} else {
  const texts = readFileSync(stories, 'utf8')
    .trim()
    .split('\n')
    .map(line => (JSON.parse(line) as { text: string }).text)
  const model = await loadModel(join(models, 'stories260K.bin'), { tokenizer: join(models, 'tok512.bin') })
  const wanted = quick ? 40 : 400
  const samples: Sample[] = []
  for (let seed = 0; samples.length < wanted; seed++) {
    const sample = sampleOf(texts, seed)
    if (sample !== undefined) samples.push(sample)
  }
  const rows = new Map<string, { sample: Sample; judged: Judged }[]>()
  const put = (name: string, sample: Sample, spans: readonly SourceInterval[]) =>
    rows.set(name, [...(rows.get(name) ?? []), { sample, judged: judge(sample, spans) }])
  let tooLong = 0
  for (const sample of samples) {
    const coarse = [{ output: { start: 0, end: sample.output.length }, sources: [sample.sentence] }]
    const { sources, output } = sample
    put('sentence (no localisation)', sample, [sample.sentence])
    put('words, in the sentence', sample, byWords(sample, [sample.sentence]))
    put('words, all sentences', sample, byWords(sample, sentences(sample)))
    for (const layer of [1, 3, 5])
      for (const centred of [false, true]) {
        const laquer = new HiddenStateLaquer(model, { layer, centred, spans: 1, threshold: -1 })
        const response = await laquer.read({ sources, output }).catch(() => undefined)
        if (response === undefined) {
          tooLong++
          continue
        }
        const name = `states behind layer ${layer}${centred ? ', centred' : ''}`
        put(`${name}, in the sentence`, sample, response.query([sample.highlight], coarse).spans)
        put(`${name}, all sources`, sample, response.query([sample.highlight]).spans)
      }
  }
  console.log(`${samples.length} highlights; ${tooLong} reads were longer than the context`)
  console.log(
    `| method | IoU of words [95 %] | ${edits.map(edit => `IoU ${edit}`).join(' | ')} | precision | recall | words, as a share of the sentence |`,
  )
  console.log(`|---|---|${edits.map(() => '---|').join('')}---|---|---|`)
  for (const [name, list] of rows) {
    const mean = (pick: (each: Judged) => number, of = list) =>
      of.reduce((sum, { judged }) => sum + pick(judged), 0) / Math.max(1, of.length)
    const { low, high } = bootstrapInterval(
      list.map(({ judged }) => judged.iou),
      { seed: 1 },
    )
    const byEdit = edits.map(edit =>
      mean(
        ({ iou }) => iou,
        list.filter(({ sample }) => sample.edit === edit),
      ).toFixed(2),
    )
    const cells = [
      name,
      `${mean(({ iou }) => iou).toFixed(3)} [${low.toFixed(2)}, ${high.toFixed(2)}]`,
      ...byEdit,
      mean(({ precision }) => precision).toFixed(2),
      mean(({ recall }) => recall).toFixed(2),
      mean(({ length }) => length).toFixed(2),
    ]
    console.log(`| ${cells.join(' | ')} |`)
  }
  model.tokenizer?.dispose()
}
