/**
 * How long from `import` to the first attribution, in a new process on a warm disk, and where does the time go?
 *
 *   node build/ts/bench/startup.bench.js [--quick] [--package FOLDER]
 *
 * `--package` takes an installed package (`node_modules/ascribe` of a root where the tarball was installed); else this
 * checkout's build is bundled as the package is.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { flags, printTable, quick, randomFloats } from './harness.js'
import { squeezenet } from './models/squeezenet.js'

const folder = mkdtempSync(join(tmpdir(), 'ascribe-startup-'))
const checkout = join(import.meta.dirname, '../../..')
const root = flags.package ?? folder
const stages = ['import', 'load', 'first attribution', 'second attribution']
try {
  if (flags.package === undefined) {
    mkdirSync(join(folder, 'dist'))
    for (const name of ['build', 'prebuilds', 'node_modules', 'package.json'].filter(name =>
      existsSync(join(checkout, name)),
    ))
      symlinkSync(join(checkout, name), join(folder, name))
    const { bundle } = await import(pathToFileURL(join(checkout, 'scripts/bundle.js')).href)
    await bundle(join(checkout, 'dist'), join(folder, 'dist'))
  }
  writeFileSync(join(folder, 'squeezenet.onnx'), squeezenet())
  writeFileSync(join(folder, 'x.f32'), randomFloats(3 * 224 * 224))
  writeFileSync(
    join(folder, 'start.mjs'),
    `import { readFileSync } from 'node:fs'
const at = [performance.now()]
const { loadModel, Saliency } = await import(${JSON.stringify(pathToFileURL(join(root, 'dist/index.js')).href)})
at.push(performance.now())
const model = await loadModel(${JSON.stringify(join(folder, 'squeezenet.onnx'))})
at.push(performance.now())
const data = new Float32Array(Uint8Array.from(readFileSync(${JSON.stringify(join(folder, 'x.f32'))})).buffer)
for (let i = 0; i < 2; ++i) {
  await new Saliency(model).attribute({ dtype: 'f32', shape: [1, 3, 224, 224], data }, { target: 7 })
  at.push(performance.now())
}
console.log(JSON.stringify(at))
`,
  )
  const runs: number[][] = []
  for (let i = 0; i < (quick ? 2 : 9); ++i) {
    const at = JSON.parse(
      execFileSync(process.execPath, [join(folder, 'start.mjs')], { encoding: 'utf8' }),
    ) as number[]
    // The first start warms the disk.
    if (i > 0) runs.push([...at.slice(1).map((time, stage) => time - at[stage]!), at[3]! - at[0]!])
  }
  const middle = (stage: number) => runs.map(run => run[stage]!).sort((a, b) => a - b)[runs.length >> 1]!
  console.log(`milliseconds, medians of ${runs.length} processes, SqueezeNet`)
  printTable(
    ['stage', 'ms'],
    [...stages, 'import to first attribution'].map((stage, at) => [stage, middle(at).toFixed(0)]),
  )
} finally {
  rmSync(folder, { recursive: true })
}
