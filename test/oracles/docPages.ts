import { describeRange } from '#lib/cli/methodFlags.js'
import { errorCodes, methods } from '#lib/index.js'

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
