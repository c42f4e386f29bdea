import type { AttributeOptions, Recipe } from '../inputs/gradientMethod.js'
import type { Example, Scored } from '../inputs/gradientResult.js'
import { onePass } from '../inputs/recipe.js'
import { type CamGeometry, camElement } from './camGeometry.js'
import { CamMethod } from './camMethod.js'
import { principalProjection } from './principalProjection.js'

/**
 * Eigen-CAM: the first principal component of a layer's channels over its places. It knows of no target: the map is the
 * same for every class. A forward pass. See {@link CamMethod} for layers and options.
 *
 * Activations are centred, as pytorch-grad-cam has it. The sign of a component is arbitrary; here it points to where the
 * layer is active.
 *
 * Source: Muhammad and Yeasin, "Eigen-CAM" (IJCNN 2020), equation 4.
 */
export class EigenCam extends CamMethod {
  protected readonly name = 'EigenCam'

  override recipe(): Recipe {
    return onePass('gradient')
  }
  override recipeFor(example: Example, _options: AttributeOptions): Recipe {
    const { layer } = this.shapeOf(example)
    return onePass('gradient', {
      pass: {
        name: 'EigenCam',
        outputNames: [layer],
        outputs: ({ values }) => [{ name: layer, value: values[0]! }],
        cost: { forward: 1, backward: 0 },
      },
    })
  }
  protected override mapOf({ rows }: Scored, target: number, geometry: CamGeometry): Float32Array {
    const { channels, height, width } = geometry
    const held = rows[target]!
    return principalProjection(
      height * width,
      channels,
      (place, channel) => held[camElement(geometry, channel, place)]!,
    )
  }
}
