import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { operators } from '#lib/frontends/onnx/table/index.js'
import { native } from '#lib/native.js'
import { conformance } from './conformance.js'
import { importGiven } from './importOnnx.js'
import { operatorOf } from './onnxCases/case.js'
import { onnxCases } from './onnxCases/index.js'
import { recordedCases } from './onnxCases/recorded.js'
import { repositoryRoot } from './repository.js'

/** Every ONNX operator, with what the cases of its own show of it. */
async function operatorRows(): Promise<string[]> {
  const operations = new Map(
    native()
      .operations()
      .map(operation => [operation.name, operation]),
  )
  const rows: string[] = []
  for (const name of Object.keys(operators).sort()) {
    const cases = [...onnxCases, ...recordedCases].filter(({ model }) =>
      model.nodes.some(node => operatorOf(node) === name),
    )
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

/** What became of the cases of the onnx package, as bench/onnxCases.bench.ts recorded it. */
async function packageCases(): Promise<string[]> {
  const { counts, operators, reasons } = JSON.parse(
    await readFile(join(repositoryRoot, 'bench/onnx-cases/results.json'), 'utf8'),
  ) as {
    counts: Record<string, number>
    operators: [string, number, number, number, number][]
    reasons: [string, string, string][]
  }
  const { passed = 0, refused = 0, failed = 0 } = counts
  const inScope = passed + refused + failed
  const incomplete = operators.filter(([, , no, bad]) => no > 0 || bad > 0)
  return [
    `Of the cases that the \`onnx\` package (1.23.1) generates, ${passed} of ${inScope} pass (${((100 * passed) / inScope).toFixed(1)} %), ${refused} are refused by name and`,
    `${failed} fail. Out of scope (${counts['out of scope']}) are element types that the graph language lacks (16-bit and unsigned 32- and 64-bit`,
    'integers, 8-bit and smaller floats, complex numbers), texts, sequences, random operators and other domains',
    '(`node build/ts/bench/onnxCases.bench.js --folder FOLDER --record`, the folder filled by `bench/onnx-cases/convert.py`).',
    'The failures: bfloat16 is computed in single precision here and rounded once, where the expected values are rounded after',
    'every step; a `Resize` that shrinks with aligned corners gives what ONNX Runtime gives.',
    '',
    '| case | outcome | why |',
    '|---|---|---|',
    ...reasons.map(([kind, name, why]) => `| \`${name}\` | ${kind} | ${why.replaceAll('|', '\\|')} |`),
    '',
    `Every case in scope passes of ${operators.filter(row => !incomplete.includes(row) && row[1] > 0).length} operators:`,
    '',
    `${operators
      .filter(row => !incomplete.includes(row) && row[1] > 0)
      .map(([name, passes]) => `${name === 'several' ? 'models of several operators' : name} ${passes}`)
      .join(', ')}.`,
    '',
    '| not every case of | passed | refused | failed |',
    '|---|---|---|---|',
    ...incomplete.map(([name, ...row]) => `| ${name} | ${row.slice(0, 3).join(' | ')} |`),
    '',
  ]
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
    '(`MODEL_UNSUPPORTED_OP`). An operator counts only with its cases: they are compared with ONNX Runtime (with recorded',
    'values of the onnx package where ONNX Runtime lacks the operator), and the',
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
    'What is refused of `simple/` needs sequences, strings or training operators.',
    '',
    'Control flow is put in place of its node when a model is compiled for given sizes. The branch of an `If` whose',
    'condition then is known is all that is left of it. Where the condition depends on data, a forward run computes it first;',
    'a gradient computes both branches and selects their results, which must be of one shape. `Loop` and `Scan` are',
    'unrolled, up to 4,096 trips: for a gradient, how often they run must follow from constants and shapes. Recurrent layers run over any number of steps, and are differentiated',
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
    'Shapes may depend on data too (`NonZero`, `NonMaxSuppression`, `Unique`, `Compress`, a `Loop` that counts what it found):',
    'the model then runs in stages, each compiled for what the one before it computed. This is forwards only. A gradient',
    'can be asked for of values before such an operator.',
    '',
    ...(await packageCases()),
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
