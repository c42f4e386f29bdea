/** A bar on standard error where that is a terminal; nothing anywhere else. */
export async function startProgress(
  label: string,
  isWanted: boolean,
): Promise<{
  update(done: number, total: number): void
  stop(): void
}> {
  if (!isWanted || !process.stderr.isTTY) return { update: () => {}, stop: () => {} }
  const { default: cliProgress } = await import('cli-progress')
  const bar = new cliProgress.SingleBar({
    format: `${label} {bar} {percentage} % | {eta_formatted} left`,
    clearOnComplete: true,
    hideCursor: true,
    stream: process.stderr,
  })
  bar.start(1, 0)
  return {
    update: (done, total) => {
      bar.setTotal(total)
      bar.update(done)
    },
    stop: () => bar.stop(),
  }
}
