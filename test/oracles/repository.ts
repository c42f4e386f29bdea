import { join } from 'node:path'

/** The repository's root, seen from a compiled test in build/ts/test/oracles. */
export const repositoryRoot = join(import.meta.dirname, '../../../..')
