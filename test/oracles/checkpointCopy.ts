import { readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { checkpointFolder } from './recordedCheckpoints.js'
import { temporaryFolder } from './temporaryFolder.js'

/** A recorded checkpoint with other files beside its weights; objects are written as JSON, those of config.json over it. */
export async function checkpointCopy(
  t: ExecutionContext,
  name: string,
  files: Readonly<Record<string, object | string>> = {},
): Promise<string> {
  const folder = await temporaryFolder(t)
  const source = checkpointFolder(name)
  await symlink(join(source, 'model.safetensors'), join(folder, 'model.safetensors'))
  const config = JSON.parse(await readFile(join(source, 'config.json'), 'utf8')) as object
  const all = { ...files, 'config.json': { ...config, ...(files['config.json'] as object | undefined) } }
  for (const [file, content] of Object.entries(all))
    await writeFile(join(folder, file), typeof content === 'string' ? content : JSON.stringify(content))
  return folder
}
