import type { AttributeOptions, Recipe } from '../inputs/gradientMethod.js'
import type { Example, Scored } from '../inputs/gradientResult.js'
import { onePass } from '../inputs/recipe.js'
import { type CamName, camPass } from './camMaps.js'
import { CamMethod } from './camMethod.js'

/** Maps whose weights come of the gradient in the layer: what each place gets is made inside the pass. */
abstract class GradientCam extends CamMethod {
  protected abstract override readonly name: CamName

  override recipe(): Recipe {
    return onePass('gradient')
  }
  override recipeFor(example: Example, _options: AttributeOptions): Recipe {
    const { layer, shape } = this.shapeOf(example)
    return onePass('gradient', { pass: camPass(this.name, layer, this.geometryOf(layer, shape)) })
  }
  protected override mapOf({ rows }: Scored, target: number): Float32Array {
    return rows[target]!
  }
}

/**
 * Grad-CAM: channels weighed by the mean of their gradient. Scores are the map at the layer's own size, `HW`, laid over
 * the picture; positive alone unless `relu` is off. One forward pass, and one forward and backward of what follows the
 * layer. Default layer: the last one of maps.
 *
 * Source: Selvaraju et al., "Grad-CAM" (ICCV 2017), equations 1 and 2.
 */
export class GradCam extends GradientCam {
  protected readonly name = 'GradCam'
}

/**
 * Grad-CAM++: gradients weighed by place before they are summed. See {@link GradCam}.
 *
 * Source: Chattopadhay et al., "Grad-CAM++" (WACV 2018), equation 19 with the exponential left out, as the library
 * pytorch-grad-cam has it; published codes differ [unconfirmed].
 */
export class GradCamPlusPlus extends GradientCam {
  protected readonly name = 'GradCamPlusPlus'
}

/**
 * HiResCAM: gradient times activation, place by place. With a linear head behind a mean of the maps, the signed map adds
 * up to the logit less its bias. See {@link GradCam}.
 *
 * Source: Draelos and Carin, "Use HiResCAM instead of Grad-CAM" (2020).
 */
export class HiResCam extends GradientCam {
  protected readonly name = 'HiResCam'
}

/** Gradient times activation, of which each element keeps what is positive before the sum. See {@link GradCam}. */
export class GradCamElementwise extends GradientCam {
  protected readonly name = 'GradCamElementwise'
}

/**
 * LayerCAM: positive gradients times activations. See {@link GradCam}.
 *
 * Source: Jiang et al., "LayerCAM" (IEEE TIP 2021), equation 6.
 */
export class LayerCam extends GradientCam {
  protected readonly name = 'LayerCam'
}

/**
 * XGrad-CAM: channels weighed by their gradient where they are active. See {@link GradCam}.
 *
 * Source: Fu et al., "Axiom-based Grad-CAM" (BMVC 2020), equation 9.
 */
export class XGradCam extends GradientCam {
  protected readonly name = 'XGradCam'
}

/**
 * CAM itself, for models that end in the mean of the maps and a linear head: the head's weights of the class on the maps.
 * Over the number of places the signed map adds up to the logit less its bias. See {@link GradCam}.
 *
 * Source: Zhou et al., "Learning deep features for discriminative localization" (CVPR 2016), equation 2.
 *
 * @throws AscribeError MODEL_CAPABILITY where something else than a mean and products with weights follows the layer.
 */
export class Cam extends GradientCam {
  protected readonly name = 'Cam'
}
