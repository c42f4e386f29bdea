import { Attribution } from '../../attribution/attribution.js'
import type { Json } from '../../attribution/types.js'
import { unitShape } from '../../attribution/units.js'
import type { Explainable } from '../../model/explainable.js'
import { engineEnvironment } from '../engineEnvironment.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import type { SearchResult } from './greedySearch.js'
import { spreadScores } from './regionInput.js'
import { confidenceShares, type RegionSearch } from './regionSearch.js'
import type { SearchRun } from './regionSearchMethod.js'

/** What a reader may want of a search beside its map. */
function searchDetails(search: RegionSearch): Record<string, Json> {
  const { result, input } = search
  const curve = (term: 'consistency' | 'collaboration') =>
    result.prefixes.map(scores => scores?.[term] ?? null)
  return {
    regions: input.regions.kind,
    regionCount: input.regions.count,
    order: [...result.order],
    consistency: curve('consistency'),
    collaboration: curve('collaboration'),
    originalProbability: result.original,
    baselineProbability: result.baseline,
    insertion: search.insertionArea ?? null,
    deletion: search.deletionArea ?? null,
    highestConfidence: confidenceShares.flatMap(share => {
      const highest = search.highestConfidence(share)
      return highest === undefined ? [] : [{ share, ...highest }]
    }),
    ending: search.ending,
    evaluations: search.evaluations,
    nearTies: result.nearTies,
  }
}

/** The envelope of one input's searches, one for each target. */
export async function searchAttribution(
  model: Explainable,
  identity: MethodIdentity,
  runs: readonly SearchRun[],
  at: number,
  several: boolean,
  scoresOf: (result: SearchResult) => Float64Array,
  precision: string,
): Promise<Attribution> {
  const searches = runs.map(run => run.searches[at]!)
  const [first] = searches as [RegionSearch]
  const { prepared, input } = first.input
  const spread = searches.map(search => spreadScores(search.input, scoresOf(search.result)))
  const [{ units }] = spread as [(typeof spread)[number]]
  const data = new Float32Array(spread.reduce((sum, each) => sum + each.data.length, 0))
  for (const [place, each] of spread.entries()) data.set(each.data, place * each.data.length)
  const isCosine = (identity.options as { form?: string }).form === 'cosine'
  const targets = searches.map(({ target, result }) => {
    const label = model.labels?.[target]
    const quantity = isCosine ? 'cosine to the features of the whole, for' : 'probability of'
    return {
      description: `${quantity} ${label === undefined ? `class ${target}` : `"${label}" (class ${target})`}`,
      kind: 'class',
      index: target,
      value: result.original,
      ...(label === undefined ? {} : { label }),
    }
  })
  const [device, chunk] = [runs[0]!.device, Math.max(...runs.map(run => run.chunk))]
  const details = searches.map(searchDetails)
  return new Attribution({
    model: { name: model.name, hash: await model.hash() },
    preprocessing: prepared.preprocessing ?? null,
    target: several ? targets : targets[0]!,
    output: first.output,
    method: {
      ...identity,
      details: several ? { searches: details } : details[0]!,
    },
    warnings: [
      ...new Map(runs.flatMap(run => run.warnings).map(warning => [warning.code, warning])).values(),
    ],
    cost: {
      // The look at the whole that picks the class, and the sets.
      forwardPasses: searches.reduce((sum, search) => sum + search.evaluations + 1, 0),
      backwardPasses: 0,
      milliseconds: runs.reduce((sum, run) => sum + run.milliseconds / run.searches.length, 0),
      peakBytes: Math.max(...runs.map(run => run.peakBytes)),
    },
    environment: engineEnvironment(device, chunk, precision),
    inputs: [
      {
        name: input,
        units,
        scores: {
          dtype: 'f32',
          shape: several ? [runs.length, ...unitShape(units)] : unitShape(units),
          data,
        },
        ...(prepared.picture && prepared.pictureInput === input ? { picture: prepared.picture } : {}),
      },
    ],
  })
}
