import type { ErrorCode } from '../errors.js'

/** What the process ends with, so that scripts can tell what went wrong. */
export const exitCodes = {
  ok: 0,
  /** A defect of ascribe's own. */
  failed: 1,
  /** Wrong flags, options or targets. */
  usage: 2,
  /** The model, an input or a file cannot be used. */
  input: 3,
  /** Something is missing on this machine: a package, a backend, memory. */
  environment: 4,
  /** `verify`: the model computes something else than ONNX Runtime does. */
  differs: 5,
  /** Ctrl-C. */
  interrupted: 130,
} as const

const byCode: Partial<Record<ErrorCode, number>> = {
  ABORTED: exitCodes.interrupted,
  BACKEND_UNAVAILABLE: exitCodes.environment,
  INTERNAL: exitCodes.failed,
  OPTION_RANGE: exitCodes.usage,
  OPTION_TYPE: exitCodes.usage,
  OPTION_UNKNOWN: exitCodes.usage,
  OUT_OF_MEMORY_BUDGET: exitCodes.environment,
  PACKAGE_MISSING: exitCodes.environment,
  TARGET_INVALID: exitCodes.usage,
  TARGET_REQUIRED: exitCodes.usage,
}

export function exitCodeOf(code: ErrorCode): number {
  return byCode[code] ?? exitCodes.input
}
