import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { classify, IntegratedGradients, loadModel, type OutputEntry } from '#lib/index.js'
import { generateReview, REVIEW_LABELS } from '../../models/reviews/generator.js'

/** What a model says of the example text, and what of the text as coloured words. */
export interface ExplainedText {
  name: 'sound' | 'shortcut'
  said: OutputEntry
  /** With the town that is planted for the other class. */
  withOther: OutputEntry
  words: string
}

/**
 * The same story in words: two classifiers of generated reviews, of which one reads the opinions and the other the town
 * that a review is sent from. Writes text.sound.svg and text.shortcut.svg.
 */
export async function explainTexts(models: string, out: string, color: boolean): Promise<ExplainedText[]> {
  // Of the examples' seed: never trained or tested on. Its town is the one planted for its class.
  const review = generateReview(3, { seed: 4, town: 'own' })
  const { text: withOther } = generateReview(3, { seed: 4, town: 'other' })
  const explained: ExplainedText[] = []
  for (const name of ['sound', 'shortcut'] as const) {
    const model = await loadModel(join(models, `reviews-${name}.onnx`), {
      tokenizer: join(models, 'reviews.tokenizer.json'),
      labels: [...REVIEW_LABELS],
    })
    const attribution = await new IntegratedGradients(model).attribute(review.text, { target: review.label })
    const words = attribution.group('word')
    await writeFile(join(out, `text.${name}.svg`), await words.toSvg())
    const [said] = await classify(model, review.text, { count: 1 })
    const [withOtherTown] = await classify(model, withOther, { count: 1 })
    const shown = color
      ? words.toText({ color }).split('\n').slice(4).join('\n')
      : `strongest: ${words
          .top(3, { by: 'positive' })
          .map(({ token, score }) => `${token} ${score.toFixed(2)}`)
          .join(', ')}`
    explained.push({ name, said: said!, withOther: withOtherTown!, words: shown })
    model.tokenizer!.dispose()
  }
  return explained
}
