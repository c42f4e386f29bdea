import test from 'ava'
import {
  type Attribution,
  createTensor,
  Deletion,
  type GridUnits,
  Hsic,
  Saliency,
  Sobol,
} from '#lib/index.js'
import { scoresByName } from '#lib/metrics/scoresByName.js'
import { stretch } from '#lib/report/scoreMap.js'
import { close } from '../oracles/close.js'
import { smallConvolutionNet } from '../oracles/smallConvolutionNet.js'

const picture = createTensor(
  'f32',
  [1, 3, 16, 16],
  Float32Array.from({ length: 768 }, (_, at) => Math.sin(at * 0.37) + (at % 16 > 8 ? 0.5 : 0)),
)

test('the map of the cells of a grid is judged enlarged to the pixels, as that of a layer is', async t => {
  const model = await smallConvolutionNet()
  const samples = [{ input: picture, target: 2 }]
  for (const method of [
    new Sobol(model, { grid: 4, samples: 4 }),
    new Hsic(model, { grid: 4, samples: 32, seed: 3 }),
  ]) {
    const map = await method.attribute(picture, { target: 2 })
    t.deepEqual(map.scores().shape, [4, 4])
    const values = Float64Array.from(map.scores().data as Float32Array)
    const enlarged = (await stretch({ width: 4, height: 4, values }, 16, 16)).values
    const deletion = new Deletion(model, { steps: 8 })
    const [cells, pixels] = await Promise.all(
      [method, () => enlarged].map(
        async maps => (await deletion.evaluate(samples, { maps })).samples[0]!.values,
      ),
    )
    close(t, [cells!.logit!], [pixels!.logit!], 1e-9)
  }
})

test('a map that is longer than the picture in one direction belongs to another one; one of its own size stays as it is', async t => {
  const model = await smallConvolutionNet()
  const name = model.inputs[0]!.name
  const cells = await new Sobol(model, { grid: 4, samples: 4 }).attribute(picture, { target: 2 })
  const own = await new Saliency(model).attribute(picture, { target: 2 })
  const scoresOver = async (map: Attribution, width: number, height: number) => {
    const units = { ...(own.inputs[0]!.units as GridUnits), width, height }
    return (await scoresByName(map, [name], { [name]: units })).get(name)!
  }
  t.is((await scoresOver(cells, 16, 16)).length, 256)
  t.deepEqual(await scoresOver(cells, 16, 2), cells.scores().data)
  t.deepEqual(await scoresOver(cells, 2, 16), cells.scores().data)
  t.deepEqual(await scoresOver(own, 16, 16), own.scores().data)
  t.is(own.scores().data.length, 768)
  const small = createTensor('f32', [1, 3, 2, 16], picture.data.slice(0, 96) as Float32Array)
  await t.throwsAsync(new Deletion(model).evaluate([{ input: small, target: 2, map: cells }]), {
    code: 'INPUT_SHAPE',
  })
})
