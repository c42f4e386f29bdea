import { type Command, InvalidArgumentError, Option } from 'commander'
import type { OptionSchema } from '../methods/options.js'
import type { MethodEntry } from '../methods/registry.js'

const kebab = (name: string): string => name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)

function parseNumber(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (Number.isNaN(value)) throw new InvalidArgumentError('Not a number.')
  return value
}

/** An option's range in words: "integer, 1 to 1000000". */
export function describeRange(spec: OptionSchema[string]): string {
  if (spec.kind === 'choice') return spec.choices.join(', ')
  if (spec.kind === 'boolean') return 'yes or no'
  if (spec.kind === 'text') return 'text'
  const { minimum, maximum } = spec
  const isExclusive = spec.kind === 'number' && spec.exclusive === true
  const low = minimum === undefined ? '' : `${isExclusive ? 'above' : 'from'} ${minimum}`
  const high = maximum === undefined ? '' : `to ${maximum}`
  return [`${spec.kind}`, [low, high].filter(Boolean).join(' ')].filter(Boolean).join(', ')
}

/** Makes every option of a method a flag, with its help, range and default. */
export function addMethodFlags(command: Command, entry: Pick<MethodEntry, 'name' | 'options'>): void {
  for (const [name, spec] of Object.entries(entry.options)) {
    const flag = `--${kebab(name)}`
    // `--precision` is the model's too: f64 is the method's, see methodOptions.
    if (command.options.some(({ long }) => long === flag)) continue
    const help = `${entry.name}: ${spec.description}`
    if (spec.kind === 'boolean') {
      command.addOption(
        new Option(
          spec.default ? `--no-${kebab(name)}` : flag,
          `${help}${spec.default ? ' (on by default)' : ''}`,
        ),
      )
      continue
    }
    const option = new Option(
      `${flag} <value>`,
      `${help} (${describeRange(spec)}; default ${spec.default ?? 'off'})`,
    )
    if (spec.kind === 'choice') option.choices([...spec.choices])
    else if (spec.kind !== 'text') option.argParser(parseNumber)
    command.addOption(option)
  }
}

/** The precision that a flag means of the model: double precision is a method's, of those that have it. */
export function modelPrecision<Flags extends { precision?: string | undefined }>(
  flags: Flags,
  entry: MethodEntry,
): Flags {
  const isOfMethod = flags.precision === 'f64' && entry.options.precision !== undefined
  return isOfMethod ? { ...flags, precision: undefined } : flags
}

/** What the flags say of a method's options; what was not given is left to the method's defaults. */
export function methodOptions(
  entry: Pick<MethodEntry, 'options'>,
  flags: Record<string, unknown>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.keys(entry.options)
      // Double precision alone is a method's, see modelPrecision; in any other it takes the model as it is.
      .filter(name => flags[name] !== undefined && (name !== 'precision' || flags[name] === 'f64'))
      .map(name => [name, flags[name]]),
  )
}
