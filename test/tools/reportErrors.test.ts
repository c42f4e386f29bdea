import { readFile } from 'node:fs/promises'
import test from 'ava'
import { resolvePreprocessing } from '#lib/data/preprocessing.js'
import { type Image, Lima, loadModel, Image as Pictures, reportErrors } from '#lib/index.js'
import { generateScene, SCENE_SIZE } from '../../models/scenes/generator.js'
import { scenes } from '../cli/runCli.js'

const cells = 4

/** The model that learnt the badge, and scenes whose badge is another class's: it follows the badge. */
async function shortcut() {
  const description = JSON.parse(await readFile(scenes('scenes.json'), 'utf8'))
  return loadModel(scenes('scenes-shortcut.onnx'), {
    preprocessing: resolvePreprocessing(description.preprocessing),
    labels: description.labels,
  })
}

function misled(index: number): { image: Image; label: number; cell: number } {
  const { pixels, label, badge } = generateScene(index, { seed: 4, badge: 'other' })
  const image = Pictures.fromPixels({ width: SCENE_SIZE, height: SCENE_SIZE, channels: 3, data: pixels })
  const cellOf = (at: number) => Math.floor((at * cells) / SCENE_SIZE)
  const { x, y, width, height } = badge.box
  return { image, label, cell: cellOf(y + height / 2) * cells + cellOf(x + width / 2) }
}

test('what misled the model that learnt the badge is the badge', async t => {
  const lima = new Lima(await shortcut(), { regions: { kind: 'grid', rows: cells } })
  const cases = [0, 1, 2, 5].map(misled)
  const explained = await lima.explainErrors(
    cases.map(({ image, label }) => ({ input: image, truth: label })),
  )
  for (const [at, error] of explained.entries()) {
    t.true(error.isWrong)
    t.is(error.truth.index, cases[at]!.label)
    t.is(error.misleading[0]!.region, cases[at]!.cell)
    t.true(error.prediction.probability > 0.5)
    // Without the badge the truth is more probable than of the whole.
    t.true(error.peak!.probability > 2 * error.truth.probability)
  }
})

test('a report counts, explains what is wrong, and escapes what it is told', async t => {
  const hostile = `"><script>alert(1)</script>`
  const cases = [0, 1].map(misled)
  const right = generateScene(3, { seed: 4, badge: 'own' })
  const model = await shortcut()
  const pictures = [
    ...cases.map(({ image, label }, at) => ({
      name: at === 0 ? hostile : `scene ${at}`,
      truth: label,
      read: async () => image,
    })),
    {
      name: 'right',
      truth: model.labels![right.label]!,
      read: async () =>
        Pictures.fromPixels({ width: SCENE_SIZE, height: SCENE_SIZE, channels: 3, data: right.pixels }),
    },
  ]
  const lima = new Lima(model, { regions: { kind: 'grid', rows: 3 } })
  const report = await reportErrors(lima, pictures, { folder: hostile })
  t.is(report.pictures, 3)
  t.is(report.wrong, 2)
  t.deepEqual(
    report.errors.map(({ name }) => name),
    [hostile, 'scene 1'],
  )
  const best = report.errors.map(({ peak }) => peak!.probability)
  t.is(report.summary.highestConfidence.at(-1)!.mean, (best[0]! + best[1]!) / 2)
  t.false(report.html.includes('<script>'))
  t.is(report.html.match(/<section/g)!.length, 2)
  t.is(report.html.match(/data:image\/png;base64,/g)!.length, 6)
  t.regex(report.html, /2 of 3 predictions are wrong/)
  const one = await reportErrors(lima, pictures, { limit: 1 })
  t.is(one.errors.length, 1)
  t.is(one.wrong, 2)
  t.regex(one.html, /The first 1 of them/)
  await t.throwsAsync(reportErrors(lima, []), { code: 'INPUT_MISSING' })
})
