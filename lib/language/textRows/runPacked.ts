import type { NativeSession } from '#typings/addon.js'
import { createTensor, type Tensor } from '../../data/tensor.js'
import type { CausalDecoder } from '../../frontends/checkpoints/family.js'
import { type PackedOutput, packedGraph } from '../../frontends/checkpoints/packedGraph.js'
import type { Model } from '../../model/model.js'
import type { Span } from '../../regions/spans.js'
import { generating, integers, openCaches } from '../decoding.js'
import { type PackedPlan, type PackedRow, type PackedRun, planPacked, type TextRows } from './planPacked.js'

/**
 * Tokens that go through the model at once: enough that its weights are not what is waited for, and where there are many
 * slots so few that a number for each token and slot, which says what it reads, stays within {@link shownTogether}.
 */
const [chunk, leastChunk] = [512, 64]
/** Numbers that say what a run's tokens read: 64 MB of them. */
const shownTogether = 1 << 24
/** Texts that are looked at together for what they share. */
const textsTogether = 256
/** Added to the score of a slot that a token does not read; a softmax makes exact zeros of it. */
const hidden = -1e30

/** Tokens of a run in few sizes, so that few plans serve all. */
function runWidth(tokens: number): number {
  if (tokens <= 64) return tokens <= 16 ? 16 : tokens <= 32 ? 32 : 64
  const step = tokens <= 256 ? 64 : 128
  return Math.ceil(tokens / step) * step
}

/** Slots in few sizes. */
function slotCount(slots: number): number {
  const step = slots <= 1024 ? 128 : slots <= 4096 ? 512 : 2048
  return Math.ceil(slots / step) * step
}

/** Counts of rows in few sizes. */
export const rowCount = (rows: number): number => 2 ** Math.ceil(Math.log2(Math.max(8, rows)))

/** A row of a text, as it comes: `values` are of its state, or of the slots; `slots` those of its text up to itself. */
export type TakeRow = (row: PackedRow, values: Float32Array, slots: readonly Span[]) => void

/**
 * Texts that begin alike are read together: see {@link planPacked}.
 *
 * @param weights Of all heads of all layers, where it is wanted what rows look at; else their states are.
 * @returns tokens that went through the model.
 */
export async function runPacked(
  model: Model,
  texts: readonly TextRows[],
  weights: Float32Array | undefined,
  take: TakeRow,
  signal?: AbortSignal,
): Promise<number> {
  const { decoder } = generating(model)
  let tokens = 0
  for (const group of groupsAlike(decoder, texts)) {
    const own = group.map(at => texts[at]!)
    const named: TakeRow = (row, ...rest) => take({ ...row, text: group[row.text]! }, ...rest)
    tokens += await runGroup(model, own, weights, named, signal)
  }
  return tokens
}

/** Texts by their places: those whose positions turn alike, so many together as are looked at. */
function groupsAlike(decoder: CausalDecoder, texts: readonly TextRows[]): number[][] {
  const alike = new Map<number, number[]>()
  for (const [at, { ids }] of texts.entries()) {
    const kind = decoder.turning?.(ids.length) ?? 0
    const group = alike.get(kind)
    if (group === undefined) alike.set(kind, [at])
    else group.push(at)
  }
  return [...alike.values()].flatMap(group =>
    Array.from({ length: Math.ceil(group.length / textsTogether) }, (_, at) =>
      group.slice(at * textsTogether, (at + 1) * textsTogether),
    ),
  )
}

/** Texts in runs, the fewer tokens at once the more slots there are. */
export function boundedPlan(texts: readonly TextRows[]): { plan: PackedPlan; slots: number } {
  for (let tokens = chunk; ; tokens /= 2) {
    const plan = planPacked(texts, tokens, runWidth)
    const slots = slotCount(plan.slots)
    if (tokens * slots <= shownTogether || tokens <= leastChunk) return { plan, slots }
  }
}

async function runGroup(
  model: Model,
  texts: readonly TextRows[],
  weights: Float32Array | undefined,
  take: TakeRow,
  signal?: AbortSignal,
): Promise<number> {
  const { decoder, checkpoint } = generating(model)
  const { plan, slots } = boundedPlan(texts)
  const output: PackedOutput = weights === undefined ? 'states' : 'attention'
  const describe = () => packedGraph(decoder, checkpoint.weights, output)
  const what = `${texts.length} texts together`
  const session = openCaches(model, describe(), { C: slots }, what)
  try {
    const length = integers([1], [Math.max(...texts.map(({ ids }) => ids.length))])
    const positions = new BigInt64Array(slots)
    for (const run of plan.runs) {
      const inputs = { ...inputsOf(run, slots, positions), length }
      const values = await runOnce(model, describe, output, inputs, slots, weights, session, signal)
      handOut(run, values, take)
    }
  } finally {
    session.dispose()
  }
  return plan.tokens
}

/** The rows of a run, and what each stands on. */
function handOut(
  { rows, segments, first }: PackedRun,
  values: Map<number, Float32Array>,
  take: TakeRow,
): void {
  let segment = 0
  for (const row of rows.toSorted((a, b) => a.at - b.at)) {
    while (segment + 1 < segments.length && segments[segment + 1]!.at <= row.at) segment++
    const { at, before } = segments[segment]!
    take(row, values.get(row.at)!, [...before, { start: first + at, end: first + row.at + 1 }])
  }
}

interface RunInputs extends Readonly<Record<string, Tensor>> {
  readonly rows: Tensor
}

/** @param keyPositions Of the tokens in the slots; is brought up to date. */
function inputsOf(run: PackedRun, slots: number, keyPositions: BigInt64Array): RunInputs {
  const width = runWidth(run.tokens)
  const ids = new BigInt64Array(width)
  const positions = new BigInt64Array(width)
  const shown = new Float32Array(width * slots).fill(hidden)
  for (const { at, ids: own, position, before } of run.segments)
    for (const [k, id] of own.entries()) {
      const token = at + k
      ids[token] = BigInt(id)
      positions[token] = BigInt(position + k)
      const row = token * slots
      for (const { start, end } of before) shown.fill(0, row + start, row + end)
      shown.fill(0, row + run.first + at, row + run.first + token + 1)
    }
  // What a run is filled up with reads itself.
  for (let token = run.tokens; token < width; token++) shown[token * slots + run.first + token] = 0
  keyPositions.set(positions, run.first)
  const wanted = [...new Set(run.rows.map(({ at }) => at))].sort((a, b) => a - b)
  return {
    input_ids: createTensor('i64', [1, width], ids),
    positions: createTensor('i64', [width], positions),
    key_positions: createTensor('i64', [slots], keyPositions.slice()),
    shown: createTensor('f32', [1, width, slots], shown),
    first: integers([1], [run.first]),
    rows: integers([wanted.length], wanted),
  }
}

/** Runs the tokens of one run. @returns the rows that are wanted, by their places in it. */
async function runOnce(
  model: Model,
  describe: () => ReturnType<typeof packedGraph>,
  output: PackedOutput,
  { rows, ...inputs }: RunInputs,
  slots: number,
  weights: Float32Array | undefined,
  session: NativeSession,
  signal: AbortSignal | undefined,
): Promise<Map<number, Float32Array>> {
  const wanted = Array.from(rows.data as BigInt64Array, Number)
  const count = rowCount(wanted.length)
  const filled = integers([count], [...wanted, ...new Array<number>(count - wanted.length).fill(0)])
  const sizes: Record<string, number> = { T: inputs.positions!.shape[0]!, C: slots, R: count }
  if (weights !== undefined) sizes.W = weights.length
  const [found] = await model.runPlan(
    `packed ${output} ${JSON.stringify(sizes)}`,
    describe,
    {
      ...inputs,
      rows: filled,
      ...(weights === undefined ? {} : { weights: createTensor('f32', [weights.length], weights) }),
    },
    { sizes },
    signal,
    session,
  )
  const values = found!.data as Float32Array
  const width = values.length / count
  return new Map(wanted.map((at, k) => [at, values.subarray(k * width, (k + 1) * width)]))
}
