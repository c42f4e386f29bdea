import type { Explainable } from '../../model/explainable.js'
import type { RegionsOption } from '../../regions/makeRegions.js'
import { expectObject } from '../../validate.js'
import type { MethodIdentity } from '../inputs/gradientResult.js'
import { type Given, type OptionSchema, type Resolved, resolveOptions } from '../options.js'
import { type Absence, absenceOption } from './absence.js'
import { PerturbationMethod } from './perturbationMethod.js'
import type { CutInput, RegionInput } from './regionInput.js'
import { type RegionsGiven, regionOptions, regionsAsked } from './regionOptions.js'

/** Limits that every sampler has. */
export const limitOptions = {
  budget: {
    kind: 'integer',
    default: undefined as number | undefined,
    minimum: 2,
    maximum: 1_000_000_000,
    description: 'Passes that an explanation may cost; the scores known by then are given.',
  },
  tolerance: {
    kind: 'number',
    default: undefined as number | undefined,
    minimum: 0,
    description: 'Stop once the standard error is this share of the scores.',
  },
} as const

export const seedOption = {
  seed: {
    kind: 'integer',
    default: 0,
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Of the samples; equal seeds give equal scores whatever the batch.',
  },
} as const

/** Options of every method on regions. */
export const sharedRegionOptions = { ...regionOptions, ...absenceOption } as const

/** What a caller may give: regions may be an object, or regions at hand. */
export type RegionMethodOptions<S extends OptionSchema> = Omit<Given<S>, 'regions'> & {
  regions?: RegionsGiven
}

/** Methods with one score for each region, on a schema of options that holds {@link sharedRegionOptions}. */
export abstract class RegionMethod<S extends OptionSchema> extends PerturbationMethod {
  readonly options: Resolved<S>
  protected abstract readonly name: string
  readonly #regions: RegionsOption | undefined

  constructor(model: Explainable, schema: S, options: RegionMethodOptions<S>) {
    super(model)
    expectObject('options', options)
    const { regions, ...rest } = options
    const scalars = typeof regions === 'object' ? rest : { ...rest, regions }
    this.options = resolveOptions(schema, scalars)
    const { regionCount } = this.options as { regionCount?: number }
    this.#regions = regionsAsked(regions, regionCount)
  }

  override identity(): MethodIdentity {
    const { seed, ...options } = this.options as Resolved<S> & { seed?: number }
    const kind = this.#regions?.kind ?? 'auto'
    const said = Object.entries({ ...options, regions: kind }).filter(([, value]) => value !== undefined)
    return { name: this.name, options: Object.fromEntries(said), ...(seed === undefined ? {} : { seed }) }
  }
  protected override regionsFor(_input: CutInput): RegionsOption | undefined {
    return this.#regions
  }
  protected override absenceOf(_example: RegionInput): Absence {
    return (this.options as unknown as { absence: Absence }).absence
  }
  protected override get limits() {
    const { budget, tolerance } = this.options as { budget?: number; tolerance?: number }
    return { budget, tolerance }
  }
}
