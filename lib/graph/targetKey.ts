import type { Target } from './target.js'

const expressionKeys = new WeakMap<Target, number>()
let expressions = 0

/**
 * What tells targets apart as parts of a plan: classes share one, which reads the class from an input; expressions and
 * masks are told apart by identity.
 */
export function targetKey(target: Target): string {
  const { description } = target
  if (description.kind === 'top' || description.kind === 'class')
    return `class ${JSON.stringify(target.options)}`
  const isContrast = description.kind === 'prediction' && description.contrast?.logits !== undefined
  if (isContrast || ['expression', 'mask', 'similarity'].includes(description.kind)) {
    const key = expressionKeys.get(target) ?? ++expressions
    expressionKeys.set(target, key)
    return `${description.kind} ${key}`
  }
  return JSON.stringify([description, target.options])
}
