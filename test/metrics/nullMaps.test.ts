import test from 'ava'
import { centreGaussianMap, Image, sobelMap, uniformMap } from '#lib/index.js'

test('the uniform map scores every place alike', t => {
  t.deepEqual([...uniformMap(3, 2)], [1, 1, 1, 1, 1, 1])
  t.throws(() => uniformMap(0, 2), { code: 'OPTION_RANGE' })
})

test('the centre Gaussian falls off by the distance in shares of the side', t => {
  const map = centreGaussianMap(4, 2, 0.25)
  t.is(map[1], map[2])
  t.is(map[0], map[7])
  // Centres of pixels (1, 0) and (0, 0) lie (-0.125, -0.25) and (-0.375, -0.25) from the middle.
  t.true(Math.abs(map[1]! - Math.exp(-(0.125 ** 2 + 0.25 ** 2) / 0.125)) < 1e-15)
  t.true(Math.abs(map[0]! - Math.exp(-(0.375 ** 2 + 0.25 ** 2) / 0.125)) < 1e-15)
})

test("Sobel's map is the length of the brightness gradient", t => {
  const data = Uint8Array.from({ length: 27 }, (_, at) => (Math.floor(at / 3) % 3 === 2 ? 100 : 0))
  const map = sobelMap(Image.fromPixels({ width: 3, height: 3, channels: 3, data }))
  // A step between columns 1 and 2: 4 x 100 beside it, nothing on its far side.
  for (const [at, expected] of [0, 400, 400, 0, 400, 400, 0, 400, 400].entries())
    t.true(Math.abs(map[at]! - expected) < 1e-9, `${at}: ${map[at]}`)
})
