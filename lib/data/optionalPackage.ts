import { AscribeError } from '../errors.js'

/**
 * Loads a package that users install only where they need it.
 *
 * @param purpose What it is needed for, as in "to decode pictures".
 * @throws AscribeError `PACKAGE_MISSING` with the command that installs it.
 */
export async function loadOptionalPackage<T>(name: string, purpose: string): Promise<T> {
  try {
    return (await import(name)) as T
  } catch (cause) {
    throw new AscribeError(
      'PACKAGE_MISSING',
      `the package ${name} is needed ${purpose} and could not be loaded`,
      {
        cause,
        hint: `npm install ${name}`,
      },
    )
  }
}
