import test from 'ava'
import {
  drawRegions,
  Image,
  makeRegions,
  type Regions,
  regionAreas,
  seedsRegions,
  slicoRegions,
  slicRegions,
} from '#lib/index.js'

/** Blobs and grain, the same everywhere: integer arithmetic alone. */
function picture(width: number, height: number): Image {
  const data = new Uint8Array(width * height * 3)
  let state = 12345
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let channel = 0; channel < 3; channel++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        const inside = (x - 90 - 30 * channel) ** 2 + (y - 110) ** 2 < 3000
        data[(y * width + x) * 3 + channel] = (inside ? 180 : 40 + Math.floor(x / 4)) + (state >>> 28)
      }
  return Image.fromPixels({ width, height, channels: 3, data })
}

/** Left half dark, right half light: the edge lies before column `edge`. */
function halves(edge: number): Image {
  const data = Uint8Array.from({ length: 224 * 224 * 3 }, (_, at) =>
    Math.floor(at / 3) % 224 < edge ? 30 : 220,
  )
  return Image.fromPixels({ width: 224, height: 224, channels: 3, data })
}

/** How many pieces (4 neighbours) each region lies in. */
function pieces({ labels, count, shape }: Regions): number[] {
  const [height, width] = shape as [number, number]
  const seen = new Uint8Array(labels.length)
  const found = new Array<number>(count).fill(0)
  for (let start = 0; start < labels.length; start++) {
    if (seen[start]) continue
    found[labels[start]!]!++
    const stack = [start]
    seen[start] = 1
    for (let pixel = stack.pop(); pixel !== undefined; pixel = stack.pop()) {
      const x = pixel % width
      const beside = [
        x > 0 ? pixel - 1 : -1,
        x < width - 1 ? pixel + 1 : -1,
        pixel - width,
        pixel + width < width * height ? pixel + width : -1,
      ]
      for (const other of beside)
        if (other >= 0 && !seen[other] && labels[other] === labels[start]) {
          seen[other] = 1
          stack.push(other)
        }
    }
  }
  return found
}

test('SLICO: sizes 30, 27, 25 and 22 give the numbers of regions of the specification', t => {
  for (const image of [picture(224, 224), halves(101)])
    t.deepEqual(
      [30, 27, 25, 22].map(size => slicoRegions(image, { size }).count),
      [49, 64, 77, 100],
    )
  t.is(makeRegions(picture(224, 224)).count, 49)
  t.deepEqual(
    [49, 64, 77, 100].map(count => makeRegions(picture(224, 224), { kind: 'slico', count }).count),
    [49, 64, 77, 100],
  )
})

test('SLICO: no region crosses an edge, wherever it lies among the seeds', t => {
  for (const edge of [70, 101, 112, 133]) {
    const { labels, count } = slicoRegions(halves(edge))
    const left = new Float64Array(count)
    for (const [pixel, label] of labels.entries()) if (pixel % 224 < edge) left[label]!++
    const areas = regionAreas(slicoRegions(halves(edge)))
    t.true(left.every((pixels, region) => pixels === 0 || pixels === areas[region]))
  }
})

test('SLICO: one colour gives the cells of the hexagonal grid; channels in another order the same regions', t => {
  const flat = Image.fromPixels({
    width: 90,
    height: 90,
    channels: 3,
    data: new Uint8Array(90 * 90 * 3).fill(99),
  })
  const { labels, count } = slicoRegions(flat, { size: 30, iterations: 1 })
  // Rows of seeds at 15, 45 and 75; in the middle one they stand at 30 and 60.
  t.is(count, 3 + 2 + 3)
  t.deepEqual(
    [0, 29, 31, 89].map(x => labels[5 * 90 + x]),
    [0, 0, 1, 2],
  )
  t.deepEqual(
    [0, 44, 46, 89].map(x => labels[45 * 90 + x]),
    [3, 3, 4, 4],
  )
  const image = picture(224, 224)
  const turned = new Uint8Array(image.data.length)
  for (let at = 0; at < turned.length; at += 3) turned.set([...image.data.subarray(at, at + 3)].reverse(), at)
  t.deepEqual(
    slicoRegions(Image.fromPixels({ width: 224, height: 224, channels: 3, data: turned })),
    slicoRegions(image),
  )
})

test('SLIC: every region is one piece, and none is smaller than a quarter of the mean', t => {
  for (const count of [25, 49, 100]) {
    const regions = slicRegions(picture(224, 224), { count })
    t.deepEqual(new Set(pieces(regions)), new Set([1]))
    t.true(Math.abs(regions.count - count) <= count / 4, `${regions.count} of ${count}`)
    t.true(regionAreas(regions).every(area => area >= Math.floor((224 * 224) / count / 4)))
  }
})

test('SLIC: great compactness gives squares', t => {
  const regions = slicRegions(picture(224, 224), { count: 49, compactness: 1e6 })
  t.is(regions.count, 49)
  t.true(regionAreas(regions).every(area => Math.abs(area - 1024) <= 70))
})

test('SEEDS: 50 asked of a square are 49, each in one piece, and an edge is followed', t => {
  const regions = seedsRegions(picture(224, 224))
  t.is(regions.count, 49)
  t.deepEqual(new Set(pieces(regions)), new Set([1]))
  const edge = 101
  const cut = seedsRegions(halves(edge))
  const left = new Float64Array(cut.count)
  for (const [pixel, label] of cut.labels.entries()) if (pixel % 224 < edge) left[label]!++
  const wrong = regionAreas(cut).reduce(
    (sum, area, region) => sum + Math.min(left[region]!, area - left[region]!),
    0,
  )
  t.is(wrong, 0)
})

test('the same picture gives the same regions; other sizes than squares are covered', t => {
  for (const [width, height] of [
    [224, 224],
    [97, 61],
    [40, 160],
  ] as const)
    for (const make of [slicoRegions, slicRegions, seedsRegions]) {
      const once = make(picture(width, height))
      t.deepEqual(make(picture(width, height)), once)
      t.deepEqual(once.shape, [height, width])
      t.true(regionAreas(once).every(area => area > 0))
      t.is(
        regionAreas(once).reduce((a, b) => a + b),
        width * height,
      )
    }
})

test('edges are drawn where a pixel differs from the one to its right or below', t => {
  const image = halves(100)
  const drawn = drawRegions(image, makeRegions(image, { kind: 'grid', rows: 2 }), [1, 2, 3])
  const isEdge = (x: number, y: number) => drawn.data[(y * 224 + x) * 3] === 1
  t.deepEqual([isEdge(111, 5), isEdge(112, 5), isEdge(5, 111), isEdge(5, 112)], [true, false, true, false])
  t.throws(() => slicoRegions(image, { size: 500 }), { code: 'OPTION_RANGE' })
  t.throws(() => slicoRegions(image, { size: 30, count: 49 }), { code: 'OPTION_RANGE' })
})
