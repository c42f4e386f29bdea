import { readFile, writeFile } from 'node:fs/promises'
import test from 'ava'
import fc from 'fast-check'
import sharp from 'sharp'
import { Attribution } from '#lib/attribution/attribution.js'
import { readNpy } from '#lib/data/npy.js'
import { resolvePreprocessing } from '#lib/data/preprocessing.js'
import { createTensor } from '#lib/data/tensor.js'
import { AscribeError } from '#lib/errors.js'
import { exampleMetadata, pictureAttribution, textAttribution } from '../oracles/exampleAttribution.js'
import { pillowPixels } from '../oracles/pillowPixels.js'
import { temporaryFolder } from '../oracles/temporaryFolder.js'

test('save, load, save: equal bytes; and everything is there again', async t => {
  const folder = await temporaryFolder(t)
  const withPreprocessing = pictureAttribution({ preprocessing: resolvePreprocessing('clip') })
  for (const attribution of [
    withPreprocessing,
    textAttribution(),
    withPreprocessing.aggregate('l2').normalize(),
  ]) {
    await attribution.save(`${folder}/a.json`)
    const loaded = await Attribution.load(`${folder}/a.json`)
    await loaded.save(`${folder}/b.json`)
    t.true((await readFile(`${folder}/a.json`)).equals(await readFile(`${folder}/b.json`)))
    t.deepEqual(
      loaded.inputs.map(input => input.scores),
      attribution.inputs.map(input => input.scores),
    )
    t.deepEqual(
      loaded.inputs.map(input => input.units),
      attribution.inputs.map(input => input.units),
    )
    for (const key of [
      'model',
      'preprocessing',
      'targets',
      'checks',
      'method',
      'cost',
      'environment',
      'processing',
    ] as const)
      t.deepEqual(loaded[key], attribution[key], key)
    t.is(await loaded.toHtml(), await attribution.toHtml())
  }
})

test('any scores, NaN payloads included, come back bit by bit', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.float64Array({ maxLength: 20 }),
      fc.jsonValue(),
      fc.string({ unit: 'binary' }),
      async (data, option, label) => {
        const attribution = new Attribution({
          ...exampleMetadata,
          target: { description: label },
          method: { name: 'x', options: { option } },
          inputs: [
            {
              name: label,
              units: { kind: 'tensor', shape: [data.length] },
              scores: createTensor('f64', [data.length], new Float64Array(data)),
            },
          ],
        })
        const text = await attribution.toJson()
        const loaded = await Attribution.parse(text)
        t.is(await loaded.toJson(), text)
        t.deepEqual(Buffer.from(loaded.scores().data.buffer), Buffer.from(new Float64Array(data).buffer))
      },
    ),
    { numRuns: 100 },
  )
})

test('a newer schema is refused by its number, an unknown kind of file by its format', async t => {
  const saved = JSON.parse(await pictureAttribution().toJson())
  await t.throwsAsync(Attribution.parse(JSON.stringify({ ...saved, schemaVersion: 2 })), {
    code: 'FILE_VERSION',
    message: /schema version 2 is not known; this library knows 1 to 1/,
  })
  await t.throwsAsync(Attribution.parse('{}'), { code: 'FILE_CORRUPT' })
  await t.throwsAsync(Attribution.parse('[1'), { code: 'FILE_CORRUPT' })
})

test('what does not fit together is refused with its place', async t => {
  const saved = JSON.parse(await pictureAttribution().toJson())
  const refused = async (change: (copy: typeof saved) => void, message: RegExp): Promise<void> => {
    const copy = structuredClone(saved)
    change(copy)
    await t.throwsAsync(Attribution.parse(JSON.stringify(copy), 'a.json'), { code: 'FILE_CORRUPT', message })
  }
  await refused(copy => (copy.inputs[0].scores.shape = [1, 3, 2, 5]), /needs 120 bytes, 96 are there/)
  await refused(copy => (copy.inputs[0].scores.shape = [2 ** 40, 2 ** 40]), /too many elements/)
  await refused(copy => (copy.inputs[0].scores.data += '!'), /is not base64/)
  await refused(copy => (copy.inputs[0].units.height = 3), /its units say \[1, 3, 3, 4\]/)
  await refused(copy => (copy.inputs[0].units.kind = 'regions'), /units\.kind/)
  await refused(copy => (copy.inputs[0].units.placement.width = 0), /above 0/)
  await refused(copy => (copy.inputs[0].picture = 'AAAA'), /PNG/)
  await refused(copy => (copy.warnings = [3]), /warnings\[0\]/)
  await refused(copy => (copy.surprise = 1), /surprise/)
  await refused(copy => delete copy.cost, /cost/)
})

test('no damage to a file does anything but fail with an AscribeError, or load', async t => {
  const text = await textAttribution().toJson()
  await fc.assert(
    fc.asyncProperty(
      fc.nat(text.length - 1),
      fc.nat(5),
      fc.constantFrom('', '"', '-', '1e999', '{', '[', 'null'),
      async (at, removed, inserted) => {
        const damaged = text.slice(0, at) + inserted + text.slice(at + removed)
        try {
          await Attribution.parse(damaged)
        } catch (error) {
          t.true(
            error instanceof AscribeError && ['FILE_CORRUPT', 'FILE_VERSION'].includes(error.code),
            String(error),
          )
        }
      },
    ),
    { numRuns: 500 },
  )
})

test('a hostile property name stays a name', async t => {
  const saved = JSON.parse(await pictureAttribution().toJson())
  const text = JSON.stringify(saved).replace('"steps":50', '"__proto__":{"polluted":true}')
  const loaded = await Attribution.parse(text)
  t.is(({} as { polluted?: boolean }).polluted, undefined)
  t.deepEqual(Object.keys(loaded.method.options), ['__proto__', 'quadrature'])
})

test('a large picture is kept as a copy of 1024 pixels; its scores stay where they were', async t => {
  const inputs = pictureAttribution().inputs.map(input => ({
    ...input,
    units: {
      ...(input.units as object),
      placement: { sourceWidth: 2048, sourceHeight: 2, left: 0, top: 0, width: 2048, height: 2 },
    } as never,
    picture: pillowPixels(2048, 2),
  }))
  const overlay = await pictureAttribution({ inputs }).toOverlay()
  t.like(await sharp(overlay).metadata(), { width: 1024, height: 1 })
})

test('the name decides the kind of file', async t => {
  const folder = await temporaryFolder(t)
  const attribution = pictureAttribution()
  for (const extension of ['png', 'svg', 'html', 'json', 'npy'])
    await attribution.save(`${folder}/a.${extension}`)
  t.deepEqual(await readNpy(`${folder}/a.npy`), attribution.scores())
  t.like(await sharp(`${folder}/a.png`).metadata(), { width: 8, height: 6, channels: 3 })
  t.true((await readFile(`${folder}/a.png`)).equals(await attribution.toOverlay()))
  t.like(await sharp(await attribution.toPng()).metadata(), { width: 8, height: 6 })
  await t.throwsAsync(attribution.save(`${folder}/a.gif`), { code: 'OPTION_RANGE', message: /\.html/ })
  await t.throwsAsync(attribution.save(`${folder}/none/a.png`), { code: 'FILE_WRITE' })
  await writeFile(`${folder}/x.json`, 'x')
  await t.throwsAsync(Attribution.load(`${folder}/x.json`), { code: 'FILE_CORRUPT', message: /x\.json/ })
})

test('what has no picture says so; a map without a picture is enlarged', async t => {
  const text = textAttribution().slice(0)
  await t.throwsAsync(text.toPng({ input: 'embeddings' }), {
    code: 'REPRESENTATION_UNSUPPORTED',
    message: /tokens/,
  })
  await t.throwsAsync(text.toOverlay({ input: 'mask' }), { code: 'REPRESENTATION_UNSUPPORTED' })
  t.like(await sharp(await text.toPng({ input: 'mask', minimumSize: 30 })).metadata(), {
    width: 30,
    height: 20,
  })
  await t.throwsAsync(textAttribution().toPng({ input: 'mask' }), {
    code: 'OPTION_RANGE',
    message: /2 targets/,
  })
  t.throws(() => text.toNpy(), { code: 'OPTION_RANGE', message: /2 inputs/ })
  t.throws(() => text.scores('other'), { code: 'OPTION_RANGE', message: /embeddings, mask/ })
  await t.throwsAsync(text.toPng({ percentil: 3 } as never), { code: 'OPTION_UNKNOWN' })
})
