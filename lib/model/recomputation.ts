import type { NativePlan, PlanDescription } from '#typings/addon.js'
import { AscribeError } from '../errors.js'
import { describePlan } from '../native.js'
import { expectInteger, typeError } from '../validate.js'

/**
 * When activations that only a gradient reads later are computed again instead of being kept; results have the same bits
 * either way. `true`: wherever that saves memory, up to one more pass forwards; `false`: never; a number: as far as the
 * activations of a pass take more bytes than that, and it is an error where they cannot be brought down to it; `'auto'`:
 * where a pass would not fit the model's memory limit otherwise.
 */
export type Recomputation = boolean | 'auto' | number

/** @throws AscribeError `OPTION_TYPE`, `OPTION_RANGE` */
export function expectRecomputation(value: Recomputation): Recomputation {
  if (typeof value === 'boolean' || value === 'auto') return value
  if (typeof value === 'number') return expectInteger('recompute', value, 1, 2 ** 50)
  throw typeError('recompute', "true, false, 'auto' or a number of bytes", value)
}

/** What a job holds beside activations: copies of the rows of its inputs, some in double, and results. */
function bytesBeside({ inputs, outputs, scratchBytes }: PlanDescription): number {
  const elements = (values: PlanDescription['inputs']) =>
    values.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0)
  return scratchBytes + 56 * elements(inputs) + 8 * elements(outputs)
}

/**
 * Compiles a plan as the model's option says.
 *
 * @param compile By the engine's option: bytes, 0 for as few as can be, undefined to keep everything.
 */
export async function compileWith(
  recompute: Recomputation,
  memoryLimitBytes: number | undefined,
  compile: (bytes?: number) => Promise<NativePlan>,
): Promise<NativePlan> {
  if (recompute === true) return compile(0)
  if (typeof recompute === 'number') return compile(recompute)
  const plan = await compile()
  if (recompute === false || memoryLimitBytes === undefined) return plan
  const description = describePlan(plan)
  const room = Math.floor(memoryLimitBytes - bytesBeside(description))
  if (description.arenaBytes <= room || room < 1) return plan
  try {
    const smaller = await compile(room)
    plan.dispose()
    return smaller
  } catch (error) {
    // Nothing fits: the run says what was missing.
    if (error instanceof AscribeError && error.code === 'OUT_OF_MEMORY_BUDGET') return plan
    throw error
  }
}
