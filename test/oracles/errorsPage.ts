import { errorCodes } from '#lib/index.js'
import { cell } from './optionRow.js'

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
