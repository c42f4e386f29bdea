import { type Preprocessing, validatePreprocessing } from '../data/preprocessing.js'
import { AscribeError } from '../errors.js'
import {
  expectInteger,
  expectKnownKeys,
  expectNumber,
  expectObject,
  expectString,
  typeError,
} from '../validate.js'
import { toPlainJson } from './plainJson.js'
import type {
  AttributionWarning,
  Checks,
  Completeness,
  Cost,
  Environment,
  Json,
  MethodDescription,
  ModelDescription,
  OutputEntry,
  ProcessingStep,
  TargetDescription,
} from './types.js'

/** Everything about an attribution but its scores. */
export interface Metadata {
  readonly model: ModelDescription
  /** How the picture became the model's input; null where the input was given as a tensor or text. */
  readonly preprocessing: Preprocessing | null
  readonly targets: readonly TargetDescription[]
  /** Whether scores have a leading axis with one place for each target. */
  readonly hasTargetAxis: boolean
  /** The model's greatest outputs for this input, greatest first. */
  readonly output: readonly OutputEntry[]
  readonly method: MethodDescription
  readonly checks: Checks
  readonly warnings: readonly AttributionWarning[]
  readonly cost: Cost
  readonly environment: Environment
  readonly processing: readonly ProcessingStep[]
}

/** What {@link validateMetadata} reads. */
export interface MetadataInit {
  model: ModelDescription
  preprocessing?: Preprocessing | null
  /** One target, or several: then the scores have a leading target axis, even for a list of one. */
  target: TargetDescription | readonly TargetDescription[]
  output?: readonly OutputEntry[]
  method: Omit<MethodDescription, 'options'> & { options: object }
  checks?: Checks
  warnings?: readonly AttributionWarning[]
  cost: Cost
  environment: Environment
  processing?: readonly ProcessingStep[]
}

/** The properties of {@link MetadataInit}. */
export const metadataKeys = [
  'model',
  'preprocessing',
  'target',
  'output',
  'method',
  'checks',
  'warnings',
  'cost',
  'environment',
  'processing',
] as const

/**
 * Checks metadata (from a method, or from a file that nobody vouches for) and returns a plain copy with its
 * properties in one fixed order, so that equal metadata are saved as equal bytes.
 *
 * @throws AscribeError `OPTION_*` with the path of what is wrong.
 */
export function validateMetadata(init: MetadataInit): Metadata {
  const hasTargetAxis = Array.isArray(init.target)
  const targets = (hasTargetAxis ? init.target : [init.target]) as readonly unknown[]
  if (targets.length === 0) throw new AscribeError('OPTION_RANGE', 'target is an empty list')
  return {
    model: readModel(init.model),
    preprocessing:
      init.preprocessing === undefined || init.preprocessing === null
        ? null
        : validatePreprocessing(init.preprocessing),
    targets: targets.map((target, index) => readTarget(target, `target[${index}]`)),
    hasTargetAxis,
    output: readList(init.output ?? [], 'output', readOutput),
    method: readMethod(init.method),
    checks: readChecks(init.checks ?? {}, targets.length),
    warnings: readList(init.warnings ?? [], 'warnings', readWarning),
    cost: readCost(init.cost),
    environment: readEnvironment(init.environment),
    processing: readList(init.processing ?? [], 'processing', readProcessing),
  }
}

type Fields = Record<string, unknown>

function fields(value: unknown, name: string, known: readonly string[]): Fields {
  const object = expectObject(name, value)
  expectKnownKeys(name, object, known)
  return object
}

function readList<T>(value: unknown, name: string, read: (item: unknown, name: string) => T): T[] {
  if (!Array.isArray(value)) throw typeError(name, 'an array', value)
  if (value.length > 10_000) throw new AscribeError('OPTION_RANGE', `${name} has more than 10000 entries`)
  return value.map((item, index) => read(item, `${name}[${index}]`))
}

/** A property that may be absent: `{}` or `{ key: value }`, to be spread. */
function optional<K extends string, T>(
  object: Fields,
  key: K,
  name: string,
  read: (name: string, value: unknown) => T,
): { [key in K]?: T } {
  const value = object[key]
  return value === undefined ? {} : ({ [key]: read(`${name}.${key}`, value) } as { [key in K]: T })
}

const nonNegative = (name: string, value: unknown): number => expectNumber(name, value, 0)
const count = (name: string, value: unknown): number => expectInteger(name, value, 0)
const share = (name: string, value: unknown): number => expectNumber(name, value, 0, 1)
const anyNumber = (name: string, value: unknown): number => expectNumber(name, value)

function readModel(value: unknown): ModelDescription {
  const model = fields(value, 'model', ['name', 'hash'])
  return { name: expectString('model.name', model.name), hash: expectString('model.hash', model.hash) }
}

function readTarget(value: unknown, name: string): TargetDescription {
  const target = fields(value, name, ['description', 'kind', 'output', 'index', 'label', 'value'])
  return {
    description: expectString(`${name}.description`, target.description),
    ...optional(target, 'kind', name, expectString),
    ...optional(target, 'output', name, expectString),
    ...optional(target, 'index', name, count),
    ...optional(target, 'label', name, expectString),
    ...optional(target, 'value', name, anyNumber),
  }
}

function readOutput(value: unknown, name: string): OutputEntry {
  const entry = fields(value, name, ['index', 'label', 'value', 'probability'])
  return {
    index: count(`${name}.index`, entry.index),
    ...optional(entry, 'label', name, expectString),
    value: anyNumber(`${name}.value`, entry.value),
    ...optional(entry, 'probability', name, share),
  }
}

function readJsonObject(name: string, value: unknown): { [key: string]: Json } {
  expectObject(name, value)
  return toPlainJson(value, name) as { [key: string]: Json }
}

function readMethod(value: unknown): MethodDescription {
  const method = fields(value, 'method', ['name', 'options', 'seed', 'details'])
  return {
    name: expectString('method.name', method.name),
    options: readJsonObject('method.options', method.options),
    ...optional(method, 'seed', 'method', expectInteger),
    ...optional(method, 'details', 'method', readJsonObject),
  }
}

function readChecks(value: unknown, targets: number): Checks {
  const checks = fields(value, 'checks', ['completeness', 'standardError'])
  const perTarget = <T>(name: string, list: T[]): T[] => {
    if (list.length === targets) return list
    throw new AscribeError('OPTION_RANGE', `${name} has ${list.length} entries for ${targets} targets`)
  }
  return {
    ...optional(checks, 'completeness', 'checks', (name, list) =>
      perTarget(name, readList(list, name, readCompleteness)),
    ),
    ...optional(checks, 'standardError', 'checks', (name, list) =>
      perTarget(
        name,
        readList(list, name, (item, itemName) => nonNegative(itemName, item)),
      ),
    ),
  }
}

function readCompleteness(value: unknown, name: string): Completeness {
  const check = fields(value, name, ['delta', 'difference', 'relative'])
  return {
    delta: anyNumber(`${name}.delta`, check.delta),
    difference: anyNumber(`${name}.difference`, check.difference),
    relative: check.relative === null ? null : nonNegative(`${name}.relative`, check.relative),
  }
}

function readWarning(value: unknown, name: string): AttributionWarning {
  const warning = fields(value, name, ['code', 'message'])
  return {
    code: expectString(`${name}.code`, warning.code),
    message: expectString(`${name}.message`, warning.message),
  }
}

function readCost(value: unknown): Cost {
  const cost = fields(value, 'cost', ['forwardPasses', 'backwardPasses', 'milliseconds', 'peakBytes'])
  return {
    forwardPasses: nonNegative('cost.forwardPasses', cost.forwardPasses),
    backwardPasses: nonNegative('cost.backwardPasses', cost.backwardPasses),
    milliseconds: nonNegative('cost.milliseconds', cost.milliseconds),
    ...optional(cost, 'peakBytes', 'cost', nonNegative),
  }
}

function readEnvironment(value: unknown): Environment {
  const environment = fields(value, 'environment', [
    'device',
    'isa',
    'threads',
    'chunk',
    'precision',
    'versions',
  ])
  return {
    device: expectString('environment.device', environment.device),
    ...optional(environment, 'isa', 'environment', expectString),
    ...optional(environment, 'threads', 'environment', count),
    ...optional(environment, 'chunk', 'environment', count),
    ...optional(environment, 'precision', 'environment', expectString),
    ...optional(environment, 'versions', 'environment', readVersions),
  }
}

function readVersions(name: string, value: unknown): { [name: string]: string } {
  const entries = Object.entries(expectObject(name, value))
  return Object.fromEntries(entries.map(([key, version]) => [key, expectString(`${name}.${key}`, version)]))
}

function readProcessing(value: unknown, name: string): ProcessingStep {
  const step = fields(value, name, ['step', 'how'])
  const kind = expectString(`${name}.step`, step.step)
  if (kind !== 'aggregate' && kind !== 'normalize' && kind !== 'slice')
    throw new AscribeError('OPTION_RANGE', `${name}.step is ${JSON.stringify(kind)}, which is not known`)
  return { step: kind, how: expectString(`${name}.how`, step.how) }
}
