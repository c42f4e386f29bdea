import type { NativePlan } from '#typings/addon.js'
import type { Tensor } from '../data/tensor.js'
import { GraphBuilder, type Value } from '../graph/builder.js'
import { classInput, compileTarget } from '../graph/compileTarget.js'
import { onlyNeeded } from '../graph/onlyNeeded.js'
import { targetKey } from '../graph/targetKey.js'
import type { Batching } from '../model/batching.js'
import { bindSizes } from '../model/bindSizes.js'
import type { Model } from '../model/model.js'
import { featuresOf } from './features.js'
import type { Subject } from './subject.js'

/**
 * How the rows of a pass follow from the samples: `ranked` removes features whose rank is below the row's threshold,
 * `masked` those whose player the row's mask drops, `given` rows come as they are.
 */
export type PerturbationKind = 'ranked' | 'masked' | 'given'

/** Who is removed by masks: so many players, each a feature, a unit of an explained value, or a group of features. */
export interface Players {
  readonly count: number
  readonly are: 'features' | 'units' | 'groups'
}

/** Inputs of the plan; see {@link perturbedPlan}. */
export const planInputs = {
  /** Which sample of the pass a row is made of, [rows]. */
  row: 'ascribe.row',
  /** [rows]: of `ranked`. */
  threshold: 'ascribe.threshold',
  /** [rows, players], 1 where a player is removed: of `masked`. */
  mask: 'ascribe.mask',
  /** [items, ...item]: what a row holds where a feature stays, and where it is removed. */
  kept: (name: string) => `ascribe.kept.${name}`,
  removed: (name: string) => `ascribe.removed.${name}`,
  /** Ranks of features, or their players, in a shape that broadcasts over the value. */
  ranks: (name: string) => `ascribe.ranks.${name}`,
  players: (name: string) => `ascribe.players.${name}`,
  /** [rows, ...item]: of `given`. */
  given: (name: string) => `ascribe.given.${name}`,
  /** [items, ...]: inputs of the model that stay. */
  other: (name: string) => `ascribe.other.${name}`,
}

/** Inputs of the model that are not perturbed themselves. */
export const othersOf = ({ prepared, explained }: Subject): [string, Tensor][] =>
  Object.entries(prepared.tensors).filter(([name]) => explained.areLayers || !explained.names.includes(name))

/** What each row gives: numbers by name, for classes the logit, the probability, and 1 where the class is the top one. */
export type ScoreNames = readonly string[]

export interface PerturbedPlan {
  plan: NativePlan
  scores: ScoreNames
  readsClass: boolean
  /** Inputs that it has, where it does without some that are given. */
  reads?: ReadonlySet<string>
}

export const perRow = 'ascribe.examples'
const perItem = 'ascribe.items'

/** The model's outputs among the values of a graph. */
export const outputsAmong = (model: Model, values: ReadonlyMap<string, Value>): Map<string, Value> =>
  new Map(
    model.outputs.flatMap(({ name }) =>
      model.output(values, name) ? [[name, model.output(values, name)!]] : [],
    ),
  )

/** What is said of each row, by name, and whether it depends on the class that each row is given. */
export function scoresOf(
  builder: GraphBuilder,
  outputs: ReadonlyMap<string, Value>,
  model: Model,
  subject: Subject,
): { results: [string, Value][]; readsClass: boolean } {
  const compiled = compileTarget(builder, outputs, subject.target, model.labels)
  const results: [string, Value][] = [[subject.target.options.score ?? 'logit', compiled.objective]]
  if (!compiled.readsClass) results[0]![0] = 'score'
  else {
    const index = builder.find(classInput)!
    const scores = compiled.scores!
    const flat = (value: Value) => builder.apply('reshape', [value, builder.integers([-1])])
    if (subject.target.options.score === undefined || subject.target.options.score === 'logit') {
      const likely =
        compiled.lookedBehind === 'sigmoid'
          ? builder.apply('sigmoid', [scores])
          : builder.apply('softmax', [scores], { axis: -1 })
      results.push(['probability', flat(builder.apply('gatherElements', [likely, index], { axis: 1 }))])
    }
    const top = builder.apply('argMax', [scores], { axis: 1, keepDims: 1 })
    const isTop = builder.apply('cast', [builder.apply('equal', [top, index])], { to: 'f32' })
    results.push(['accuracy', flat(isTop)])
  }
  return { results, readsClass: compiled.readsClass }
}

/** One pass of `rows` perturbed examples, made inside the plan from `items` samples. */
export async function perturbedPlan(
  model: Model,
  subject: Subject,
  kind: PerturbationKind,
  players: Players,
  rows: number,
  items: number,
  batching: Batching,
  signal?: AbortSignal,
): Promise<PerturbedPlan> {
  const { explained, prepared, features } = subject
  const chunked = Object.entries(prepared.tensors).map(([name, tensor]): [string, Tensor] => [
    name,
    { ...tensor, shape: [rows, ...tensor.shape.slice(1)] },
  ])
  const sizes = {
    ...bindSizes(batching.inputs, Object.fromEntries(chunked)),
    [perRow]: rows,
    [perItem]: items,
    'ascribe.players': players.count,
  }
  const builder = new GraphBuilder()
  const row = builder.input(planInputs.row, 'i64', [perRow])
  /** One sample's table broadcasts over the rows by itself. */
  const ofRows = (table: Value) => (items === 1 ? table : builder.apply('gather', [table, row], { axis: 0 }))
  const threshold = kind === 'ranked' ? builder.input(planInputs.threshold, 'f32', [perRow]) : undefined
  const mask =
    kind === 'masked' ? builder.input(planInputs.mask, 'bool', [perRow, 'ascribe.players']) : undefined

  let offset = 0
  const perturbed = (name: string, at: number): Value => {
    const { dtype, shape } = explained.tensors[name]!
    const item = shape.slice(1)
    if (kind === 'given') return builder.input(planInputs.given(name), dtype, [perRow, ...item])
    const kept = ofRows(builder.input(planInputs.kept(name), dtype, [perItem, ...item]))
    const removed = ofRows(builder.input(planInputs.removed(name), dtype, [perItem, ...item]))
    const over = features[at]!.shape.slice(1)
    const ones = over.map(() => 1)
    if (threshold !== undefined) {
      const ranks = ofRows(builder.input(planInputs.ranks(name), 'f32', [perItem, ...over]))
      const limit = builder.apply('reshape', [threshold, builder.integers([-1, ...ones])])
      return builder.apply('where', [builder.apply('less', [ranks, limit]), removed, kept])
    }
    // A unit's mask broadcasts over its elements by itself.
    const { count, shape: masked } =
      players.are === 'units' ? featuresOf(explained.units[name]!, shape, 'unit') : features[at]!
    const end = offset + count
    // Several explained values share the players one after the other.
    const own =
      players.are === 'groups' || explained.names.length === 1
        ? mask!
        : builder.apply('slice', [
            mask!,
            builder.integers([offset]),
            builder.integers([end]),
            builder.integers([1]),
          ])
    const dropped =
      players.are === 'groups'
        ? builder.apply('gather', [own, builder.input(planInputs.players(name), 'i64', [count])], { axis: 1 })
        : own
    offset = end
    const isDropped = builder.apply('reshape', [dropped, builder.integers([-1, ...masked.slice(1)])])
    return builder.apply('where', [isDropped, removed, kept])
  }

  const feeds = new Map(explained.names.map((name, at) => [name, perturbed(name, at)]))
  const given: [string, Value][] = explained.areLayers ? [] : [...feeds]
  for (const [name, { dtype, shape }] of othersOf(subject)) {
    const table = builder.input(planInputs.other(name), dtype, [perItem, ...shape.slice(1)])
    given.push([name, builder.apply('gather', [table, row], { axis: 0 })])
  }
  const values = builder.include(batching.graph, {
    inputs: Object.fromEntries(given),
    replace: Object.fromEntries(
      (explained.areLayers ? explained.names : []).map(name => [name, () => feeds.get(name)!]),
    ),
  })
  const outputs = outputsAmong(model, values)
  const { results, readsClass } = scoresOf(builder, outputs, model, subject)
  const key = `perturbed ${kind} ${batching.graph === model.graph ? '' : 'free '}${JSON.stringify([
    explained.names,
    explained.areLayers,
    explained.names.map(name => explained.tensors[name]!.shape.slice(1)),
    features.map(each => each.shape),
    players.are,
    sizes,
  ])} ${targetKey(subject.target)}`
  const plan = await model.plan(
    key,
    () => onlyNeeded(builder.build(results.map(([, value]) => value))),
    { sizes },
    signal,
  )
  return { plan, scores: results.map(([name]) => name), readsClass }
}
