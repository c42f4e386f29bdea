import { escapeTerminal } from '../report/escape.js'
import { formatMilliseconds, formatNumber, formatPercent } from '../report/format.js'
import { scoreRange } from '../report/scoreRange.js'
import { mapText, tokensText } from '../report/terminal.js'
import { textParts } from '../report/textParts.js'
import { tokenRange } from '../report/tokens.js'
import { expectInteger, expectKnownKeys } from '../validate.js'
import type { AttributedInput } from './attributedInput.js'
import type { Attribution } from './attribution.js'
import { flatten, scoreMapOf } from './render.js'

/** How scores are written as text. */
export interface TextOptions {
  /** Whether 24-bit terminal colours are used. Default: no (`show()`: where the terminal has them). */
  color?: boolean
  /** The greatest width of a map in cells. Default 32; `show()`: the terminal's width, at most 64. */
  columns?: number
}

/** An attribution as text: what was explained, how well it adds up, the scores, and what to be warned of. */
export function attributionText(attribution: Attribution, options: TextOptions): string {
  expectKnownKeys('text options', options, ['color', 'columns'])
  const columns = expectInteger('columns', options.columns ?? 32, 1, 1000)
  const hasColor = options.color ?? false
  const { method, model, targets, warnings, cost } = attribution
  const lines = [
    `${escapeTerminal(method.name)} on ${escapeTerminal(model.name)}, ${formatMilliseconds(cost.milliseconds)}`,
  ]
  targets.forEach((target, index) => {
    const value = target.value === undefined ? '' : ` = ${formatNumber(target.value)}`
    lines.push('', `target: ${escapeTerminal(target.description)}${value}`)
    const single = attribution.slice(index)
    const check = single.checks.completeness?.[0]
    if (check !== undefined) {
      const share = check.relative === null ? '' : ` (${formatPercent(check.relative)})`
      lines.push(
        `completeness: change ${formatNumber(check.difference)}, error ${formatNumber(check.delta)}${share}`,
      )
    }
    for (const input of single.inputs) {
      if (single.inputs.length > 1) lines.push(`input ${escapeTerminal(input.name)}:`)
      lines.push(inputText(flatten(input, 'sum'), columns, hasColor))
    }
  })
  for (const { code, message } of warnings)
    lines.push('', `warning ${escapeTerminal(code)}: ${escapeTerminal(message)}`)
  return lines.join('\n')
}

function inputText(input: AttributedInput, columns: number, hasColor: boolean): string {
  if (input.units.kind === 'tokens') {
    const parts = textParts(input.units, input.scores.data)
    return tokensText(parts, tokenRange(scoreRange(parts.flatMap(part => part.score ?? []))), hasColor)
  }
  const range = scoreRange(input.scores.data)
  const legend = `${range.isSigned ? `\u2212${formatNumber(range.limit)}` : '0'} to ${formatNumber(range.limit)}`
  return `${mapText(scoreMapOf(input), range, columns, hasColor)}\n${legend}`
}
