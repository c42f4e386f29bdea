import type { Command } from 'commander'
import { exitCodes } from './exitCodes.js'
import { type CommonFlags, runCommand } from './session.js'

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description(
      'versions, CPU, threads, backends found and why not, and the speed that this machine reaches',
    )
    .action(async (flags: CommonFlags) => {
      await runCommand(flags, async session => {
        const { doctor } = await import('../tools/doctor.js')
        const report = await doctor({ signal: session.signal })
        const { versions, cpu, engine, probe } = report
        const backends = report.backends.map(({ name, available, version, path, reason }) =>
          available
            ? `  ${name}  yes${version ? `, ${version}` : ''}${path ? ` (${path})` : ''}`
            : `  ${name}  no: ${reason ?? 'no reason given'}`,
        )
        session.result(
          report,
          [
            `ascribe ${versions.ascribe} (addon ${versions.addon}), node ${versions.node}, ${versions.libc}, ${report.platform}`,
            `cpu: ${cpu.model}; instruction set in use: ${cpu.isa}`,
            `  ${cpu.features.join(' ')}`,
            `engine: ${engine.lanes} lane${engine.lanes === 1 ? '' : 's'} of ${engine.threadsPerLane} thread${engine.threadsPerLane === 1 ? '' : 's'}`,
            'backends',
            ...backends,
            `probe: ${probe.gflops.toFixed(0)} GFLOP/s on ${probe.threads} threads (${probe.gflopsOneThread.toFixed(0)} on one), ${probe.bf16Gflops === undefined ? '' : `${probe.bf16Gflops.toFixed(0)} GFLOP/s of bf16, `}${probe.gigabytesPerSecond.toFixed(1)} GB/s`,
            'optional packages',
            ...report.packages.map(
              ({ name, purpose, version }) => `  ${name}  ${version ?? 'not installed'} (for ${purpose})`,
            ),
            ...report.advice.map(text => `advice: ${text}`),
          ].join('\n'),
        )
        return exitCodes.ok
      })
    })
}
