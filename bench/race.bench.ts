/**
 * Everything that speed is judged by, side by side: forward passes against ONNX Runtime, input gradients against PyTorch,
 * integrated gradients and SmoothGrad against Captum, each peer at its best, in one run of interleaved rounds.
 *
 *   node scripts/install-package.js FOLDER       # what users install: --package FOLDER/node_modules/ascribe
 *   ASCRIBE_TORCH_PYTHON=… node build/ts/bench/race.bench.js --package … --results R.jsonl --compile --prepare
 *   ASCRIBE_TORCH_PYTHON=… node build/ts/bench/race.bench.js --package … --results R.jsonl --compile --budget 1500
 *   node build/ts/bench/race/table.js --results R.jsonl --write
 *
 * --prepare does beside other work what needs no quiet: exports nets, fills the caches of PyTorch's compiler
 * (TORCHINDUCTOR_CACHE_DIR) and finds those of its ways that cannot be the best; a compiler that needs more than
 * ASCRIBE_BENCH_COMPILE_SECONDS (300) is left out, which the results say, and so is one that was not prepared. --budget deals that many seconds out
 * evenly; cut it at any time, and the same command goes on where it was, as long as the build is the same. --only, --batch
 * pick cases, --kinds forward,gradient kinds.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { flags, quick } from './harness.js'
import { printRaces, raceAll } from './race/race.js'
import { type Kind, kinds, readResults } from './race/results.js'
import { markdown } from './race/table.js'

const chosen = flags.kinds?.split(',') ?? kinds
const race = () => raceAll(kinds.filter((kind: Kind) => chosen.includes(kind)))
if (quick) {
  // What a race leaves behind is read again, and gives the tables of the page.
  const folder = mkdtempSync(join(tmpdir(), 'ascribe-race-'))
  flags.results = join(folder, 'results.jsonl')
  await race()
  console.log(markdown(readResults(flags.results)!))
  rmSync(folder, { recursive: true })
} else printRaces(await race())
process.exit(0)
