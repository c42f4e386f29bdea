import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { repositoryRoot } from '../../oracles/repository.js'

/** The kernels of the GPU, run block by block on the host: what they compute is the same. */
const emulation = join(repositoryRoot, 'build/cmake/libascribe_cuda_emulation.so')

test('maps from the CUDA device are those of the CPU, and the same every time', t => {
  if (!existsSync(emulation)) {
    t.log(`skipped: ${emulation} was not built`)
    t.pass()
    return
  }
  // A process of its own: a backend is opened once.
  const program = fileURLToPath(new URL('../../robustness/programs/onCuda.js', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], {
    encoding: 'utf8',
    env: { ...process.env, ASCRIBE_CUDA_BACKEND: emulation },
  })
  t.is(status, 0, stderr)
  const lines = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { name: string; device: string; difference: number; repeats: boolean })
  t.is(lines.length, 7)
  for (const { name, device, difference, repeats } of lines) {
    t.is(device, 'cuda:0', name)
    t.true(difference <= 1e-4, `${name}: ${difference}`)
    t.true(repeats, name)
  }
})
