/**
 * Layer-wise relevance propagation, apart from everything else: third parties claim patents on the technique in some
 * countries. Nothing of the package uses it by default.
 *
 * @module ascribe/relevance
 */
export { AttnLrp, type AttnLrpOptions } from './methods/relevance/attnLrp.js'
export {
  LayerwiseRelevance,
  type LayerwiseRelevanceOptions,
  type PixelBounds,
  type RelevancePreset,
} from './methods/relevance/layerwiseRelevance.js'
export {
  TransformerAttribution,
  type TransformerAttributionOptions,
} from './methods/relevance/transformerAttribution.js'
