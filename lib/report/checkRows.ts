import type { RemovalCheck } from '../metrics/removalCheck.js'
import { formatNumber } from './format.js'

/** One line of a check. */
export interface CheckRow {
  readonly name: string
  readonly logProbability: string
  /** What was lost, and what random sources lose; empty for all sources. */
  readonly drop: string
  readonly answer: string | undefined
}

/** A check of sources, for people: texts are not escaped. */
export function checkRows({ texts, whole, removed, kept }: RemovalCheck): CheckRow[] {
  const many = texts.length === 1 ? 'this source' : `these ${texts.length} sources`
  return [
    { name: 'all of the context', drop: '', ...row(whole) },
    { name: `without ${many}`, drop: dropText(removed), ...row(removed) },
    { name: `${many} alone`, drop: dropText(kept), ...row(kept) },
  ]
}

const row = ({ logProbability, answer, isSameAnswer }: RemovalCheck['whole']) => ({
  logProbability: formatNumber(logProbability),
  answer: answer === undefined ? undefined : `${answer.trim()}${isSameAnswer ? ' (the same)' : ''}`,
})

const dropText = ({ drop, random }: RemovalCheck['removed']): string => {
  const others =
    random === undefined
      ? ''
      : `; random ones ${formatNumber(random.mean)}, from ${formatNumber(random.low)} to ${formatNumber(random.high)}`
  return `less by ${formatNumber(drop)}${others}`
}
