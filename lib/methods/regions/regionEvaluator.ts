import type { BlackBox } from '../../frontends/blackbox/blackBox.js'
import { rowReader } from '../../games/blackBoxTarget.js'
import type { Coalition } from '../../games/coalition.js'
import type { CoalitionEvaluator } from '../../games/coalitionGame.js'
import { maskedBlackBox } from '../../games/maskedBlackBox.js'
import { type MaskedModel, maskedModel } from '../../games/maskedModel.js'
import { targetReadout } from '../../games/targetReadout.js'
import type { Target } from '../../graph/target.js'
import type { Explainable } from '../../model/explainable.js'
import { Model } from '../../model/model.js'
import type { Choice } from '../inputs/gradientResult.js'
import type { RegionInput } from './regionInput.js'

export interface RegionEvaluatorOptions {
  model: Explainable
  /** Of equal shapes. */
  examples: readonly RegionInput[]
  choices: readonly Choice[]
  target: Target
  /** See `MaskedModelOptions`. */
  render?: ((coalition: Coalition) => ArrayLike<number>) | undefined
  chunk?: number | undefined
  signal?: AbortSignal | undefined
}

/** Values of the target under masks, from a model or a black box; `native` must be disposed of where there is one. */
export async function regionEvaluator(
  options: RegionEvaluatorOptions,
): Promise<{ evaluator: CoalitionEvaluator; native?: MaskedModel }> {
  const { model, examples, choices, target, render, chunk, signal } = options
  const { input, axes } = examples[0]!
  const classes = choices.map(choice => choice.class ?? 0)
  const items = examples.map(example => example.item)
  if (model instanceof Model) {
    const readout = targetReadout(model, target, classes)
    const native = await maskedModel({ model, items, input, axes, readout, render, chunk, signal })
    return { evaluator: native, native }
  }
  const output = target.options.output ?? model.outputs[0]!.name
  const readRow = rowReader(target, model.labels, classes)
  const evaluator = maskedBlackBox({
    box: model as BlackBox,
    items,
    input,
    axes,
    outputs: [output],
    width: 1,
    read: ([only], { item }) => Float64Array.of(readRow(only!.row, only!.shape, item)),
    render,
    chunk,
  })
  return { evaluator }
}
