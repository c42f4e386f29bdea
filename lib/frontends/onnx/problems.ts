import { AscribeError } from '../../errors.js'

/** Thrown by an operator's import where it cannot be expressed; collected, so that all are reported at once. */
export class Unsupported extends Error {}

const namesShown = 20

/** Everything a model needs and ascribe lacks, for one error that lists it all. */
export class Problems {
  readonly #nodesByWhat = new Map<string, string[]>()

  get isEmpty(): boolean {
    return this.#nodesByWhat.size === 0
  }

  /** @param what the operator, or the operator and the form of it: `If`, `Resize (mode cubic)`. */
  add(what: string, node: string): void {
    const nodes = this.#nodesByWhat.get(what)
    if (nodes) nodes.push(node)
    else this.#nodesByWhat.set(what, [node])
  }

  /** @throws AscribeError MODEL_UNSUPPORTED_OP, if there is anything. */
  throwIfAny(): void {
    if (this.isEmpty) return
    const lines = [...this.#nodesByWhat].map(([what, nodes]) => {
      const shown = nodes.slice(0, namesShown).map(name => `"${name}"`)
      const more = nodes.length > shown.length ? ` and ${nodes.length - shown.length} more` : ''
      return `  ${what}: ${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'} (${shown.join(', ')}${more})`
    })
    const count = lines.length === 1 ? 'an operator' : `${lines.length} operators`
    throw new AscribeError(
      'MODEL_UNSUPPORTED_OP',
      `The model uses ${count} that ascribe does not support:\n${lines.join('\n')}`,
      {
        hint: 'docs/operators.md lists what is supported. A model can still be explained as a black box.',
      },
    )
  }
}

export function invalidModel(message: string, cause?: unknown): AscribeError {
  return new AscribeError('MODEL_INVALID', message, {
    hint: 'The ONNX checker (onnx.checker.check_model) may say more.',
    ...(cause === undefined ? {} : { cause }),
  })
}
