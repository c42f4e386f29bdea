import { AscribeError } from '../../errors.js'
import { resolveOneLayer } from '../../model/layerNames.js'
import type { PreparedInput } from '../../model/prepareInput.js'
import { type AttributeOptions, GradientMethod, type Recipe } from '../inputs/gradientMethod.js'
import type { Example } from '../inputs/gradientResult.js'

/**
 * Methods whose scores belong to a layer while the path is that of the inputs: `layer` names where the scores are, and what
 * moves is what the model is given.
 */
export abstract class LayerMethod extends GradientMethod {
  /** The recipe for a layer. */
  protected abstract recipeOf(layer: string): Recipe

  /** For a layer of no name: what noise goes around, and how many points there are. */
  override recipe(): Recipe {
    return this.recipeOf('')
  }
  override recipeFor(_example: Example, options: AttributeOptions): Recipe {
    return this.recipeOf(this.layerOf(options))
  }
  protected layerOf({ layer }: AttributeOptions): string {
    const [only, ...others] = typeof layer === 'string' ? [layer] : (layer ?? [])
    if (only === undefined || others.length > 0)
      throw new AscribeError(
        'LAYER_NOT_FOUND',
        `${this.identity().name} takes one layer, by its name: option \`layer\``,
        { hint: 'model.layers() lists them; `ascribe inspect --layers` marks good ones.' },
      )
    return resolveOneLayer(this.model, only)
  }
  override async chooseExplained(
    _prepared: PreparedInput,
    options: AttributeOptions,
  ): Promise<AttributeOptions> {
    this.layerOf(options)
    const { layer: _, ...others } = options
    return others
  }
}
