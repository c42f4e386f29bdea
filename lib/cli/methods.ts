import type { Command } from 'commander'
import { exitCodes } from './exitCodes.js'
import { type CommonFlags, runCommand } from './session.js'

export function addMethods(program: Command): void {
  program
    .command('methods [name]')
    .description('list the attribution methods, or the options of one')
    .action(async (name: string | undefined, flags: CommonFlags) => {
      await runCommand(flags, async session => {
        const { findMethod, foldedName, methods } = await import('../methods/registry.js')
        const { contextMethods } = await import('../methods/context/registry.js')
        const { conceptMethods } = await import('../methods/concepts/registry.js')
        const { describeRange } = await import('./methodFlags.js')
        const named = (wanted: string) =>
          others.find(entry => foldedName(entry.name) === foldedName(wanted)) ?? findMethod(wanted)
        const others = [...conceptMethods, ...contextMethods]
        const entries = name === undefined ? [...methods, ...others] : [named(name)]
        const documents = entries.map(({ load: _, ...entry }) => entry)
        if (name === undefined) {
          const width = Math.max(...entries.map(entry => entry.name.length))
          session.result(
            documents,
            entries.map(entry => `${entry.name.padEnd(width)}  ${entry.summary}`).join('\n'),
          )
          return exitCodes.ok
        }
        const [entry] = entries
        const options = Object.entries(entry!.options).map(
          ([option, spec]) =>
            `  ${option}\n      ${spec.description}\n      ${describeRange(spec)}; default ${spec.default ?? 'off'}`,
        )
        const around = 'wraps' in entry! && entry.wraps ? ['Goes around another method (--base).'] : []
        session.result(
          documents[0],
          [
            entry!.name,
            entry!.summary,
            `Source: ${entry!.source}`,
            ...around,
            '',
            ...(options.length > 0 ? options : ['  no options']),
          ].join('\n'),
        )
        return exitCodes.ok
      })
    })
}
