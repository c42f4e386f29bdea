import type { GraphDescription } from '#typings/addon.js'
import { GraphBuilder } from '../graph/builder.js'
import { onlyNeeded } from '../graph/onlyNeeded.js'
import type { PlaceChanges } from '../graph/placeLists.js'
import { placeTables } from '../graph/placeTables.js'
import { targetKey } from '../graph/targetKey.js'
import type { Batching } from '../model/batching.js'
import { bindSizes } from '../model/bindSizes.js'
import type { Model } from '../model/model.js'
import { describePlan } from '../native.js'
import { outputsAmong, type PerturbedPlan, perRow, planInputs, scoresOf } from './perturbedPlan.js'
import type { Subject } from './subject.js'

type Scores = Pick<PerturbedPlan, 'scores' | 'readsClass'>

/** What plans say, by model and geometry; undefined where sharing saves nothing. */
const known = new WeakMap<Model, Map<string, Scores | undefined>>()

/** The graph of one pass over all copies; undefined where nothing is saved. */
function sharedGraph(
  model: Model,
  subject: Subject,
  name: string,
  changes: PlaceChanges,
  graph: GraphDescription,
  limitBytes: number,
): (Scores & { graph: GraphDescription }) | undefined {
  const [, channels, height, width] = subject.explained.tensors[name]!.shape as [
    number,
    number,
    number,
    number,
  ]
  const builder = new GraphBuilder()
  const rowsOf = (table: string) => {
    const plane = builder.apply('reshape', [
      builder.input(table, 'f32', [1, channels, height, width]),
      builder.integers([channels, height * width]),
    ])
    return builder.apply('transpose', [plane], { permutation: [1, 0] })
  }
  const input = graph.inputs.find(index => graph.values[index]?.name === name)!
  const tables = placeTables(
    builder,
    graph,
    input,
    [channels, height, width],
    changes,
    rowsOf(planInputs.kept(name)),
    rowsOf(planInputs.removed(name)),
    limitBytes,
  )
  if (tables === undefined) return undefined
  const values = builder.include(graph, { replace: tables.values })
  const { results, readsClass } = scoresOf(builder, outputsAmong(model, values), model, subject)
  const built = onlyNeeded(builder.build(results.map(([, value]) => value)))
  // Something else may still look at the picture itself.
  const picture = builder.find(name)!.index
  if (built.nodes.some(({ inputs }) => inputs.includes(picture))) return undefined
  const inputs = built.inputs.filter(index => index !== picture)
  return { graph: { ...built, inputs }, scores: results.map(([each]) => each), readsClass }
}

/**
 * One pass of all copies of one sample, whose patches are removed one by one, with early layers computed once for copies
 * that are alike there (see {@link placeTables}). Takes the tables `kept` and `removed` of {@link planInputs}, and of each row its
 * class.
 *
 * @returns Undefined where the model does not allow it, it saves nothing, or the memory bound does not hold all copies.
 */
export async function sharedPlan(
  model: Model,
  subject: Subject,
  changes: PlaceChanges,
  batching: Batching,
  limitBytes: number,
  signal?: AbortSignal,
): Promise<PerturbedPlan | undefined> {
  const { explained, prepared, target } = subject
  const [name] = explained.names as [string]
  const { dtype, shape } = explained.tensors[name]!
  const units = explained.units[name]!
  const isPicture = units.kind === 'grid' && units.layout.endsWith('HW') && shape.length === 4
  if (explained.names.length !== 1 || explained.areLayers || dtype !== 'f32' || !isPicture) return undefined
  if (batching.size !== 'any' || Object.keys(prepared.tensors).length !== 1) return undefined
  const copies = changes.steps + 1
  const own = JSON.stringify([name, shape, copies, changes.stay, changes.key, limitBytes])
  const key = `shared ${batching.graph === model.graph ? '' : 'free '}${own} ${targetKey(target)}`
  const found = known.get(model) ?? new Map<string, Scores | undefined>()
  known.set(model, found)
  const build = () => sharedGraph(model, subject, name, changes, batching.graph, limitBytes)
  const made = found.has(key) ? undefined : build()
  if (!found.has(key)) found.set(key, made && { scores: made.scores, readsClass: made.readsClass })
  const scores = found.get(key)
  if (scores === undefined) return undefined
  const whole = { [name]: { ...explained.tensors[name]!, shape: [copies, ...shape.slice(1)] } }
  const sizes = { ...bindSizes(batching.inputs, whole), [perRow]: copies }
  const plan = await model.plan(key, () => (made ?? build()!).graph, { sizes }, signal)
  const { arenaBytes, scratchBytes, inputs } = describePlan(plan)
  if (arenaBytes + scratchBytes > limitBytes) return undefined
  return { plan, ...scores, reads: new Set(inputs.map(each => each.name)) }
}
