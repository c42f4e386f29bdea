/**
 * How fast is SmoothGrad, noise and all, against Captum's NoiseTunnel at its best batch size and memory layout?
 *
 *   [ASCRIBE_TORCH_PYTHON=…] node build/ts/bench/smoothgrad.bench.js [--quick] [--only NET] [--seconds 20]
 */
import { SmoothGrad } from '#lib/index.js'
import { raceEnsemble } from './nets/ensemble.js'

await raceEnsemble('smooth', 'SmoothGrad', (model, samples) => new SmoothGrad(model, { samples, sigma: 0.3 }))
