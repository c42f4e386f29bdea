import { AscribeError } from '../../errors.js'
import type { Model } from '../../model/model.js'
import { type Resolved, resolveOptions } from '../options.js'
import { type DeepLiftOptions, deepLiftOptions } from './deepLift.js'
import { GradientMethod, type MethodIdentity, type Recipe } from './gradientMethod.js'
import { onePass } from './recipe.js'

/**
 * DeepLIFT-SHAP: the mean of DeepLIFT's scores over several baselines, all of which are taken. `baseline` is a tensor
 * [baselines, ...] with at least 2.
 *
 * Scores have the shape of the input and add up to f(x) less the mean of f over the baselines, as `checks.completeness`
 * has it. One pass of input and baseline together for each baseline. See {@link DeepLift} for the rules and options.
 *
 * Source: Lundberg and Lee, "A unified approach to interpreting model predictions" (NeurIPS 2017), section 4.2.
 *
 * @throws AscribeError INPUT_SHAPE for fewer than 2 baselines or some of another shape.
 */
export class DeepLiftShap extends GradientMethod {
  readonly options: Resolved<typeof deepLiftOptions>

  constructor(model: Model, options: DeepLiftOptions = {}) {
    super(model)
    this.options = resolveOptions(deepLiftOptions, options)
  }
  protected override get isOneByOne(): boolean {
    return true
  }
  override recipe(): Recipe {
    return {
      ...onePass('integrated', { rules: { name: 'deepLift', compares: true, options: this.options } }),
      draws: rows => {
        if (rows < 2)
          throw new AscribeError(
            'INPUT_SHAPE',
            `DeepLIFT-SHAP needs at least 2 baselines and was given ${rows}`,
            {
              hint: 'Give `baseline` as a tensor [baselines, ...]; for a single one there is DeepLift.',
            },
          )
        return { baselines: Float64Array.from({ length: rows }, (_, row) => row) }
      },
    }
  }
  override identity(): MethodIdentity {
    return { name: 'DeepLiftShap', options: this.options }
  }
}
