// The fallback of a machine with a compiler but no CMake (an ordinary user who may not install packages): the same
// rooms, the same flags, one compiler call a file. Backend libraries need CMake.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'

const rooms = ['graph', 'ops', 'autodiff', 'kernels', 'runtime', 'numerics', 'methods', 'addon']
const notCore = /native\/kernels\/(onednn|cuda)\//
const isaFlags = [
  [/_avx2\.cpp$/, ['-mavx2', '-mfma', '-mf16c']],
  [
    /_avx512\.cpp$/,
    ['-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mfma', '-mf16c', '-mprefer-vector-width=512'],
  ],
  [
    /_avx512vnni\.cpp$/,
    [
      '-mavx512f',
      '-mavx512bw',
      '-mavx512dq',
      '-mavx512vl',
      '-mavx512vnni',
      '-mfma',
      '-mf16c',
      '-mprefer-vector-width=512',
    ],
  ],
  [
    /_avx512bf16\.cpp$/,
    [
      '-mavx512f',
      '-mavx512bw',
      '-mavx512dq',
      '-mavx512vl',
      '-mavx512bf16',
      '-mfma',
      '-mf16c',
      '-mprefer-vector-width=512',
    ],
  ],
]

function sources(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const full = path.join(folder, entry.name)
    if (entry.isDirectory()) return sources(full)
    return entry.name.endsWith('.cpp') && !notCore.test(full) ? [full] : []
  })
}

function newestHeader(folder) {
  return Math.max(
    0,
    ...readdirSync(folder, { recursive: true })
      .filter(name => name.endsWith('.h') || name.endsWith('.inc'))
      .map(name => statSync(path.join(folder, name)).mtimeMs),
  )
}

export async function buildWithoutCMake(root, output) {
  const compiler = ['g++', 'c++', 'clang++'].find(
    name => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0,
  )
  if (!compiler) throw new Error('no C++ compiler found: install g++ (Debian: apt-get install g++)')
  const objects = path.join(output, 'objects')
  mkdirSync(objects, { recursive: true })
  const modules = path.join(root, 'node_modules')
  const common = [
    '-std=c++20',
    '-O3',
    '-DNDEBUG',
    '-fPIC',
    '-fvisibility=hidden',
    '-fvisibility-inlines-hidden',
    '-fno-math-errno',
    '-ffp-contract=off',
    '-pthread',
    '-DNAPI_VERSION=9',
    '-DNAPI_CPP_EXCEPTIONS',
    '-DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
    `-I${path.join(root, 'native')}`,
    `-isystem${path.join(modules, 'node-api-headers', 'include')}`,
    `-isystem${path.join(modules, 'node-addon-api')}`,
  ]
  const headers = newestHeader(path.join(root, 'native'))
  const files = rooms.flatMap(room => sources(path.join(root, 'native', room)))
  const queue = files.map(file => {
    const object = path.join(objects, `${path.relative(root, file).replaceAll('/', '__')}.o`)
    const fresh = existsSync(object) && statSync(object).mtimeMs > Math.max(statSync(file).mtimeMs, headers)
    const isa =
      process.arch === 'x64'
        ? isaFlags.filter(([pattern]) => pattern.test(file)).flatMap(([, flags]) => flags)
        : []
    return { file, object, fresh, isa }
  })
  const todo = queue.filter(entry => !entry.fresh)
  let next = 0
  const worker = async () => {
    for (let index = next++; index < todo.length; index = next++) {
      const { file, object, isa } = todo[index]
      process.stdout.write(`[${index + 1}/${todo.length}] ${path.relative(root, file)}\n`)
      await new Promise((resolve, reject) => {
        const child = spawn(compiler, [...common, ...isa, '-c', file, '-o', object], { stdio: 'inherit' })
        child.once('error', reject)
        child.once('exit', code => (code === 0 ? resolve() : reject(new Error(`${file} does not compile`))))
      })
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  const linked = spawnSync(
    compiler,
    [
      '-shared',
      '-pthread',
      '-Wl,-z,nodelete',
      '-o',
      path.join(output, 'ascribe.node'),
      ...queue.map(entry => entry.object),
      '-ldl',
    ],
    { stdio: 'inherit' },
  )
  if (linked.status !== 0) throw new Error('the addon does not link')
}
