import { AscribeError } from '../errors.js'
import { expectObject, expectOneOf, expectString, rangeError, typeError } from '../validate.js'

interface Described {
  /** One sentence for the docs and the command line. */
  description: string
}
export interface IntegerOption extends Described {
  kind: 'integer'
  /** `undefined`: off unless given. */
  default: number | undefined
  minimum?: number
  maximum?: number
}
export interface NumberOption extends Described {
  kind: 'number'
  /** `undefined`: off unless given. */
  default: number | undefined
  minimum?: number
  /** The value must be above `minimum`, not at it. */
  exclusive?: boolean
  maximum?: number
}
export interface BooleanOption extends Described {
  kind: 'boolean'
  default: boolean
}
export interface ChoiceOption<C extends string = string> extends Described {
  kind: 'choice'
  choices: readonly C[]
  default: C
}

export interface TextOption extends Described {
  kind: 'text'
  /** `undefined`: none unless given. */
  default: string | undefined
}

/** What a method may be told; validates, documents and becomes command-line flags. */
export type OptionSchema = Record<
  string,
  IntegerOption | NumberOption | BooleanOption | ChoiceOption | TextOption
>

/** The resolved options of a schema: every one present, defaults filled in. */
export type Resolved<S extends OptionSchema> = {
  [K in keyof S]: S[K] extends { kind: 'choice'; choices: readonly (infer C)[] }
    ? C
    : S[K] extends { kind: 'boolean' }
      ? boolean
      : S[K] extends { kind: 'text' }
        ? S[K] extends { default: string }
          ? string
          : string | undefined
        : S[K] extends { default: number }
          ? number
          : number | undefined
}

/** What a caller may leave out. */
export type Given<S extends OptionSchema> = { [K in keyof S]?: Resolved<S>[K] | undefined }

function checkNumber(name: string, spec: IntegerOption | NumberOption, value: unknown): number {
  const expected = spec.kind === 'integer' ? 'an integer' : 'a number'
  if (typeof value !== 'number' || (spec.kind === 'integer' && !Number.isInteger(value)))
    throw typeError(name, expected, value)
  const exclusive = spec.kind === 'number' && spec.exclusive === true
  const low = spec.minimum !== undefined && (exclusive ? value <= spec.minimum : value < spec.minimum)
  const high = spec.maximum !== undefined && value > spec.maximum
  if (low || high || !Number.isFinite(value)) {
    const bounds = [
      spec.minimum === undefined ? '' : `${exclusive ? 'above' : 'of at least'} ${spec.minimum}`,
      spec.maximum === undefined ? '' : `of at most ${spec.maximum}`,
    ]
    throw rangeError(name, [expected, bounds.filter(Boolean).join(' and ')].filter(Boolean).join(' '), value)
  }
  return value
}

function check(name: string, spec: OptionSchema[string], value: unknown): unknown {
  switch (spec.kind) {
    case 'integer':
    case 'number':
      return checkNumber(name, spec, value)
    case 'boolean':
      if (typeof value !== 'boolean') throw typeError(name, 'true or false', value)
      return value
    case 'choice':
      return expectOneOf(name, value, spec.choices)
    case 'text':
      return expectString(name, value)
  }
}

/**
 * Validates options once, against their schema, and fills the defaults in.
 *
 * @throws AscribeError OPTION_UNKNOWN, OPTION_TYPE or OPTION_RANGE
 */
export function resolveOptions<S extends OptionSchema>(
  schema: S,
  given: Record<string, unknown> = {},
): Resolved<S> {
  expectObject('options', given)
  for (const name of Object.keys(given))
    if (given[name] !== undefined && !Object.hasOwn(schema, name))
      throw new AscribeError('OPTION_UNKNOWN', `There is no option called ${name}`, {
        hint: `the options are ${Object.keys(schema).join(', ')}`,
      })
  const resolved: Record<string, unknown> = {}
  for (const [name, spec] of Object.entries(schema))
    resolved[name] = given[name] === undefined ? spec.default : check(name, spec, given[name])
  return resolved as Resolved<S>
}
