#!/usr/bin/env node
// Packs the project, installs the tarball into an empty project and runs one attribution from ESM and one from
// CommonJS, and `ascribe doctor`. As root it does so with libdnnl, libgomp and libOpenCL of the system hidden (in a
// mount namespace of its own), so that what travels in the package must do. Ends with "N passed, N failed".
import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const folder = mkdtempSync(path.join(tmpdir(), 'ascribe-package-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
let [passed, failed] = [0, 0]

function attempt(name, command, args, check = () => true) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: folder, encoding: 'utf8' })
  const isGood = status === 0 && check(stdout, stderr)
  console.log(`${isGood ? 'ok' : 'FAILED'}  ${name}`)
  if (!isGood) console.log(stdout, stderr)
  if (isGood) passed++
  else failed++
  return isGood
}

if (
  spawnSync(process.execPath, [path.join(root, 'scripts/package.js')], { cwd: root, stdio: 'inherit' })
    .status !== 0
)
  process.exit(1)
const tarball = readdirSync(root)
  .filter(name => /^ascribe-.*\.tgz$/.test(name))
  .sort()
  .at(-1)
copyFileSync(path.join(root, tarball), path.join(folder, tarball))
copyFileSync(path.join(root, 'models/scenes-sound.onnx'), path.join(folder, 'model.onnx'))
writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n')

const body = `
  const model = await loadModel('model.onnx')
  const data = Float32Array.from({ length: 49152 }, (_, at) => Math.sin(at * 0.01))
  const method = new IntegratedGradients(model, { steps: 16 })
  const { checks, environment } = await method.attribute({ dtype: 'f32', shape: [1, 3, 128, 128], data })
  console.log(JSON.stringify({ relative: checks.completeness[0].relative, versions: environment.versions }))
`
writeFileSync(
  path.join(folder, 'esm.mjs'),
  `import { IntegratedGradients, loadModel } from 'ascribe'\n${body}`,
)
writeFileSync(
  path.join(folder, 'commonjs.cjs'),
  `const { IntegratedGradients, loadModel } = require('ascribe')\nvoid (async () => {${body}})()\n`,
)
attempt('installs without scripts and without a compiler', 'npm', [
  'install',
  '--ignore-scripts',
  '--no-audit',
  '--no-fund',
  `./${tarball}`,
])

/** The command inside a mount namespace in which the system's own copies of these libraries are empty files. */
function hidden(command) {
  const listed = spawnSync('ldconfig', ['-p'], { encoding: 'utf8' }).stdout ?? ''
  const files = [...listed.matchAll(/lib(?:dnnl|gomp|OpenCL)\.so\S* .*=> (\S+)/g)].map(match => match[1])
  const masks = [...new Set(files)].map(file => `mount --bind /dev/null ${file}`).join(' && ')
  return ['unshare', ['--mount', 'sh', '-c', `${masks || 'true'} && exec ${command}`]]
}
const canHide = process.getuid?.() === 0 && spawnSync('unshare', ['--mount', 'true']).status === 0
if (!canHide) console.log('not root, or no namespaces: the libraries of the system stay in sight')
const node = command =>
  canHide ? hidden(`${process.execPath} ${command}`) : [process.execPath, command.split(' ')]
const hasBackend = existsSync(path.join(root, 'build/Release/libascribe_onednn.so'))
const isExplained = (stdout, stderr) => JSON.parse(stdout).relative < 0.05 && stderr === ''
attempt('ESM: one attribution', ...node('esm.mjs'), isExplained)
attempt('CommonJS: one attribution, without a warning', ...node('commonjs.cjs'), isExplained)
attempt(
  `doctor finds ${hasBackend ? 'the oneDNN backend of the package' : 'the kernels'}`,
  ...node('node_modules/.bin/ascribe doctor --json'),
  stdout => {
    const { backends } = JSON.parse(stdout)
    const found = backends.find(({ name }) => name === (hasBackend ? 'onednn' : 'cpu'))
    return found?.available === true
  },
)
// The tokenizer of a checkpoint runs in a thread of its own, opened by the name of its file.
cpSync(path.join(root, 'models/keys-transformer'), path.join(folder, 'keys-transformer'), { recursive: true })
attempt(
  'generate: a checkpoint with its tokenizer',
  ...node('node_modules/.bin/ascribe generate keys-transformer --prompt=the --maximum-tokens 3'),
)
writeFileSync(
  path.join(folder, 'types.mts'),
  `import { IntegratedGradients, type Model } from 'ascribe'
import { AttnLrp } from 'ascribe/relevance'
export const steps = (model: Model) => [new IntegratedGradients(model, { steps: 16 }), new AttnLrp(model)]
`,
)
attempt('types: everything they name is there', process.execPath, [
  path.join(root, 'node_modules/typescript/bin/tsc'),
  ...[
    '--noEmit',
    '--strict',
    '--target',
    'es2023',
    '--module',
    'nodenext',
    '--lib',
    'es2023,esnext.disposable',
  ],
  ...['--types', 'node', '--typeRoots', path.join(root, 'node_modules/@types')],
  'types.mts',
])
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
