import { describeRange } from '#lib/cli/methodFlags.js'
import { operators } from '#lib/frontends/onnx/table/index.js'
import { errorCodes, methods } from '#lib/index.js'
import { native } from '#lib/native.js'
import { conformance } from './conformance.js'
import { importGiven } from './importOnnx.js'
import { operatorOf } from './onnxCases/case.js'
import { onnxCases } from './onnxCases/index.js'

const cell = (text: string): string => text.replaceAll('|', '\\|')

/** docs/errors.md */
export function errorsPage(): string {
  const rows = Object.entries(errorCodes).map(([code, meaning]) => `| \`${code}\` | ${cell(meaning)} |`)
  return [
    '# Errors',
    '',
    'Whatever goes wrong is an `AscribeError` with a stable `code`, a `message` that names the thing (node, file, option,',
    'value) and what was expected, and often a `hint` that says what to do. Programs may switch on the code; messages may',
    'change. This page is generated from `lib/errors.ts` by `node scripts/docs.js`.',
    '',
    '```ts',
    "import { AscribeError } from 'ascribe'",
    '',
    'try {',
    '  await method.attribute(image, { target: 99 })',
    '} catch (error) {',
    "  if (error instanceof AscribeError && error.code === 'TARGET_INVALID') console.error(error.message, error.hint)",
    '  else throw error',
    '}',
    '```',
    '',
    '| code | meaning |',
    '|---|---|',
    ...rows,
    '',
  ].join('\n')
}

/** docs/methods.md */
export function methodsPage(): string {
  const sections = methods.flatMap(entry => {
    const options = Object.entries(entry.options).map(
      ([name, spec]) =>
        `| \`${name}\` | ${cell(describeRange(spec))} | ${spec.default ?? 'off'} | ${cell(spec.description)} |`,
    )
    return [
      `## ${entry.name}`,
      '',
      entry.summary,
      '',
      `Source: ${entry.source}.${entry.wraps ? ' Goes around another method, `Saliency` unless told.' : ''}`,
      '',
      ...(options.length > 0
        ? ['| option | values | default | what it does |', '|---|---|---|---|', ...options]
        : ['No options.']),
      '',
    ]
  })
  return [
    '# Methods',
    '',
    'Every method is a class with one verb: `attribute(input, options)`; `attributeBatch(inputs, options)` takes a list,',
    '`stream(inputs, options)` any iterable and gives results one by one. Options are validated once, when the object is',
    'made. What is explained is a [target](targets.md); results are `Attribution`s. Marks `[unconfirmed]` stand where a',
    'paper leaves open what its code does. This page is generated from the registry by `node scripts/docs.js`.',
    '',
    'Path points, noisy copies and, in `attributeBatch`, inputs go through the model several at a time. Where its batch is',
    'fixed, it is freed if two examples together then come out as each alone, which is tried once; else passes hold what',
    'the file says and results carry the warning `BATCH_FIXED`. Examples that change each other go alone',
    '(`BATCH_INTERACTS`). `ascribe inspect` says which it is.',
    '',
    '```ts',
    "import { IntegratedGradients, loadModel, readImage, SmoothGrad } from 'ascribe'",
    '',
    "const model = await loadModel('model.onnx', { preprocessing: 'imagenet', labels: 'labels.txt' })",
    'const smooth = new SmoothGrad(new IntegratedGradients(model, { steps: 8 }), { samples: 16, seed: 1 })',
    "const attribution = await smooth.attribute(await readImage('photo.jpg'), { target: 'golden retriever' })",
    'attribution.show()',
    '```',
    '',
    ...sections,
  ].join('\n')
}

/** Every ONNX operator, with what the cases of its own show of it. */
async function operatorRows(): Promise<string[]> {
  const operations = new Map(
    native()
      .operations()
      .map(operation => [operation.name, operation]),
  )
  const rows: string[] = []
  for (const name of Object.keys(operators).sort()) {
    const cases = onnxCases.filter(({ model }) => model.nodes.some(node => operatorOf(node) === name))
    const own = cases.filter(({ model }) => model.nodes.length === 1)
    const becomes = new Set<string>()
    const results = new Set<string>()
    for (const { model } of own.length > 0 ? own : cases) {
      const { graph } = await importGiven(model)
      for (const { op } of graph.nodes) becomes.add(op)
      results.add(graph.nodes.at(-1)!.op)
      // What puts the states of the directions together is not where the work is.
      if (graph.nodes.some(({ op }) => op === 'recurrent')) results.add('recurrent')
    }
    const isControl = [...results].some(op => op === 'if' || op === 'loop')
    const found = [...results].map(op => operations.get(op)!)
    const opsets = [...new Set(cases.map(({ model }) => model.opset ?? 17))].sort((a, b) => a - b)
    const computed = isControl ? [] : found.filter(({ view }) => !view)
    const kernels = ['cpu', 'reference'].filter(backend =>
      computed.every(({ backends }) => backends.includes(backend)),
    )
    const derivative = isControl || found.every(operation => operation.derivative) ? 'yes' : 'no'
    rows.push(
      `| ${name} | ${[...becomes].map(op => `\`${op}\``).join(', ')} | ${opsets.join(', ')} | ${derivative} | ${computed.length > 0 ? kernels.join(', ') : 'none needed'} | ${cases.length} |`,
    )
  }
  return rows
}

/** docs/operators.md */
export async function operatorsPage(): Promise<string> {
  const rows = await operatorRows()
  return [
    '# Operators',
    '',
    `The ${rows.length} ONNX operators that are imported: of the default domain from operator set 6 to the newest (\`Constant\``,
    "besides), and of ONNX Runtime's own domain, `com.microsoft`, what its optimiser and quantiser write.",
    'A model with others is refused with one error that lists all of them with node names and counts',
    '(`MODEL_UNSUPPORTED_OP`). An operator counts only with its cases: they are compared with ONNX Runtime, and the',
    'operations that it becomes have cases of their own (`test/native/op_cases`), which hold every kernel to the reference',
    'in double precision and every derivative to dual numbers and central differences.',
    '',
    '- *operations*: what it becomes in the graph language, over all its cases;',
    '- *sets*: operator sets of its cases (what did not change between two sets is not repeated);',
    '- *derivative*: of the operations that give its result; comparisons, indices and shapes have none;',
    '- *kernels*: that all of those have, beside oneDNN, which takes convolutions and poolings where it is there. `none needed`: views.',
    '',
    "Models of the ONNX project's conformance suite, by folder (a test holds the numbers):",
    '',
    '| folder | passed | refused by name | failed |',
    '|---|---|---|---|',
    ...Object.entries(conformance).map(
      ([folder, { passed, refused }]) => `| \`${folder}/\` | ${passed} | ${refused} | 0 |`,
    ),
    '',
    'What is refused of `simple/` needs sequences, strings, training operators or shapes that depend on data.',
    '',
    'Control flow is put in place of its node when a model is compiled for given sizes. The branch of an `If` whose',
    'condition then is known is all that is left of it; where the condition depends on data, both branches are computed',
    'and their results, which must be of one shape, selected: a branch that is not taken may then still refuse its operands. `Loop` and `Scan` are unrolled, up to 4,096 trips: how often',
    'they run must follow from constants and shapes. Recurrent layers run over any number of steps, and are differentiated',
    'through up to 4,096 of them. Functions of the model are put in place of their calls.',
    '',
    'Quantised models compute with integers as ONNX Runtime does (at most one step off where a product is rounded), and are',
    'differentiated straight through the rounding: the derivative is that of the numbers that the integers stand for, and 0',
    'where these leave the range of the integers. It passes operators that only move quantised elements, and not others,',
    'such as a `MaxPool` of integers (the result then says `NOT_CONNECTED`).',
    '',
    'Inputs whose contents are read as shapes, axes, sizes or counts may be inputs of the model too: a plan is compiled for',
    'the contents given. Methods explain the other inputs, and need these to be constants.',
    '',
    'Of the cases that the `onnx` package (1.23) generates, with operands such as axes made constants as exports have them,',
    '1,333 of 1,546 pass (86.2 %), 207 are refused by name and 6 fail: four in bfloat16, which is computed in single precision',
    'here, and two of a `Resize` that shrinks with aligned corners, where ONNX Runtime gives what ascribe gives. With the models',
    'as they are, 1,176 pass (76 %). Left out are element types that the graph language lacks (16-bit and unsigned 32- and',
    '64-bit integers among them, some 70 cases), texts, sequences and other domains',
    '(`node build/ts/bench/onnxCases.bench.js --folder FOLDER --table`, the folder filled by `bench/onnx-cases/convert.py`).',
    '',
    'Derivatives of models are those of their operations; `ascribe verify MODEL` compares every value of a model with',
    'ONNX Runtime.',
    '',
    'This page is generated from the import table and its cases by `node scripts/docs.js`.',
    '',
    '| ONNX operator | operations | sets | derivative | kernels | cases |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}
