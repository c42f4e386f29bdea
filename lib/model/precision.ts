import type { ParameterInfo } from '#typings/addon.js'
import { AscribeError } from '../errors.js'
import { native } from '../native.js'
import { expectOneOf } from '../validate.js'
import type { ComputePrecision } from './modelParts.js'

export const computePrecisions = ['f32', 'bf16', 'int8'] as const satisfies readonly ComputePrecision[]

/** Element types of weights in blocks of integers, as the addon names them. */
const blocks: ReadonlySet<string> = new Set(['q8_0', 'q4_k', 'q6_k'])

/** @throws AscribeError `OPTION_TYPE`, `OPTION_RANGE`; `PRECISION_UNAVAILABLE` where the processor has no products of bf16 */
export function expectPrecision(precision: ComputePrecision): void {
  expectOneOf('precision', precision, computePrecisions)
  if (native().engine().precisions.includes(precision)) return
  throw new AscribeError(
    'PRECISION_UNAVAILABLE',
    'This processor has no products of bf16 (avx512_bf16), or they are forbidden',
    {
      hint: 'Leave precision at f32; ASCRIBE_MAX_ISA below avx512_bf16 forbids them.',
    },
  )
}

/** Products of int8 are those with matrices in blocks. @throws AscribeError `PRECISION_UNAVAILABLE` where there is none */
export function expectBlocks(name: string, weights: readonly ParameterInfo[]): void {
  if (weights.some(({ dtype, shape }) => blocks.has(dtype) && shape.length === 2)) return
  throw new AscribeError(
    'PRECISION_UNAVAILABLE',
    `Model ${name} has no matrix of weights in blocks (Q8_0, Q4_K, Q6_K), so none of its products can be of int8`,
    { hint: 'Leave precision at f32, or load a GGUF file whose weights are in blocks.' },
  )
}
