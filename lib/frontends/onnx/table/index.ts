import type { OperatorTable } from '../node.js'
import { activation } from './activation.js'
import { arithmetic } from './arithmetic.js'
import { attentionLayers } from './attention.js'
import { bits } from './bits.js'
import { comparison } from './comparison.js'
import { control } from './control.js'
import { einsums } from './einsum.js'
import { gather } from './gather.js'
import { generate } from './generate.js'
import { sampling } from './gridSample.js'
import { groupQueries } from './groupQueryAttention.js'
import { linear } from './linear.js'
import { linearAttentions } from './linearAttention.js'
import { losses } from './loss.js'
import { microsoft } from './microsoft.js'
import { normalisation } from './normalisation.js'
import { pooling } from './pooling.js'
import { microsoftQuantised, quantisedOperators } from './quantised.js'
import { recurrentLayers } from './recurrent.js'
import { reduction } from './reduction.js'
import { resizing } from './resize.js'
import { selection } from './selection.js'
import { shape } from './shape.js'
import { signals } from './signal.js'
import { softmax } from './softmax.js'

/** Every ONNX operator that ascribe imports: of the default domain by name, of others with their domain. `Constant` is read with the model's tensors. */
export const operators: OperatorTable = {
  ...activation,
  ...arithmetic,
  ...attentionLayers,
  ...bits,
  ...comparison,
  ...control,
  ...einsums,
  ...gather,
  ...generate,
  ...groupQueries,
  ...linear,
  ...linearAttentions,
  ...losses,
  ...microsoft,
  ...microsoftQuantised,
  ...normalisation,
  ...pooling,
  ...quantisedOperators,
  ...recurrentLayers,
  ...reduction,
  ...resizing,
  ...sampling,
  ...selection,
  ...shape,
  ...signals,
  ...softmax,
}
