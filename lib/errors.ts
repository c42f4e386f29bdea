/** Every code an {@link AscribeError} can carry, with its meaning. The codes are stable: programs may switch on them. */
export const errorCodes = {
  ABORTED: 'The caller aborted the work through its AbortSignal.',
  BACKEND_UNAVAILABLE: 'A device or backend that was asked for by name could not be used.',
  BUDGET_SPENT: 'A budget of requests, tokens or cost that the caller set is spent.',
  CHAT_TEMPLATE_INVALID: 'A chat template is malformed, refuses the messages, or writes too much.',
  CHAT_TEMPLATE_REQUIRED: 'Messages were given to a model whose checkpoint has no chat template.',
  DEADLINE_EXCEEDED:
    'Work whose length a file or text decides (patterns of a tokenizer) took longer than it may.',
  DERIVATIVE_UNSUPPORTED: 'A node on the path has no derivative.',
  FILE_CORRUPT: 'A file is damaged, truncated or not of the format it claims.',
  FILE_CHANGED: 'A mapped file changed on disk since it was loaded.',
  FILE_NOT_FOUND: 'A file does not exist or cannot be read.',
  FILE_VERSION: 'A file was written by a newer version of the format than this one reads.',
  FILE_WRITE: 'A file could not be written.',
  HANDLE_DISPOSED: 'A model, plan or session was used after it was disposed.',
  INPUT_DTYPE: 'An input has the wrong element type.',
  INPUT_MISSING: 'An input that the model needs was not given.',
  INPUT_SHAPE: 'An input has the wrong shape.',
  INPUT_VALUE: 'An input holds a value that cannot be used (for example NaN or infinity).',
  INTERNAL: 'A defect in ascribe itself; please report it.',
  LAYER_NOT_FOUND: 'No value of the model has that name.',
  MODEL_CAPABILITY: 'The model lacks something that the method requires.',
  MODEL_INVALID: 'A model is malformed: its graph does not verify.',
  MODEL_UNSUPPORTED_OP: 'A model uses operators that ascribe does not support; all are listed.',
  NOT_FINITE: 'A computation produced NaN or infinity; the node is named.',
  OPTION_RANGE: 'An option has a value outside its range.',
  OPTION_TYPE: 'An option has the wrong type.',
  OPTION_UNKNOWN: 'An option is not known.',
  OUT_OF_MEMORY_BUDGET: 'The work does not fit the memory budget.',
  PACKAGE_MISSING: 'An optional package is needed and not installed.',
  PRECISION_LOST: 'Scores cancel so far that nothing of what they add up to is left in single precision.',
  PRECISION_UNAVAILABLE:
    'A precision was asked for that the processor, its instructions in use, the device or the model does not have, or that has no derivative.',
  PREPROCESSING_REQUIRED: 'An image was given to a model whose preprocessing is not known.',
  REMOTE_FAILED: 'An endpoint could not be reached, refused, or gave an answer that cannot be used.',
  REPLAY_MISSING: 'A recorded run holds no answer to a request.',
  REPRESENTATION_UNSUPPORTED:
    'An attribution has no such representation (for example token scores as a picture).',
  TARGET_INVALID: 'A target does not fit the model (class out of range, unknown label, wrong kind).',
  TARGET_REQUIRED: 'The model has no single obvious output, so a target must be given.',
  TOKENIZER_INVALID:
    'A tokenizer.json is malformed, holds parts that are not supported, or cannot write a text as tokens.',
  TOKENIZER_REQUIRED: 'A text was given to a model whose tokenizer is not known.',
} as const

export type ErrorCode = keyof typeof errorCodes

/** What ascribe throws and rejects with: a stable code, what was wrong, and what to do about it. */
export class AscribeError extends Error {
  override readonly name = 'AscribeError'
  readonly code: ErrorCode
  /** What the caller can do about it. */
  readonly hint?: string

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    if (options.hint !== undefined) this.hint = options.hint
  }
}
