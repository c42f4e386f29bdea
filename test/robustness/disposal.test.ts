import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import {
  AscribeError,
  FeatureAblation,
  LeaveOneOut,
  Lime,
  loadModel,
  RawAttention,
  Saliency,
} from '#lib/index.js'
import { repositoryRoot } from '../oracles/repository.js'
import { runProgram } from '../oracles/runProgram.js'

test('a model that goes takes all its native memory with it', async t => {
  const { code, stdout, stderr } = await runProgram('disposeAll')
  t.is(code, 0, stderr)
  const bytes = JSON.parse(stdout) as number[]
  t.log(bytes)
  for (let round = 0; round < 3; round++) {
    const [before, within, after] = bytes.slice(3 * round) as [number, number, number]
    t.true(within > before + 100_000, 'the plans hold their weights')
    t.is(after, before)
  }
})

test('a model that goes while methods run leaves them a result or an AscribeError, wherever they are', async t => {
  const shape = [1, 5, 16]
  const input = {
    dtype: 'f32' as const,
    shape,
    data: Float32Array.from({ length: 80 }, (_, i) => Math.sin(i)),
  }
  const codes = new Set<string>()
  for (let ticks = 0; ticks < 60; ticks++) {
    const model = await loadModel(join(repositoryRoot, 'test/fixtures/exports/vit-trace-17.onnx'))
    const runs = [Saliency, RawAttention, LeaveOneOut, Lime, FeatureAblation].map(async Method => {
      try {
        await new Method(model).attribute(input, { target: 0 })
      } catch (error) {
        t.true(error instanceof AscribeError, `${Method.name}: ${(error as Error).stack}`)
        codes.add((error as AscribeError).code)
      }
    })
    await setTimeout(ticks / 2)
    model.dispose()
    await Promise.all(runs)
  }
  t.deepEqual([...codes], ['HANDLE_DISPOSED'])
})
