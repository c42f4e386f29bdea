import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test from 'ava'
import ts from 'typescript'
import { repositoryRoot } from '../oracles/repository.js'

/** What examples take from the program around them. */
const surroundings: Readonly<Record<string, string>> = {
  answer: 'string',
  authorization: 'string',
  classifier: '(batch: Tensor) => Promise<Tensor>',
  context: 'string | readonly string[]',
  direction: 'Tensor',
  dotted: 'Image[]',
  endpoint: 'LanguageEndpoint',
  examples: 'ContextRequest[]',
  image: 'Image',
  labels: 'string[]',
  method: 'IntegratedGradients',
  model: 'Model',
  onProgress: '(done: number, total: number | undefined) => void',
  output: 'string',
  prompt: 'string',
  question: 'string',
  random: 'Image[][]',
  recorded: '(id: string | undefined, layer: string | undefined) => Float32Array',
  response: 'string',
  samples: 'MetricSample[]',
  schema: 'Record<string, unknown>',
  signal: 'AbortSignal',
  striped: 'Image[]',
  text: 'string',
  x: 'Tensor',
  zebras: 'Image[]',
}

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noEmit: true,
  skipLibCheck: true,
}

/** A module in the repository's root, where `ascribe` is the package itself. */
function moduleOf(code: string): string {
  const file = ts.createSourceFile('example.ts', code, ts.ScriptTarget.ES2023, true)
  const declared = new Set<string>()
  const visit = (node: ts.Node): void => {
    if ((ts.isBindingElement(node) || ts.isVariableDeclaration(node)) && ts.isIdentifier(node.name)) {
      // What a loop or a function declares is known in it alone; examples declare the rest at the top.
      const list = node.parent.parent
      if (!ts.isForOfStatement(list.parent)) declared.add(node.name.text)
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  const given = Object.entries(surroundings).filter(([name]) => !declared.has(name))
  return `${code}\nexport {}\n${given.map(([name, type]) => `declare const ${name}: ${type.replaceAll(/\b[A-Z]\w*\b/g, word => (word in globalNames ? word : `import('ascribe').${word}`))}`).join('\n')}\n`
}

const globalNames = { Promise, Record: 0, Float32Array, AbortSignal }

const pages = [
  'README.md',
  'models/README.md',
  ...(await readdir(join(repositoryRoot, 'docs'))).flatMap(name =>
    name.endsWith('.md') ? [`docs/${name}`] : [],
  ),
]
const examples = new Map<string, string>()
for (const page of pages) {
  const text = await readFile(join(repositoryRoot, page), 'utf8')
  for (const [at, [, code]] of [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].entries())
    examples.set(join(repositoryRoot, `${page.replaceAll(/\W/g, '-')}-${at + 1}.ts`), moduleOf(code!))
}

test('every example of README.md and docs/ compiles as it stands, with strict types', t => {
  const host = ts.createCompilerHost(options)
  const { getSourceFile, fileExists, readFile: read } = host
  host.fileExists = name => examples.has(name) || fileExists(name)
  host.readFile = name => examples.get(name) ?? read(name)
  host.getSourceFile = (name, version, ...rest) => {
    const code = examples.get(name)
    return code === undefined
      ? getSourceFile(name, version, ...rest)
      : ts.createSourceFile(name, code, version)
  }
  const program = ts.createProgram({ rootNames: [...examples.keys()], options, host })
  const found = [...examples.keys()].flatMap(name =>
    [
      ...program.getSyntacticDiagnostics(program.getSourceFile(name)),
      ...program.getSemanticDiagnostics(program.getSourceFile(name)),
    ].map(
      ({ start, file, messageText }) =>
        `${name.slice(dirname(name).length + 1)}:${file!.getLineAndCharacterOfPosition(start!).line + 1} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
    ),
  )
  t.true(examples.size >= 25)
  t.deepEqual(found, [])
})
