import { AscribeError } from '../errors.js'
import { expectInteger, typeError } from '../validate.js'
import { type Regions, regionsFromLabels } from './regions.js'

/**
 * Columns of a table as regions: each alone, or groups of them (a one-hot block, say); columns in no group follow, each
 * alone.
 *
 * @param count How many columns there are.
 * @param groups Lists of column numbers from 0.
 * @throws AscribeError `OPTION_RANGE`, `INPUT_VALUE` for a column in two groups, or an empty group.
 */
export function tableColumns(count: number, groups: readonly (readonly number[])[] = []): Regions {
  expectInteger('count', count, 1)
  if (!Array.isArray(groups)) throw typeError('groups', 'a list of lists of columns', groups)
  const labels = new Int32Array(count).fill(-1)
  for (const [index, group] of groups.entries()) {
    if (!Array.isArray(group)) throw typeError(`groups[${index}]`, 'a list of columns', group)
    if (group.length === 0) throw new AscribeError('INPUT_VALUE', `Group ${index} has no columns`)
    for (const column of group) {
      expectInteger(`groups[${index}]`, column, 0, count - 1)
      if (labels[column]! >= 0)
        throw new AscribeError('INPUT_VALUE', `Column ${column} is in groups ${labels[column]} and ${index}`)
      labels[column] = index
    }
  }
  let next = groups.length
  return regionsFromLabels(
    labels.map(label => (label < 0 ? next++ : label)),
    [count],
    'columns',
  )
}
