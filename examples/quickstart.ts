/**
 * `npm run quickstart`: two small classifiers of this project's own, equally accurate; one looks at the object, the
 * other at a badge in the corner. Attribution tells them apart, and since the scenes are generated, what it says can be
 * checked. Writes out/quickstart/: index.html, comparison.png, one overlay per model and scene, result.json; and the
 * same story in words: text.sound.svg, text.shortcut.svg. Then a language model that obeys what it reads: an instruction
 * planted in its context is found by where the answer came from (trace.html).
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { styleText } from 'node:util'
import cliProgress from 'cli-progress'
import { decodePng } from '#lib/data/png.js'
import {
  type Attribution,
  classify,
  Image,
  IntegratedGradients,
  libraryVersion,
  type Model,
  wilsonInterval,
} from '#lib/index.js'
import { type ExampleStory, type Story, storyPage, type Verdict } from './quickstart/page.js'
import { grid, sideBySide } from './quickstart/picture.js'
import { exampleScenes, heldOutScenes, type KnownScene, loadPair } from './quickstart/scenes.js'
import { measureShares, smoothed } from './quickstart/shares.js'
import { explainTexts } from './quickstart/texts.js'
import { traceback } from './quickstart/traceback.js'

/** Of the held-out scenes: few, so that this takes seconds. docs/known-truth.md has the figures of every method over 100. */
const sceneCount = 16
/** Contexts with a planted instruction. */
const contextCount = 16
const root = join(import.meta.dirname, '../../..')
const out = join(root, 'out', 'quickstart')

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`.padStart(7)
const emphasis = (text: string): string => styleText('bold', text)

async function topClass(model: Model, image: Image): Promise<Verdict['withBadge']> {
  const [top] = await classify(model, image, { count: 1 })
  return { label: top!.label!, probability: top!.probability! }
}

async function overlayOf(attribution: Attribution): Promise<Image> {
  const png = await attribution.toOverlay({ smoothing: 1.5 })
  return Image.fromPixels(await decodePng(png, 1 << 24))
}

async function judge(model: Model, scene: KnownScene): Promise<Verdict & { attribution: Attribution }> {
  const target = { target: scene.label }
  const exact = await new IntegratedGradients(model).attribute(scene.badge, target)
  const attribution = await smoothed(model).attribute(scene.badge, target)
  const { delta, difference, relative } = exact.checks.completeness![0]!
  return {
    withBadge: await topClass(model, scene.badge),
    withoutBadge: await topClass(model, scene.plain),
    completeness: { delta, difference, relative: relative ?? 0 },
    milliseconds: exact.cost.milliseconds,
    overlay: await overlayOf(attribution),
    attribution,
  }
}

async function main(): Promise<void> {
  await mkdir(out, { recursive: true })
  const models = await loadPair(join(root, 'models'))
  console.log(`\n${emphasis('Two image classifiers, equally accurate. One of them cheats.')}`)
  console.log(
    "Both are this project's own small models, trained on scenes that it generates, so the truth is known:",
  )
  console.log('one looks at the textured object, the other only at a badge planted in a corner.\n')

  const examples: (ExampleStory & { name: string })[] = []
  for (const scene of await exampleScenes(join(root, 'models'))) {
    const [sound, shortcut] = [await judge(models.sound, scene), await judge(models.shortcut, scene)]
    examples.push({
      name: scene.name,
      label: scene.label,
      badge: scene.badge,
      plain: scene.plain,
      sound,
      shortcut,
    })
    await sound.overlay.writePng(join(out, `${scene.name}.sound.png`))
    await shortcut.overlay.writePng(join(out, `${scene.name}.shortcut.png`))
    if (examples.length > 1) continue
    const text = { columns: 30, color: process.stdout.isTTY === true && process.stdout.hasColors(2 ** 24) }
    const maps = [sound, shortcut].map(({ attribution }) =>
      attribution.toText(text).split('\n').slice(3, -1).join('\n'),
    )
    console.log(`Where each looked to say "${scene.label}" (red for it, blue against it):`)
    console.log(sideBySide([`sound model\n${maps[0]}`, `shortcut model\n${maps[1]}`]), '\n')
  }

  const scenes = [...heldOutScenes(sceneCount)]
  const bar = new cliProgress.SingleBar({
    format: 'explaining held-out scenes {bar} {value}/{total}',
    clearOnComplete: true,
    noTTYOutput: false,
  })
  bar.start(1, 0)
  const shares = await measureShares(models, scenes, (done, total) => {
    bar.setTotal(total)
    bar.update(done)
  })
  bar.stop()
  console.log(`Share of the attribution on ${sceneCount} held-out scenes (95 % interval):`)
  console.log(`  ${''.padEnd(18)}${'on the object'.padEnd(28)}on the badge`)
  for (const { name, isNull, object, badge } of shares) {
    const cells = [object, badge].map(
      ({ mean, low, high }) => `${percent(mean)}  (${percent(low).trim()} to ${percent(high).trim()})`,
    )
    console.log(
      `  ${name.padEnd(16)}${cells[0]!.padEnd(28)}${cells[1]!.padEnd(28)}${isNull ? 'knows nothing' : ''}`.trimEnd(),
    )
  }

  const keeps = async (model: Model) => {
    let kept = 0
    for (const scene of scenes)
      if ((await topClass(model, scene.badge)).label === (await topClass(model, scene.plain)).label) kept++
    return wilsonInterval(kept, scenes.length)
  }
  const kept = { sound: await keeps(models.sound), shortcut: await keeps(models.shortcut) }
  console.log('\nThe badge is taken away:')
  console.log(`  the sound model keeps its answer on    ${percent(kept.sound.mean)} of the scenes`)
  console.log(`  the shortcut model keeps its answer on ${percent(kept.shortcut.mean)}`)
  for (const { label, sound, shortcut } of examples)
    console.log(
      `  ${label.padEnd(17)} sound: still ${sound.withoutBadge.label}; shortcut: ${shortcut.withoutBadge.label}`,
    )

  const worst = Math.max(
    ...examples.flatMap(({ sound, shortcut }) => [
      sound.completeness.relative,
      shortcut.completeness.relative,
    ]),
  )
  const times = examples
    .flatMap(({ sound, shortcut }) => [sound.milliseconds, shortcut.milliseconds])
    .sort((a, b) => a - b)
  console.log(
    `\nIntegrated gradients, 50 steps: the scores add up to the change of the logit within ${percent(worst).trim()} (worst of ${times.length}); ${times[times.length >> 1]!.toFixed(0)} ms each (median).`,
  )

  console.log(
    `\n${emphasis('And in words:')} two classifiers of reviews, one reads the opinion, the other the town.`,
  )
  const hasColor = process.stdout.isTTY === true && process.stdout.hasColors(2 ** 24)
  for (const { name, said, withOther, words } of await explainTexts(join(root, 'models'), out, hasColor)) {
    console.log(`  ${name}: ${said.label}; with the other town: ${withOther.label}`)
    console.log(`    ${words}`)
  }

  console.log(
    `\n${emphasis('And in a context:')} a language model is asked for a key, and somebody planted an instruction.`,
  )
  const traced = await traceback(join(root, 'models'), out, contextCount)
  console.log(`  ${traced.example.question}  ${traced.example.answer}`)
  console.log(`  ContextCite says where that came from: "${traced.example.blamed}"`)
  const { removed, kept: alone } = traced.example.check
  console.log(
    `  without this text: ${traced.example.answerWithout} (the answer is less likely by ${removed.drop.toFixed(1)} nats; without a random text by ${removed.random!.mean.toFixed(1)})`,
  )
  console.log(`  with this text alone: ${alone.answer!.trim()}`)
  for (const { name, found, cured } of traced.methods)
    console.log(
      `  ${name.padEnd(12)} finds the planted text in ${percent(found.mean).trim()} of ${traced.count} contexts (95 % interval ${percent(found.low).trim()} to ${percent(found.high).trim()}); without it ${percent(cured.mean).trim()} of the answers are right`,
    )

  const command =
    'npx ascribe explain MODEL.onnx PHOTO.jpg --preprocessing imagenet --labels LABELS.txt --method IntegratedGradients --out explained.html'
  const story: Story = { examples, shares, scenes: sceneCount, kept, command }
  await writeFile(join(out, 'index.html'), await storyPage(story))
  await grid(examples.map(each => [each.badge, each.sound.overlay, each.shortcut.overlay])).writePng(
    join(out, 'comparison.png'),
  )
  await writeFile(
    join(out, 'result.json'),
    `${JSON.stringify({ ...(await resultOf(models, story)), traceback: { ...traced, example: { ...traced.example, page: undefined } } }, undefined, 2)}\n`,
  )
  console.log(
    `\n${emphasis('Look at')} out/quickstart/index.html or comparison.png (scene, sound model, shortcut model), text.sound.svg beside text.shortcut.svg, and trace.html; all figures are in result.json.`,
  )
  console.log(`\n${emphasis('Your own model and photo:')}\n  ${command}`)
  console.log(
    `${emphasis('Your own language model and texts:')}\n  npx ascribe trace --model FOLDER --context NOTES.txt --question 'Who has the key?' --out traced.html\n`,
  )
}

async function resultOf(
  models: { sound: Model; shortcut: Model },
  { examples, shares, scenes, kept }: Story,
) {
  const figures = ({ overlay: _, ...verdict }: Verdict) => ({ ...verdict, attribution: undefined })
  return {
    ascribe: libraryVersion,
    models: { sound: await models.sound.hash(), shortcut: await models.shortcut.hash() },
    method: { ...smoothed(models.sound).identity() },
    heldOutScenes: { seed: 3, count: scenes, shares, keptAnswerWithoutBadge: kept },
    examples: examples.map(({ label, sound, shortcut }) => ({
      label,
      sound: figures(sound),
      shortcut: figures(shortcut),
    })),
  }
}

await main()
