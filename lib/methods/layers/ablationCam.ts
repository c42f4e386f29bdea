import { AscribeError } from '../../errors.js'
import type { AttributeOptions, Recipe } from '../inputs/gradientMethod.js'
import type { Example, Scored } from '../inputs/gradientResult.js'
import { onePass } from '../inputs/recipe.js'
import { type CamGeometry, camElement } from './camGeometry.js'
import { CamMethod } from './camMethod.js'
import { channelPass } from './channelPass.js'

/**
 * Ablation-CAM: channels weighed by the share of the target's value that is lost when they are set to zero. No gradients:
 * a forward pass of what follows the layer for each of its channels. See {@link CamMethod} for layers and options.
 *
 * pytorch-grad-cam (084273b3) sets channels to 0 only where no activation is negative: else it takes 1e7 off the least one,
 * and once more for each channel before it in its batch. Given a layer of zeros instead it agrees.
 *
 * Source: Desai and Ramaswamy, "Ablation-CAM" (WACV 2020), equations 4 and 5.
 *
 * @throws AscribeError TARGET_INVALID where the target is 0, of which nothing can be a share.
 */
export class AblationCam extends CamMethod {
  protected readonly name = 'AblationCam'

  protected override get isOneByOne(): boolean {
    return true
  }
  override get takesNoise(): boolean {
    return false
  }
  override recipe(): Recipe {
    return onePass('gradient')
  }
  override recipeFor(example: Example, _options: AttributeOptions): Recipe {
    const { layer, shape } = this.shapeOf(example)
    const geometry = this.geometryOf(layer, shape)
    return channelPass(`AblationCam ${JSON.stringify(geometry)}`, layer, geometry.channels, {
      seen: ({ builder, values }, picked) => {
        const kept = builder.apply('sub', [builder.scalar(1), picked])
        const wide = builder.apply('unsqueeze', [kept], { axes: geometry.kind === 'maps' ? [2, 3] : [1] })
        return [builder.apply('mul', [values[0]!, wide])]
      },
    })
  }
  protected override mapOf(
    { rows, runs, example }: Scored,
    target: number,
    geometry: CamGeometry,
  ): Float32Array {
    const whole = runs[target]!.result.objective[0]!
    if (whole === 0)
      throw new AscribeError(
        'TARGET_INVALID',
        'The target is 0, and Ablation-CAM weighs channels by their share of it',
        {
          hint: 'Explain another target (a difference, the logit of another class), or take GradCam.',
        },
      )
    const { data } = example.explained.tensors[example.explained.names[0]!]!
    const map = new Float64Array(geometry.height * geometry.width)
    for (const [channel, left] of rows[target]!.entries())
      for (let place = 0; place < map.length; place++)
        map[place] =
          map[place]! + ((whole - left) / whole) * Number(data[camElement(geometry, channel, place)]!)
    return Float32Array.from(map)
  }
}
