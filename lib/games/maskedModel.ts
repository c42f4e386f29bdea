import type { Tensor } from '../data/tensor.js'
import type { GraphBuilder, Value } from '../graph/builder.js'
import { type Batching, batchingOf } from '../model/batching.js'
import { bindSizes } from '../model/bindSizes.js'
import type { ComputePrecision, Model } from '../model/model.js'
import { settle } from '../native.js'
import type { Coalition } from './coalition.js'
import type { CoalitionEvaluator, Request } from './coalitionGame.js'
import { isBehind, type MaskedLayout, maskedNames } from './maskedGraph.js'
import { checkItems, commonBaselines, type MaskedItem } from './maskedItem.js'
import { type PassContext, type Shortcut, wholePasses } from './maskedPasses.js'
import { patchedPasses } from './patchedPasses.js'
import { choosePatches, type Patches } from './patches.js'
import { chooseStem, type Stem } from './stem.js'

/** What of the outputs makes a value. */
export interface Readout {
  /** Tells the plans of readouts apart. */
  readonly key: string
  /** Numbers of one value. */
  readonly width: number
  /**
   * Values [N, …] of the graph that are read.
   *
   * @param outputs The model's outputs by name.
   * @param values All named values of the model.
   */
  outputs(
    builder: GraphBuilder,
    outputs: ReadonlyMap<string, Value>,
    values: ReadonlyMap<string, Value>,
  ): Value[]
  /** The value from one row of each of them. */
  read(rows: readonly ArrayLike<number>[], request: Request): Float64Array
}

export interface MaskedModelOptions {
  model: Model
  /** Items of equal shapes. Their number should be small: all are held on the device. */
  items: readonly MaskedItem[]
  /** The input that is masked. */
  input: string
  /** Axes of that input that the regions lie on, in the order of their shape: [2, 3] for NCHW pictures. */
  axes: readonly number[]
  readout: Readout
  /**
   * What a coalition means where masks are real numbers: how much of each place is kept, 0 to 1. Without it, members are
   * regions that are kept whole.
   */
  render?: ((coalition: Coalition) => ArrayLike<number>) | undefined
  /**
   * Sets that are going to be evaluated of each item, about. Where there are many, early layers of a convolution net are
   * not run as a whole for each: only where a region changed (see {@link Patches}), or once for all sets (see
   * {@link Stem}), whichever saves more. Default 0: they are.
   */
  evaluations?: number | undefined
  /** Coalitions of one pass; default as many as fit the memory bound and the caches, at most 32. */
  chunk?: number | undefined
  /** 'f64' runs the reference kernels in double; 'f32', the default, what the model computes in. */
  precision?: 'f32' | 'f64' | undefined
  signal?: AbortSignal | undefined
}

/** Values from a model under masks. */
export interface MaskedModel extends CoalitionEvaluator {
  /** Where it runs. */
  readonly device: string
  readonly precision: ComputePrecision | 'f64'
  readonly batching: Batching
  /** Greatest memory of a pass so far, in bytes. */
  readonly peakBytes: number
  /** Rows of the largest pass. */
  readonly chunk: number
  /** Where early layers are not run for every set as a whole: how, and up to which value. */
  readonly shortcut: Shortcut | undefined
  /** Time spent in passes so far. */
  readonly milliseconds: number
  /** Lets go of the items on the device. */
  dispose(): void
}

/**
 * Values of coalitions from a model: members keep what they hold, the rest is set to the baseline. Masks are applied
 * inside the compiled plan: examples and region maps lie on the device, and a pass is given only which item and which
 * players each row has. Rows of different items may stand in one pass.
 *
 * @throws AscribeError `INPUT_SHAPE` where regions, baseline and input do not fit; `MODEL_CAPABILITY` where examples of
 *   a batch change each other and its size is fixed; `OUT_OF_MEMORY_BUDGET`, `ABORTED`.
 */
export async function maskedModel(options: MaskedModelOptions): Promise<MaskedModel> {
  const { model, items, input, axes, readout, render, signal, precision = 'f32' } = options
  checkItems(items, input, axes)
  const first = items[0]!
  const batching = await batchingOf(model, first.tensors, signal)
  const greatest = Math.max(...items.map(item => item.regions.count))
  const layout: MaskedLayout = {
    model,
    graph: batching.graph,
    items,
    input,
    axes,
    baselines: commonBaselines(items, input),
    // Plans serve games of about as many players.
    players: 16 * Math.ceil((greatest + 1) / 16),
    isSoft: render !== undefined,
    precision,
  }
  const kind = JSON.stringify([
    input,
    axes,
    render ? 'soft' : layout.players,
    layout.baselines.shape.slice(1),
    items.length,
    Object.entries(first.tensors).map(([name, { dtype, shape }]) => [name, dtype, shape]),
    first.regions.shape,
    precision,
    batching.graph === model.graph,
  ])
  const spent = { peakBytes: 0, milliseconds: 0 }
  const context: PassContext = {
    layout,
    batching,
    readout,
    render,
    chunk: options.chunk,
    signal,
    compile(key, describe, rows) {
      const stacked = Object.entries(first.tensors).map(([name, tensor]): [string, Tensor] => [
        name,
        { ...tensor, shape: [rows, ...tensor.shape.slice(1)] },
      ])
      const sizes = {
        ...bindSizes(batching.inputs, Object.fromEntries(stacked)),
        [maskedNames.rows]: rows,
      }
      const options = { sizes, ...(precision === 'f64' ? { precision } : {}) }
      return model.plan(`masked ${rows} ${key} ${kind}`, describe, options, signal)
    },
    async run(plan, session, inputs, abort) {
      const limit = model.memoryLimitBytes
      const given = { session, ...(limit === undefined ? {} : { memoryLimitBytes: limit }) }
      const result = await settle(() => plan.run(inputs, given), abort)
      spent.peakBytes = Math.max(spent.peakBytes, result.peakBytes)
      spent.milliseconds += result.milliseconds
      return result.outputs
    },
  }
  const { patches, stem } = batching.size === 'any' ? shortcutsOf(layout, options) : {}
  const passes = (patches && (await patchedPasses(context, patches))) ?? (await wholePasses(context, stem))
  return {
    batch: passes.batch,
    chunk: passes.chunk,
    width: readout.width,
    device: passes.device,
    precision: precision === 'f64' ? precision : model.precision,
    shortcut: passes.shortcut,
    batching,
    get peakBytes() {
      return spent.peakBytes
    },
    get milliseconds() {
      return spent.milliseconds
    },
    evaluate: (requests, abort = signal) => passes.evaluate(requests, abort),
    dispose: () => passes.dispose(),
  }
}

/** Ways around running early layers as a whole for every set, the better one of the two. */
function shortcutsOf(
  layout: MaskedLayout,
  { evaluations = 0, readout }: MaskedModelOptions,
): { patches?: Patches; stem?: Stem } {
  const { model, items, input, axes, graph, isSoft } = layout
  const { dtype, shape } = items[0]!.tensors[input]!
  if (isSoft || evaluations === 0 || dtype !== 'f32' || shape.length !== 4 || axes.join() !== '2,3') return {}
  const question = {
    graph,
    input,
    shape: [shape[1]!, shape[2]!, shape[3]!] as const,
    regions: items.map(({ regions }) => regions),
  }
  // What is read may lie before their end.
  const isUsable = (name: string) => isBehind(layout, readout.outputs, name)
  const patches = choosePatches(question)
  const stem = chooseStem({ ...question, evaluations, memoryLimitBytes: model.memoryLimitBytes })
  const isStem = stem !== undefined && isUsable(stem.value.name)
  if (patches !== undefined && isUsable(patches.end.name) && !(isStem && stem.value.work >= patches.saved))
    return isStem ? { patches, stem } : { patches }
  return isStem ? { stem } : {}
}
