#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { libraryVersion } from '../version.js'
import { addCompare } from './compare.js'
import { addDoctor } from './doctor.js'
import { addErrors } from './errors.js'
import { exitCodes } from './exitCodes.js'
import { addExplain } from './explain.js'
import { addGenerate } from './generate.js'
import { addInspect } from './inspect.js'
import { addMethods } from './methods.js'
import { addRun } from './run.js'
import { addTcav } from './tcav.js'
import { addTrace } from './trace.js'
import { addVerify } from './verify.js'

// Until a command listens for it, Ctrl-C ends the process with the code that scripts expect.
process.once('SIGINT', () => process.exit(exitCodes.interrupted))

const argv = process.argv.slice(2)
const program = new Command('ascribe')
  .description('Where did a model\u2019s output come from?')
  .version(libraryVersion)
  .exitOverride()
  .showHelpAfterError('(--help says more)')
addExplain(program, argv)
addErrors(program)
addCompare(program)
addTcav(program)
addRun(program)
addGenerate(program)
addTrace(program)
addMethods(program)
addInspect(program)
addVerify(program)
addDoctor(program)
for (const command of program.commands)
  command
    .option('--json', 'print one JSON document, errors too')
    .option('--debug', 'print the stack of an error')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => (argv.includes('--json') ? undefined : write(text)) })

try {
  await program.parseAsync(argv, { from: 'user' })
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  if (argv.includes('--json') && error.exitCode !== 0)
    process.stdout.write(`${JSON.stringify({ error: { code: 'OPTION_UNKNOWN', message: error.message } })}\n`)
}
