/** Attributes of every operation of the graph language. A test holds this table against the native schemas. */
interface Window {
  strides?: number[]
  dilations?: number[]
  pads?: number[]
  autoPad?: 'explicit' | 'sameUpper' | 'sameLower' | 'valid'
}
interface Pool extends Window {
  kernel: number[]
  ceilMode?: number
}
type None = Record<never, never>
interface Reduce {
  axes?: number[]
  keepDims?: number
  noopWithEmptyAxes?: number
}
interface Arg {
  axis?: number
  keepDims?: number
  selectLast?: number
}
interface Axis {
  axis?: number
}
interface Epsilon {
  epsilon?: number
}

type Plain =
  | 'neg'
  | 'abs'
  | 'sign'
  | 'exp'
  | 'log'
  | 'sqrt'
  | 'reciprocal'
  | 'floor'
  | 'ceil'
  | 'round'
  | 'sin'
  | 'cos'
  | 'tan'
  | 'asin'
  | 'acos'
  | 'atan'
  | 'sinh'
  | 'cosh'
  | 'tanh'
  | 'asinh'
  | 'acosh'
  | 'atanh'
  | 'erf'
  | 'sigmoid'
  | 'relu'
  | 'softplus'
  | 'softsign'
  | 'silu'
  | 'hardSwish'
  | 'mish'
  | 'not'
  | 'isNan'
  | 'bitwiseAnd'
  | 'bitwiseOr'
  | 'bitwiseXor'
  | 'bitwiseNot'
  | 'nonZero'
  | 'determinant'
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'pow'
  | 'min'
  | 'max'
  | 'and'
  | 'or'
  | 'xor'
  | 'prelu'
  | 'equal'
  | 'less'
  | 'lessOrEqual'
  | 'greater'
  | 'greaterOrEqual'
  | 'where'
  | 'identity'
  | 'interpolate'
  | 'stopGradient'
  | 'expand'
  | 'tile'
  | 'size'
  | 'range'
  | 'globalAveragePool'
  | 'globalMaxPool'
  | 'assignState'

type WithAttributes = {
  isInf: { detectNegative?: number; detectPositive?: number }
  leakyRelu: { alpha?: number }
  elu: { alpha?: number }
  celu: { alpha?: number }
  selu: { alpha?: number; gamma?: number }
  thresholdedRelu: { alpha?: number }
  hardSigmoid: { alpha?: number; beta?: number }
  gelu: { approximate?: 'none' | 'tanh' }
  clip: { min?: number; max?: number }
  cast: { to: string; keepPrecision?: number }
  bitCast: { to: string }
  bitShift: { direction: 'left' | 'right' }
  mod: { truncated?: number }
  sum: Reduce
  mean: Reduce
  reduceMax: Reduce
  reduceMin: Reduce
  prod: Reduce
  argMax: Arg
  argMin: Arg
  topK: { axis?: number; largest?: number }
  cumSum: { axis?: number; exclusive?: number; reverse?: number }
  cumProd: { axis?: number; exclusive?: number; reverse?: number }
  unique: { sorted?: number }
  nonMaxSuppression: { centred?: number }
  window: { height: number; width: number; fill?: number }
  roiAlign: {
    height?: number
    width?: number
    samples?: number
    scale?: number
    halfPixel?: number
    maximum?: number
  }
  reshape: { allowZero?: number }
  reshapeLike: { leading?: number }
  expandLike: { leading?: number }
  sumTo: { leading?: number }
  flatten: Axis
  squeeze: { axes?: number[] }
  unsqueeze: { axes?: number[] }
  transpose: { permutation?: number[] }
  concat: { axis: number }
  slice: None
  pad: { mode?: 'constant' | 'reflect' | 'edge' | 'wrap' }
  shape: { start?: number; end?: number }
  constantOfShape: { value?: number; dtype?: string }
  oneHot: Axis
  trilu: { upper?: number; diagonal?: number }
  depthToSpace: { blockSize: number; mode?: 'DCR' | 'CRD' }
  spaceToDepth: { blockSize: number; mode?: 'DCR' | 'CRD' }
  gather: Axis
  gatherElements: Axis
  gatherNd: { batchDims?: number }
  scatterElements: { axis?: number; reduction?: string }
  scatterNd: { reduction?: string }
  matMul: { transposeA?: number; transposeB?: number }
  conv: Window & { group?: number }
  convTranspose: Window & { group?: number; outputPadding?: number[]; outputShape?: number[] }
  batchNorm: Epsilon
  batchNormTrain: Epsilon & { momentum?: number }
  layerNorm: Axis & Epsilon
  rmsNorm: Axis & Epsilon
  groupNorm: Epsilon & { groups?: number }
  lrn: { size: number; alpha?: number; beta?: number; bias?: number }
  softmax: Axis
  logSoftmax: Axis
  maxPool: Pool
  averagePool: Pool & { countIncludePad?: number }
  resize: {
    mode?: 'nearest' | 'linear' | 'cubic'
    coordinateMode?:
      | 'halfPixel'
      | 'halfPixelSymmetric'
      | 'pytorchHalfPixel'
      | 'alignCorners'
      | 'asymmetric'
      | 'cropAndResize'
    nearestMode?: 'roundPreferFloor' | 'roundPreferCeil' | 'floor' | 'ceil'
    cubicCoefficient?: number
    excludeOutside?: number
    antialias?: number
    extrapolation?: number
  }
  attention: { scale?: number; causal?: number }
  observedAttention: { scale?: number; causal?: number }
  attentionRows: { scale?: number; causal?: number; window?: number; keepRows?: number }
  recurrent: {
    cell: 'lstm' | 'gru' | 'rnn'
    activations?: string
    reverse?: number
    clip?: number
    inputForget?: number
    resetAfter?: number
  }
  dropout: { ratio?: number; seed?: number }
  randomUniform: { seed?: number; stream?: number }
  randomNormal: { seed?: number; stream?: number }
  addNoise: { column?: number; first?: number }
  appendState: Axis
  if: { thenBranch: string; elseBranch: string }
  loop: { body: string; carried: number; captured: number }
  vjp: {
    outputs: number
    rules?: string
    parameters?: 'summed' | 'perExample' | 'factors'
    paired?: number
    first?: string
    convolution?: string
    dense?: string
    bias?: string
    softmax?: string
    nonlinearity?: string
    variant?: string
    epsilon?: number
    gamma?: number
    alpha?: number
    beta?: number
    low?: number[]
    high?: number[]
  }
  customDerivative: { forward: string; backward: string }
}

export type OperationAttributes = { [K in Plain]: None } & WithAttributes
export type OperationName = keyof OperationAttributes
