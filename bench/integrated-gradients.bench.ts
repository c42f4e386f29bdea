/**
 * How fast are integrated gradients, against Captum at its best internal batch size and memory layout?
 *
 *   [ASCRIBE_TORCH_PYTHON=…] node build/ts/bench/integrated-gradients.bench.js [--quick] [--only NET] [--seconds 20]
 */
import { IntegratedGradients } from '#lib/index.js'
import { raceEnsemble } from './nets/ensemble.js'

await raceEnsemble(
  'integrated',
  'integrated gradients',
  (model, steps) => new IntegratedGradients(model, { steps }),
)
