// The package's own JavaScript in a handful of files: Node opens one file for every module, and five hundred of them,
// with the hundred of protobuf, take longer than a small model's first attribution.
import path from 'node:path'
import { nodeResolve } from '@rollup/plugin-node-resolve'
import { rollup } from 'rollup'

/** On the way from `import` to the first attribution, and of many small files; the rest stay dependencies. */
const bundledPackages = ['@bufbuild/protobuf', 'pure-rand']

/**
 * @param {string} compiled - folder of the compiled modules (dist)
 * @param {string} target - folder to write into
 */
export async function bundle(compiled, target) {
  const file = name => path.join(compiled, name)
  const isBundled = id => bundledPackages.some(name => id === name || id.startsWith(`${name}/`))
  const options = {
    external: id => !(id.startsWith('.') || path.isAbsolute(id) || isBundled(id)),
    plugins: [nodeResolve({ exportConditions: ['node', 'import'] })],
    onwarn: warning => {
      // Modules that import each other do so on purpose, and protobuf's helpers ask for a `this` that is not there; all
      // else is a mistake in the making of the package.
      if (!['CIRCULAR_DEPENDENCY', 'THIS_IS_UNDEFINED'].includes(warning.code))
        throw new Error(warning.message)
    },
  }
  const write = async (input, output) => {
    const bundled = await rollup({ ...options, input })
    await bundled.write({ dir: target, format: 'esm', entryFileNames: '[name].js', ...output })
    await bundled.close()
  }
  // One chunk for whatever both the library and the command line need; propagation of relevance stays apart, as its
  // entry is.
  const isApart = id => ['cli', 'methods/relevance'].some(folder => id.startsWith(file(folder) + path.sep))
  const entries = {
    index: file('index.js'),
    relevance: file('relevance.js'),
    'cli/main': file('cli/main.js'),
  }
  await write(entries, {
    chunkFileNames: '[name].js',
    manualChunks: id => (isApart(id) || Object.values(entries).includes(id) ? undefined : 'library'),
  })
  // Threads are opened by the name of their file, beside the chunk that opens them.
  await write(
    { thread: file('data/tokenizer/thread.js'), chatTemplateThread: file('language/chatTemplateThread.js') },
    { chunkFileNames: 'thread-[name].js' },
  )
}
