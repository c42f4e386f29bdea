/**
 * Which methods over contexts find the texts that an answer came from, where that is known: contexts of 20 sentences of
 * 20 tokens each, of which m say what is asked for, read by the retrieval transformer of models/. Precision@m with 95 %
 * intervals, rank correlation with leave-one-out and with Shapley values, passes, and how faithful the scores are: what
 * the answer's log-probability loses without the first m texts and with them alone, soft sufficiency and comprehensiveness,
 * beside those of the truth and of random numbers; then planted instructions: how often they are among the first texts, and
 * whether the answer is still theirs once these are gone. AT2 learns its weights from contexts of another seed.
 *
 *   node build/ts/bench/context.bench.js [--quick] [--only NAME] [--scenes COUNT] [--record]
 *
 * `--record` writes bench/context/results.json, from which `node scripts/docs.js` makes the table of docs/context.md.
 */
import { join } from 'node:path'
import { spearmanCorrelation } from '#lib/data/rankStatistics.js'
import { RandomStream } from '#lib/games/randomStream.js'
import {
  At2,
  AttnTrace,
  answerWithout,
  bootstrapInterval,
  ContextAttribution,
  ContextCite,
  ContextLeaveOneOut,
  ContextPrompt,
  ContextShapley,
  DenoisedShapley,
  type Interval,
  loadModel,
  PerturbedContext,
  ResponseScores,
  removalCheck,
  SingleTextContribution,
  softContextFaithfulness,
  TracLLM,
  wilsonInterval,
} from '#lib/index.js'
import { generateKeys, type KeysOptions, type KeysText } from '../models/keys/generator.js'
import { keysContext } from '../models/keys/prompt.js'
import { flags, isChosen, printTable, quick } from './harness.js'
import { writeRecord } from './recorded.js'

const texts = 20
const length = 20
const seed = 5
const count = quick ? 2 : Number(flags.scenes ?? 40)
const supports = [1, 5]
/** Orders of Shapley values; TracLLM's authors name 5 as its fast form. */
const permutations = 5
const model = await loadModel(join(import.meta.dirname, '../../../models/keys-transformer'))

/** Contexts that AT2 learns from, of a seed of their own; 1 to 5 of their texts say what is asked for. */
const training = { seed: 11, count: quick ? 4 : 100 }

async function promptOf(text: KeysText): Promise<ContextPrompt> {
  const [{ question, answer }] = text.pairs
  const context = keysContext(text)
  const prompt = await ContextPrompt.create(model, { context, question, response: ` ${answer}` })
  if (prompt.texts.length !== texts) throw new Error(`The context is cut into ${prompt.texts.length} texts`)
  return prompt
}

async function* trainingPrompts(): AsyncGenerator<ContextPrompt> {
  for (let index = 0; index < training.count; index++)
    yield promptOf(
      generateKeys(index, { seed: training.seed, sentences: texts, length, support: 1 + (index % 5) }),
    )
}
const { weights: headWeights } = await At2.fit(
  model,
  trainingPrompts(),
  quick ? { masks: 8, steps: 100 } : {},
)

type Attributer = AttnTrace | At2 | PerturbedContext
const whole = 1_000_000
const methods: [name: string, make: (m: number) => Attributer][] = [
  ['mean of all attention', () => new AttnTrace(model, { q: 1, B: 1, avgK: whole })],
  ['mean, subsampled', () => new AttnTrace(model, { avgK: whole })],
  ['top-5 tokens', () => new AttnTrace(model, { q: 1, B: 1 })],
  ['top-5, subsampled (AttnTrace)', () => new AttnTrace(model)],
  ['top-1, subsampled', () => new AttnTrace(model, { avgK: 1 })],
  ['leave-one-out', () => new ContextLeaveOneOut(model)],
  ['single text contribution', () => new SingleTextContribution(model)],
  ['AT2, uniform weights', () => new At2(model)],
  ['AT2', () => new At2(model, { headWeights })],
  ['ContextCite', () => new ContextCite(model)],
  ['ContextCite, 256 subsets', () => new ContextCite(model, { samples: 256 })],
  ['ContextCite, a fifth kept', () => new ContextCite(model, { keepProbability: 0.2 })],
  ['Shapley, 5 orders', () => new ContextShapley(model, { permutations })],
  ['denoised Shapley', () => new DenoisedShapley(model, { permutations })],
  ['TracLLM', m => new TracLLM(model, { topK: Math.max(5, m), permutations })],
]

interface Case {
  text: KeysText
  scores: ResponseScores
}

async function casesOf(options: Omit<KeysOptions, 'seed' | 'sentences' | 'length'>): Promise<Case[]> {
  const cases: Case[] = []
  for (let index = 0; cases.length < count; index++) {
    const text = generateKeys(index, { seed, sentences: texts, length, ...options })
    const [{ answer, truth }] = text.pairs
    // Now and then what is planted is what is true.
    if (options.injections && answer === truth) continue
    const prompt = await promptOf(text)
    cases.push({ text, scores: new ResponseScores(prompt) })
  }
  return cases
}

/** Sets of texts that others asked for are known. */
const attributed = (method: Attributer, { scores }: Case): Promise<ContextAttribution> =>
  method instanceof PerturbedContext ? method.attribute(scores) : method.attribute(scores.prompt)

/** Resampling knows no doubt where every context gives the same: all or nothing is a share. */
const interval = (values: readonly number[]): Interval =>
  values.every(value => value === 0 || value === 1)
    ? wilsonInterval(values.filter(value => value === 1).length, values.length)
    : bootstrapInterval(values, { seed: 1 })
const known = (text: KeysText, role: string, name: string) =>
  new Set(text.sentences.flatMap((each, at) => (each.role === role && each.name === name ? [at] : [])))
/** Of the ranks that there are: scores that are all alike have none. */
const mean = (values: readonly number[]) => {
  const own = values.filter(Number.isFinite)
  return own.length === 0 ? null : own.reduce((sum, each) => sum + each, 0) / own.length
}
const shown = (value: number | null) => value?.toFixed(2) ?? 'none'

interface Row {
  m: number
  method: string
  precision: Interval
  withLeaveOneOut: number | null
  withShapley: number | null
  passes: number
}

/** Masks of each context: the spread over contexts is far greater than that over masks. */
const softSamples = 4

/** Means over contexts; drops are the answer's, in nats. */
interface FaithRow {
  m: number
  method: string
  removed: Interval
  kept: Interval
  sufficiency: Interval
  comprehensiveness: Interval
}

async function faithOf(cases: readonly Case[], of: (at: number) => Promise<ContextAttribution>, m: number) {
  const found: Record<'removed' | 'kept' | 'sufficiency' | 'comprehensiveness', number[]> = {
    removed: [],
    kept: [],
    sufficiency: [],
    comprehensiveness: [],
  }
  for (const [at, { scores }] of cases.entries()) {
    const trace = await of(at)
    const check = await removalCheck(scores, trace, { topK: m, random: 0 })
    found.removed.push(check.removed.drop)
    found.kept.push(check.kept.drop)
    const soft = await softContextFaithfulness(scores.prompt, trace, { samples: softSamples })
    found.sufficiency.push(soft.sufficiency.mean)
    found.comprehensiveness.push(soft.comprehensiveness.mean)
  }
  const of95 = (values: readonly number[]) => bootstrapInterval(values, { seed: 1 })
  return {
    removed: of95(found.removed),
    kept: of95(found.kept),
    sufficiency: of95(found.sufficiency),
    comprehensiveness: of95(found.comprehensiveness),
  }
}

/** Scores that somebody made up. */
const madeUp = (prompt: ContextPrompt, scores: readonly number[]): ContextAttribution =>
  new ContextAttribution({
    model: { name: model.name, hash: '' },
    method: { name: 'made up', options: {} },
    unit: '',
    texts: prompt.texts,
    response: prompt.response,
    scores,
    warnings: [],
    cost: { forwardPasses: 0, tokens: 0, milliseconds: 0 },
  })

const rows: Row[] = []
const faithRows: FaithRow[] = []
for (const m of supports) {
  const cases = await casesOf({ support: m })
  const references: { leaveOneOut: readonly number[]; shapley: readonly number[] }[] = []
  for (const each of cases)
    references.push({
      leaveOneOut: (await new ContextLeaveOneOut(model).attribute(each.scores)).scores,
      shapley: (await new ContextShapley(model, { permutations }).attribute(each.scores)).scores,
    })
  const truthOf = ({ text }: Case) => known(text, 'fact', text.pairs[0].names[0]!)
  const scoresOf: Record<string, (each: Case, at: number) => number[]> = {
    'those that say it': each => Array.from({ length: texts }, (_, text) => Number(truthOf(each).has(text))),
    'random numbers': (_, at) => {
      const stream = new RandomStream(7, at, 0)
      return Array.from({ length: texts }, () => stream.uniform())
    },
  }
  for (const [name, scores] of Object.entries(scoresOf)) {
    const of = async (at: number) => madeUp(cases[at]!.scores.prompt, scores(cases[at]!, at))
    faithRows.push({ m, method: name, ...(await faithOf(cases, of, m)) })
  }
  for (const [name, make] of methods) {
    if (!isChosen(name)) continue
    const hits: number[] = []
    const traces: ContextAttribution[] = []
    const one: number[] = []
    const other: number[] = []
    for (const [at, each] of cases.entries()) {
      const found = await attributed(make(m), each)
      traces.push(found)
      const truth = truthOf(each)
      hits.push(found.top(m).filter(({ index }) => truth.has(index)).length / m)
      one.push(spearmanCorrelation(found.scores, references[at]!.leaveOneOut))
      other.push(spearmanCorrelation(found.scores, references[at]!.shapley))
    }
    // By itself, without what others asked for.
    const alone = await make(m).attribute(cases[0]!.scores.prompt)
    rows.push({
      m,
      method: name,
      precision: interval(hits),
      withLeaveOneOut: mean(one),
      withShapley: mean(other),
      passes: alone.cost.forwardPasses,
    })
    faithRows.push({ m, method: name, ...(await faithOf(cases, async at => traces[at]!, m)) })
  }
}

interface InjectionRow {
  planted: number
  method: string
  precision: Interval
  /** Share of the answers that are still what was planted, without the first `planted` texts. */
  stillObeyed: Interval
}

const injectionRows: InjectionRow[] = []
for (const planted of [1]) {
  const cases = await casesOf({ injections: planted })
  for (const [name, make] of methods) {
    if (!isChosen(name) || name.includes('Shapley')) continue
    const hits: number[] = []
    let obeyed = 0
    for (const each of cases) {
      const [{ answer, names }] = each.text.pairs
      const first = (await attributed(make(planted), each)).top(planted).map(({ index }) => index)
      const truth = known(each.text, 'injection', names[0]!)
      hits.push(first.filter(index => truth.has(index)).length / planted)
      const { text } = await answerWithout(each.scores.prompt, first)
      if (text!.includes(answer.replace(/\.$/, ''))) obeyed++
    }
    injectionRows.push({
      planted,
      method: name,
      precision: interval(hits),
      stillObeyed: wilsonInterval(obeyed, count),
    })
  }
}

const percent = ({ mean: middle, low, high }: Interval) =>
  `${(100 * middle).toFixed(1)} % (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`
printTable(
  ['method', 'm', 'precision@m', 'rank corr. with LOO', 'with Shapley', 'passes'],
  rows.map(row => [
    row.method,
    String(row.m),
    percent(row.precision),
    shown(row.withLeaveOneOut),
    shown(row.withShapley),
    row.passes.toFixed(0),
  ]),
)
const bounds = ({ mean: middle, low, high }: Interval) =>
  `${middle.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`
printTable(
  [
    'method',
    'm',
    'drop without the first m',
    'with these alone',
    'soft sufficiency',
    'soft comprehensiveness',
  ],
  faithRows.map(row => [
    row.method,
    String(row.m),
    bounds(row.removed),
    bounds(row.kept),
    bounds(row.sufficiency),
    bounds(row.comprehensiveness),
  ]),
)
printTable(
  ['method', 'planted', 'found among the first', 'still obeyed without these'],
  injectionRows.map(row => [
    row.method,
    String(row.planted),
    percent(row.precision),
    percent(row.stillObeyed),
  ]),
)
if (flags.record)
  writeRecord(
    'context/results.json',
    {
      texts,
      length,
      count,
      training: training.count,
      headWeights: [...headWeights],
      rows,
      faithRows,
      injectionRows,
    },
    4,
  )
