/**
 * How fast is a forward pass, against ONNX Runtime on the same threads, and beside PyTorch?
 *
 *   [ASCRIBE_TORCH_PYTHON=…] node build/ts/bench/forward.bench.js [--quick] [--only NET] [--batch 8] [--seconds 20] [--compile]
 *
 * Over nine nets at batch 1 and 8 where PyTorch, which makes them, is there (bench/nets); else over the nets at hand.
 * race.bench.ts says what else the command takes: --package, --results, --budget.
 */
import { printRaces, raceAll } from './race/race.js'

printRaces(await raceAll(['forward']))
process.exit(0)
