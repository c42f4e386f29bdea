import type { NativeTensor } from '#typings/addon.js'
import type { Attribution } from '../../attribution/attribution.js'
import type { Tensor } from '../../data/tensor.js'
import { AscribeError } from '../../errors.js'
import { classInput } from '../../graph/compileTarget.js'
import { Target } from '../../graph/target.js'
import { type Batching, batchingOf } from '../../model/batching.js'
import { expectModel } from '../../model/expectModel.js'
import type { Model } from '../../model/model.js'
import { type PreparedInput, prepareInput } from '../../model/prepareInput.js'
import { rowsOf, stack } from '../../model/stack.js'
import { describePlan, settle } from '../../native.js'
import type { AttributionMethod } from '../attributionMethod.js'
import { choose } from '../inputs/choice.js'
import { type AttributeOptions, checkAttributeOptions, type Explained } from '../inputs/gradientMethod.js'
import {
  type Choice,
  type Example,
  gradientResult,
  type MethodIdentity,
  type TargetRun,
} from '../inputs/gradientResult.js'
import { type AttentionPlan, attentionPlan } from './attentionPlan.js'
import type { AttentionReading } from './attentionReading.js'
import { attentionUnits, type PlaceOptions } from './attentionUnits.js'

/** The name under which results hold scores of tokens. */
const scoresName = 'attention'

/** Examples that go through the model side by side, where the memory bound allows. */
const greatestChunk = 32
const defaultChunkBytes = 256 << 20

/**
 * The shared course of methods on attention: the probabilities of every layer, and where the method asks the target's
 * gradients in them, are read and reduced inside one plan; what comes out is one score for each token.
 */
export abstract class AttentionMethod implements AttributionMethod {
  constructor(readonly model: Model) {
    expectModel(model)
  }

  abstract readonly options: PlaceOptions
  abstract identity(): MethodIdentity
  protected abstract reading(): AttentionReading

  /** Scores of one input: a grid of patches for a picture (class tokens left out), else one for each token. */
  async attribute(input: Explained, options: AttributeOptions = {}): Promise<Attribution> {
    const [only] = await this.attributeBatch([input], options)
    return only!
  }

  /** Scores of many inputs; each is what {@link attribute} gives for it alone, within the rounding of another batch. */
  async attributeBatch(inputs: readonly Explained[], options: AttributeOptions = {}): Promise<Attribution[]> {
    checkAttributeOptions(options)
    for (const name of ['inputs', 'layer', 'baseline'] as const)
      if (options[name] !== undefined)
        throw new AscribeError('OPTION_RANGE', `${this.identity().name} has no place for the option ${name}`)
    const prepared: PreparedInput[] = []
    for (const input of inputs) prepared.push(await prepareInput(this.model, input, options.signal))
    const results: Attribution[] = []
    for (let first = 0; first < prepared.length; ) {
      const shapes = (example: PreparedInput) =>
        JSON.stringify(Object.values(example.tensors).map(t => t.shape))
      let count = 1
      while (
        count < greatestChunk &&
        first + count < prepared.length &&
        shapes(prepared[first + count]!) === shapes(prepared[first]!)
      )
        count += 1
      results.push(...(await this.#explain(prepared.slice(first, first + count), options)))
      first += count
      options.onProgress?.(first, prepared.length)
    }
    return results
  }

  /** Scores one after the other as inputs come: memory does not grow with their number. */
  async *stream(
    inputs: Iterable<Explained> | AsyncIterable<Explained>,
    options: AttributeOptions = {},
  ): AsyncGenerator<Attribution> {
    for await (const input of inputs) yield await this.attribute(input, options)
  }

  async #explain(prepared: readonly PreparedInput[], options: AttributeOptions): Promise<Attribution[]> {
    const isList = Array.isArray(options.target)
    const targets = (isList ? options.target : [options.target]) as (Target | number | string | undefined)[]
    const runs: TargetRun[] = []
    for (const target of targets) runs.push(await this.#run(prepared, Target.from(target), options))
    return Promise.all(
      prepared.map((input, at) => {
        const { units, skipped, showsPicture } = attentionUnits(
          this.model,
          input,
          (runs[0]!.result.attributions[scoresName] as Tensor).shape[1]!,
          options.tokens,
          this.options,
        )
        const example: Example = {
          prepared: input,
          explained: {
            names: [scoresName],
            areLayers: false,
            milliseconds: 0,
            tensors: {},
            units: { [scoresName]: units },
            baselines: {},
          },
        }
        return gradientResult(
          this.model,
          this.identity(),
          example,
          runs,
          at,
          isList,
          false,
          ({ name, units: own, rows }) => ({
            name,
            units: own,
            rows: rows.map(row => row.slice(skipped)),
            showsPicture,
          }),
        )
      }),
    )
  }

  /** All examples of one target, in chunks. */
  async #run(
    prepared: readonly PreparedInput[],
    target: Target,
    options: AttributeOptions,
  ): Promise<TargetRun> {
    const { model } = this
    const { signal } = options
    const choices: Choice[] = []
    for (const example of prepared) choices.push(await choose(model, { prepared: example }, target, signal))
    const example = prepared[0]!.tensors
    const batching = await this.#batching(example, prepared.length, signal)
    const reading = this.reading()
    const compile = (chunk: number) => attentionPlan(model, target, reading, example, chunk, batching, signal)
    const wanted = Math.min(prepared.length, options.chunk ?? greatestChunk)
    let compiled = await compile(batching.size === 'any' ? 1 : batching.size)
    if (batching.size === 'any' && wanted > 1) {
      const limit = model.memoryLimitBytes ?? defaultChunkBytes
      const fitting = Math.max(1, Math.floor(limit / Math.max(1, describePlan(compiled.plan).arenaBytes)))
      if (fitting > 1) compiled = await compile(Math.min(wanted, fitting))
    }
    return collect(model, compiled, prepared, choices, target, batching, signal)
  }

  async #batching(
    example: Readonly<Record<string, Tensor>>,
    examples: number,
    signal: AbortSignal | undefined,
  ): Promise<Batching> {
    const { batchAxis, graph, inputs } = this.model
    const isOne = batchAxis.kind === 'symbolic' || (batchAxis.kind === 'fixed' && batchAxis.size === 1)
    return examples === 1 && isOne ? { size: 1, graph, inputs } : batchingOf(this.model, example, signal)
  }
}

/** Runs the plan over all examples. */
async function collect(
  model: Model,
  compiled: AttentionPlan,
  prepared: readonly PreparedInput[],
  choices: readonly Choice[],
  target: Target,
  batching: Batching,
  signal: AbortSignal | undefined,
): Promise<TargetRun> {
  const { plan, chunk, layers } = compiled
  // Now: the model may be disposed of while the plan runs.
  const described = describePlan(plan)
  const { tokens: keys } = compiled
  const examples = prepared.length
  const scores = new Float32Array(examples * keys)
  const objective = new Float64Array(examples)
  const read: number[][] = []
  let [milliseconds, peakBytes] = [0, 0]
  for (let first = 0; first < examples; first += chunk) {
    const own = Math.min(chunk, examples - first)
    // The last chunk is filled up with its last example.
    const at = Array.from({ length: chunk }, (_, position) => first + Math.min(position, own - 1))
    const inputs: Record<string, Tensor> = stack(at.map(index => prepared[index]!.tensors))
    if (compiled.target.readsClass)
      inputs[classInput] = {
        dtype: 'i64',
        shape: [chunk, 1],
        data: BigInt64Array.from(at, index => BigInt(choices[index]!.class ?? 0)),
      }
    const result = await settle(
      () =>
        plan.run(inputs as Record<string, NativeTensor>, {
          guard: true,
          ...(model.memoryLimitBytes === undefined ? {} : { memoryLimitBytes: model.memoryLimitBytes }),
        }),
      signal,
    )
    const [found, rows, values] = result.outputs as Tensor[] as [Tensor, Tensor, Tensor]
    scores.set(rowsOf(found, 0, own).data as Float32Array, first * keys)
    for (let each = 0; each < own; each++) objective[first + each] = Number(values.data[each])
    for (let each = 0; each < own; each++)
      read.push(
        [...(rowsOf(rows, each, 1).data as Float32Array)].flatMap((weight, row) => (weight > 0 ? [row] : [])),
      )
    milliseconds += result.milliseconds
    peakBytes = Math.max(peakBytes, result.peakBytes)
  }
  if (!objective.every(Number.isFinite))
    throw new AscribeError('NOT_FINITE', `The target "${compiled.target.valueName}" is NaN or infinite`)
  return {
    target,
    compiled: compiled.target,
    choices,
    result: {
      attributions: { [scoresName]: { dtype: 'f32', shape: [examples, keys], data: scores } },
      objective,
      sums: new Float64Array(examples),
      forwardPasses: examples,
      backwardPasses: compiled.backwardPasses * examples,
      milliseconds,
      peakBytes,
    },
    details: { layers: layers.length, heads: layers.at(-1)!.heads, ...rowDetails(read) },
    plan: described,
    chunk,
    batching,
    rules: undefined,
  }
}

/** Whose rows were read, where that is the same for all examples: how many, and which one if it was one. */
function rowDetails(read: readonly (readonly number[])[]): Record<string, number> {
  const [first] = read as [readonly number[]]
  if (read.some(each => each.join() !== first.join())) return {}
  return { rows: first.length, ...(first.length === 1 ? { row: first[0]! } : {}) }
}
