import { elementCount, type Tensor } from '../data/tensor.js'
import { AscribeError } from '../errors.js'
import { embeddingLookups } from './embeddings.js'
import type { Explainable } from './explainable.js'
import type { ModelValue } from './model.js'
import type { PreparedInput, PreparedText } from './prepareInput.js'

/** What an input of a model of text holds, told by its name. */
type Role = 'ids' | 'mask' | 'zeros' | 'positions'

const roleNames: readonly (readonly [Role, RegExp])[] = [
  ['mask', /mask/i],
  ['positions', /position/i],
  ['zeros', /token_type|segment/i],
]

/**
 * Which input is which: the ids are those that are looked up in a table (of several, the one whose name says so); masks,
 * positions and segments are told by their names.
 */
function rolesOf(model: Explainable): Map<string, Role> {
  const roles = new Map<string, Role>()
  for (const { name } of model.inputs) {
    const role = roleNames.find(([, pattern]) => pattern.test(name))?.[0]
    if (role !== undefined) roles.set(name, role)
  }
  const looked = new Set(embeddingLookups(model).map(({ input }) => input))
  const isInteger = ({ dtype }: ModelValue) => dtype === 'i64' || dtype === 'i32'
  const free = model.inputs.filter(input => !roles.has(input.name) && isInteger(input))
  const candidates = free.filter(({ name }) => looked.has(name))
  const named = (candidates.length > 0 ? candidates : free).filter(
    ({ name }, _, all) => all.length === 1 || /(^|_)(ids?|tokens?)$/i.test(name),
  )
  if (named.length === 1) roles.set(named[0]!.name, 'ids')
  const unknown = model.inputs.filter(({ name }) => !roles.has(name))
  if (unknown.length > 0 || named.length !== 1)
    throw new AscribeError(
      'INPUT_MISSING',
      `Which inputs of ${model.name} a text fills is not known (${model.inputs.map(({ name }) => name).join(', ')})`,
      { hint: 'Give tensors by name; option `tokens` names the tokens in results.' },
    )
  return roles
}

/** Names of the inputs that hold the ids of a text's tokens. */
export const textIds = (model: Explainable): string[] =>
  [...rolesOf(model)].flatMap(([name, role]) => (role === 'ids' ? [name] : []))

/** The length that the model asks for, where it asks for one. */
function fixedLength(model: Explainable, roles: ReadonlyMap<string, Role>): number | undefined {
  const ids = model.inputs.find(({ name }) => roles.get(name) === 'ids')
  const length = ids?.shape?.at(-1)
  return typeof length === 'number' ? length : undefined
}

function filled(input: ModelValue, length: number, value: (at: number) => number): Tensor {
  const shape = [1, length]
  const count = elementCount(shape)
  const dtype = input.dtype
  if (dtype === 'i64')
    return { dtype, shape, data: BigInt64Array.from({ length: count }, (_, at) => BigInt(value(at))) }
  if (dtype === 'i32') return { dtype, shape, data: Int32Array.from({ length: count }, (_, at) => value(at)) }
  if (dtype === 'f32')
    return { dtype, shape, data: Float32Array.from({ length: count }, (_, at) => value(at)) }
  if (dtype === 'bool')
    return { dtype, shape, data: Uint8Array.from({ length: count }, (_, at) => value(at)) }
  throw new AscribeError(
    'INPUT_DTYPE',
    `Input "${input.name}" holds ${dtype} numbers, which a text does not fill`,
  )
}

/**
 * A text as a model's inputs: ids, a mask of ones, positions, segments of zeros. A model of fixed length gets the
 * tokenizer's padding, masked, behind the text; nothing is cut off.
 *
 * @throws AscribeError TOKENIZER_REQUIRED, TOKENIZER_INVALID, DEADLINE_EXCEEDED, ABORTED; INPUT_MISSING where the inputs
 *   are not those of a model of text; INPUT_SHAPE for a text that is too long, or cannot be filled up.
 */
export async function textInputs(
  model: Explainable,
  text: string,
  signal?: AbortSignal,
): Promise<PreparedText & { tensors: Record<string, Tensor> }> {
  const { tokenizer } = model
  if (tokenizer === undefined)
    throw new AscribeError('TOKENIZER_REQUIRED', `How texts become the input of ${model.name} is not known`, {
      hint: 'Pass `tokenizer` to loadModel: the path of a tokenizer.json (--tokenizer on the command line).',
    })
  const roles = rolesOf(model)
  const { ids, tokens, offsets } = await tokenizer.encode(text, signal ? { signal } : {})
  if (ids.length === 0) throw new AscribeError('INPUT_VALUE', 'The text has no tokens')
  const length = fixedLength(model, roles) ?? ids.length
  if (ids.length > length)
    throw new AscribeError('INPUT_SHAPE', `The text has ${ids.length} tokens, and the model takes ${length}`)
  const { padding } = tokenizer
  const missing = length - ids.length
  if (missing > 0 && padding === undefined)
    throw new AscribeError(
      'INPUT_SHAPE',
      `The text has ${ids.length} tokens, the model takes ${length}, and the tokenizer names none that fills up`,
    )
  const values: Record<Role, (at: number) => number> = {
    ids: at => ids[at] ?? padding!,
    mask: at => (at < ids.length ? 1 : 0),
    positions: at => at,
    zeros: () => 0,
  }
  return {
    text,
    tokens: [...tokens, ...Array.from({ length: missing }, () => '[PAD]')],
    offsets: [...offsets, ...Array.from({ length: missing }, () => null)],
    tensors: Object.fromEntries(
      model.inputs.map(input => [input.name, filled(input, length, values[roles.get(input.name)!])]),
    ),
  }
}

/** Tokens of a value with `length` positions: as given, of the text, by their ids, or numbered. */
export function tokenUnits(
  model: Explainable,
  prepared: PreparedInput,
  length: number,
  given: readonly string[] | undefined,
  layer?: string,
): { kind: 'tokens'; tokens: readonly string[] } & Partial<Pick<PreparedText, 'text' | 'offsets'>> {
  if (given !== undefined && given.length !== length)
    throw new AscribeError('INPUT_SHAPE', `There are ${given.length} tokens for ${length} positions`)
  if (given !== undefined) return { kind: 'tokens', tokens: [...given] }
  if (prepared.text?.tokens.length === length) return { kind: 'tokens', ...prepared.text }
  const looked = embeddingLookups(model)
    .filter(lookup => layer === undefined || lookup.layer === layer)
    .map(({ input }) => [...((prepared.tensors[input]?.data ?? []) as Iterable<number | bigint>)])
  // Of models that read one text and write another, both.
  const ids = [...looked, looked.flat()].find(data => data.length === length)
  return { kind: 'tokens', tokens: Array.from({ length }, (_, at) => String(ids?.[at] ?? at)) }
}
