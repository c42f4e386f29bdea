import { describeRange } from '#lib/cli/methodFlags.js'
import type { OptionSchema } from '#lib/methods/options.js'

/** Text as it may stand in a table. */
export const cell = (text: string): string => text.replaceAll('|', '\\|')

/** An option as a row of a table: name, values, default, what it does. */
export const optionRow = (name: string, option: OptionSchema[string]): string =>
  `| \`${name}\` | ${cell(describeRange(option))} | ${option.default ?? 'off'} | ${cell(option.description)} |`
