import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { operators } from '#lib/frontends/onnx/table/index.js'
import { errorCodes, methods } from '#lib/index.js'
import { tcavOptions } from '#lib/methods/concepts/tcav.js'
import { attnLrpOptions } from '#lib/methods/relevance/attnLrp.js'
import { layerwiseRelevanceOptions } from '#lib/methods/relevance/layerwiseRelevance.js'
import { native } from '#lib/native.js'
import { conformance } from './conformance.js'
import { importGiven } from './importOnnx.js'
import { localisationSection } from './localisationTable.js'
import { operatorOf } from './onnxCases/case.js'
import { onnxCases } from './onnxCases/index.js'
import { recordedCases } from './onnxCases/recorded.js'
import { cell, optionRow } from './optionRow.js'
import { repositoryRoot } from './repository.js'
import { searchSection } from './searchSection.js'

/** docs/errors.md */
export function errorsPage(): string {
  const rows = Object.entries(errorCodes).map(([code, meaning]) => `| \`${code}\` | ${cell(meaning)} |`)
  return [
    '# Errors',
    '',
    'Whatever goes wrong is an `AscribeError` with a stable `code`, a `message` that names the thing (node, file, option,',
    'value) and what was expected, and often a `hint` that says what to do. Programs may switch on the code; messages may',
    'change. This page is generated from `lib/errors.ts` by `node scripts/docs.js`.',
    '',
    '```ts',
    "import { AscribeError } from 'ascribe'",
    '',
    'try {',
    '  await method.attribute(image, { target: 99 })',
    '} catch (error) {',
    "  if (error instanceof AscribeError && error.code === 'TARGET_INVALID') console.error(error.message, error.hint)",
    '  else throw error',
    '}',
    '```',
    '',
    '| code | meaning |',
    '|---|---|',
    ...rows,
    '',
  ].join('\n')
}

const camSection = [
  '## Class activation maps',
  '',
  "`GradCam` and its relatives give the map as it is made: signed (what is below 0 speaks against the target), at the layer's own",
  'size, laid over the picture wherever it is drawn. The processed map that papers and other libraries show is an option away',
  '[unconfirmed: which of the two is meant by "the map" differs from library to library]:',
  '',
  '```ts',
  "import { GradCam } from 'ascribe'",
  '',
  "const map = await new GradCam(model).attribute(image, { target: 'golden retriever' }) // signed, [7, 7]",
  "const shown = new GradCam(model, { relu: true, upsample: 'bilinear' }) // positive, [224, 224]",
  "const other = new GradCam(model, { relu: true, upsample: 'bilinear', normalize: 'minMax' }) // as pytorch-grad-cam returns it",
  '```',
  '',
]

const peersSection = [
  '## Beside Captum and pytorch-grad-cam',
  '',
  'On three small exported networks (convolutions with max pooling, a residual one, one with attention), recorded with their versions',
  'by `test/fixtures/peers/record.py` and compared by `test/methods/peers.test.ts`. Relative L2, the greatest of the three:',
  '',
  '| methods | option | differs by |',
  '|---|---|---|',
  '| Saliency, InputXGradient, IntegratedGradients, FeatureAblation, Occlusion, ShapleyValues | | 4e-6 |',
  "| GradientShap, by the same draws | `sampling: 'captum'` | 1e-7 |",
  "| DeepLift, DeepLiftShap, GuidedBackprop, Deconvolution, GuidedGradCam (no attention) | `maxPool: 'gradient'` behind a rectifier | 9e-5 |",
  "| LayerActivation, LayerGradientXActivation, LayerIntegratedGradients, LayerConductance, InternalInfluence | `path: 'layer'`, `points: 'captum'` | 3e-7 |",
  '| NeuronGradient, NeuronIntegratedGradients, NeuronConductance | | 2e-7 |',
  '| GradCam, GradCamPlusPlus, HiResCam, GradCamElementwise, LayerCam, XGradCam, EigenCam (but for its sign) | | 3e-7 |',
  "| ScoreCam | `masks: 'corners'` | 3e-6 |",
  "| Idgi, beside its authors' software | | 1e-6 |",
  "| GuidedIntegratedGradients, beside its authors' software | `rule: 'left'` | 9e-5 |",
  "| BlurIntegratedGradients, beside its authors' software with finer differences | `rule: 'riemann_left'` | 2e-5 |",
  '| AblationCam | | 2e-6 |',
  '',
  "Where they are taken to be wrong defaults differ, and an option gives their figure: the trapezoid whose weights do not add up (`rule: 'captum-trapezoid'`),",
  "poolings that lose their rule (`maxPool`), a softmax whose mean runs over the batch (`softmax: 'tensorMean'`). AblationCam of",
  'pytorch-grad-cam takes 1e7 off channels of a layer that holds negative numbers, once more for each before it in the batch: there it is',
  'compared with zeros, as in the paper. `Tcav` and attention have no peer there: their tests are formulas.',
  '',
  "The authors' software of guided and blurred paths (PAIR `saliency`) and of IDGI was run in double precision by `record_paths.py` beside",
  'it; `test/methods/pathPeers.test.ts` compares. As it stands, with differences of 0.01 pixels and Gaussians cut at 4 sigmas, the blurred',
  'path is 0.015 away, and so is that software from itself with 1e-5 pixels and 8 sigmas. A guided path without a corridor',
  '(`maximumDistance: 1`, 20 steps) agrees to 9e-8 on the first two networks; on the one with attention it is 0.024 away, and',
  'that software, its gradients changed by 1e-8 of themselves, is 0.063 from itself: the order of the inputs hangs on ties.',
  '',
]

const completenessSection = [
  '## Where scores do not add up, and why',
  '',
  '`checks.completeness` says by how much; [completeness](completeness.md) has every method on every trained model.',
  '',
  '- `GuidedIntegratedGradients` chooses the inputs of a step for the small gradient that they have at its beginning, and that gradient',
  '  says too little of what they then do; more steps do not help. With the gradient at the beginning alone (`rule: left`, as the',
  "  authors' software) MobileNetV2 misses 0.73 and 1.34 of the change of its logit on two photos with 200 steps (0.73 and 1.03 with",
  '  50), SqueezeNet 0.32. With the mean of both ends of the step, at no cost, it is 0.004 and 0.08, and 0.017 for SqueezeNet (50 steps).',
  '- Relevance with `epsilon` and `bias: absorb` misses what biases had: in a network of ReLUs exactly the sum of each bias times the',
  '  gradient in it (a test). Batch norms behind convolutions are folded into them before any rule runs, and their shifts are such',
  '  biases: of 14.04 the sound model of scenes has 0.69 on pixels.',
  '- With `bias: distribute` or `ignore` relevance is no longer in proportion to activations, and each layer multiplies it by the sum of',
  '  sizes over the size of the sum, which an epsilon of 1e-9 does not bound: up to 1e28 in MobileNets. Where scores then cancel so',
  '  far that single precision keeps nothing of their sum it is the error `PRECISION_LOST` (`NOT_FINITE` beyond its range). There, take `epsilonPlusFlat` with `bias: distribute` (15.9 of 18.3 on MobileNetV2; 39.307',
  '  of 39.307 on SqueezeNet). `zPlus` without biases loses what units have that are on by their bias alone (0.03 of 18.3).',
  '- `DeepLift` with its default softmax, of models with a softmax inside: `softmax: exact` adds up, as the warning `RULE_FALLBACK` says.',
  '  A quotient a / b is shared out as the product that it undoes, evenly over the mean of both denominators [unconfirmed: the sources',
  '  say nothing of quotients]. By the mean over both orders, norms of a baseline of zeros multiplied shares up, layer by layer: 5e18 of',
  '  what a llama of 260,000 parameters gained was missing, and is now 1e-7.',
  '- Any other method whose scores miss more than a tenth of what they should add up to carries the warning `INCOMPLETE`.',
  '',
]

function relevanceSection(): string[] {
  return [
    '## Layer-wise relevance propagation',
    '',
    'Third parties claim patents on this technique in some countries. It is therefore in no default, not among the methods of',
    'the command line, and behind an import of its own; whether you may use it is for you to find out.',
    '',
    '```ts',
    "import { AttnLrp, LayerwiseRelevance } from 'ascribe/relevance'",
    '',
    "const relevance = new LayerwiseRelevance(model, { preset: 'epsilonPlusFlat' })",
    '```',
    '',
    "`LayerwiseRelevance` hands the target's value back from layer to layer, each sharing what it gets among its inputs in",
    'proportion to what they added (Bach et al. 2015; Montavon et al. 2019). A matrix product and the addition of its bias are',
    'one layer. Presets: `epsilon`, `gamma`, `alphaBeta`, `zPlus`, `wSquare`, `flat` in every layer; `captumAlpha1Beta0` as',
    'that library has it; and the composites `epsilonPlusFlat`, `epsilonAlphaBetaFlat` and `epsilonGammaBox`, whose exact form is',
    '[unconfirmed]. `low` and `high` bound the pixels for the box rule (after preprocessing: one number, or one a channel).',
    'Relevance adds up to the value but for what biases absorb and what epsilon takes; with `epsilon` in every layer of a deep',
    'network of ReLUs it is the input times the gradient.',
    '',
    '| option | values | default | what it does |',
    '|---|---|---|---|',
    ...Object.entries(layerwiseRelevanceOptions).map(([name, option]) => optionRow(name, option)),
    '',
    '`AttnLrp`, for transformers: a value times a gradient in which activations pass back what they gave for what they got, two',
    'factors that both depend on the input have half each, and the scale of a norm is a constant (Achtibat et al. 2024).',
    '',
    '| option | values | default | what it does |',
    '|---|---|---|---|',
    ...Object.entries(attnLrpOptions).map(([name, option]) => optionRow(name, option)),
    '',
    "`TransformerAttribution` goes from token to token through all layers' attention as `GradientXAttention` does, by the positive",
    'part of the gradient times the relevance of the attention (Chefer et al. 2021, CVPR), relevance being that of `AttnLrp` in',
    'place of the rules of the paper [unconfirmed].',
    '',
  ]
}

const textSection = [
  '## Texts',
  '',
  "A model of tokens is explained where it looks them up. With a tokenizer (`loadModel(…, { tokenizer: 'tokenizer.json' })`,",
  'in a checkpoint folder its own) methods on embeddings and on attention take the text itself:',
  '',
  '```ts',
  "import { IntegratedGradients, loadModel } from 'ascribe'",
  '',
  "const model = await loadModel('encoder.onnx', { tokenizer: 'tokenizer.json', labels: ['negative', 'positive'] })",
  "const attribution = await new IntegratedGradients(model).attribute('a dull, overlong script', { target: 'negative' })",
  "attribution.group('word').show() // or 'whitespace', 'sentence', or spans of the text",
  "await attribution.save('text.html') // or .svg, .json, .npy",
  '```',
  '',
  "Every token carries the place of its characters in the text (`units.offsets`, in JavaScript's own counting), null where the",
  'tokenizer added it. `group` puts tokens together by those places: `sum` (the default) keeps completeness; `mean`, `max`, `min`,',
  '`greatest` (of greatest magnitude, with its sign), `l2` and `product` do not. Methods with a baseline start from the',
  "tokenizer's padding in place of the text's own tokens; where it has none, from embeddings of 0. Texts are not cut off.",
  '',
  'The two bundled models of reviews (`models/README.md`) are equally accurate; of one the strongest word is an opinion in 99.5 %',
  'of 200 held-out texts, of the other it is the planted town in 98.5 % (`node build/ts/models/reviews/evaluate.js`).',
  '',
  'A tokenizer is a file like any other: it runs in a thread of its own, and a text that takes longer than its deadline (10 s,',
  '`loadTokenizer(file, { deadlineMs })`) is `DEADLINE_EXCEEDED`. Ids are those of the reference implementation, and offsets too',
  '(`test/fixtures/tokenizers`), but for a composed character, which is here the whole of what it was composed of, and for tokens',
  'of white space, which the reference has at a neighbour. Parts that cannot be run as written are `TOKENIZER_INVALID`.',
  '',
]

const attentionSection = [
  '## Attention as it was exported',
  '',
  '`RawAttention`, `AttentionRollout`, `GradientXAttention` and `LeGrad` need no special export: attention is a softmax over the',
  'last axis whose result is multiplied with values, and its probabilities and their gradients are read and reduced inside one',
  'plan, so that no matrix of them leaves it. Patches of a picture become a grid: class tokens and the number of columns',
  'follow from the sizes of picture and attention, or are given (`classTokens`, `gridWidth`). Whose attention is read follows',
  'from the model too: with `row` at `auto` it is that of the tokens on whose rows of the last attention the target depends,',
  'one for a class token or the token that predicts, all but padding for a mean. Results say which (`details.rows`, `details.row`).',
  'Attention shows where a model looks. It is no account of the output: `AttentionRollout` is the same for every class.',
  'Cross-attention of encoder-decoders is read by `RawAttention` alone, and attention inside windows is refused.',
  '',
]

const tcavSection = [
  '## Tcav',
  '',
  'Concepts that examples define, as directions in a layer: how much the target rises along them, for inputs of a class, and',
  'whether that is more than chance (Kim et al. 2018). For every concept and every set of random examples a logistic regression',
  'tells their activations apart; random sets in the place of a concept say what chance does (two-sided t-test of Welch, times the',
  'number of concepts [unconfirmed]). A concept whose classifiers are right below 0.6 on examples held out is marked as unreliable.',
  '',
  '```ts',
  "import { Tcav } from 'ascribe'",
  '',
  "const tcav = new Tcav(model, { layer: 'last-maps' })",
  "const { concepts } = await tcav.test(zebras, 'zebra', { concepts: { striped, dotted }, random })",
  'for (const { name, signCount, pValue, isReliable } of concepts) console.log(name, signCount, pValue, isReliable)',
  '```',
  '',
  'On the command line it is [`ascribe tcav`](cli.md#concepts). Of the bundled models of scenes, whose truth is known, the class',
  '"spoked ring" rises along rings in the sound model (p 0.007; the badge of that class is unreliable at an accuracy of 0.60) and along',
  'the badge in the shortcut model (p 0.007, accuracy 0.98; rings are unreliable at 0.55): 24 generated scenes for each concept, 12',
  'random sets of 24, 16 inputs.',
  '',
  '| option | values | default | what it does |',
  '|---|---|---|---|',
  ...Object.entries(tcavOptions).map(([name, option]) => optionRow(name, option)),
  '',
]

const derivativesSection = [
  '## Derivatives',
  '',
  '`vectorJacobianProduct(model, inputs, cotangents, of)`, `jacobianVectorProduct(model, inputs, tangents, outputs)` and',
  '`hessianVectorProduct(model, inputs, target, vectors, of)` give products with the first and second derivative of any model,',
  'in inputs, layers and weights by name, mixed ones among them. All are exact: a backward pass is a graph like any other and',
  "is differentiated again. `{ precision: 'f64' }` computes in double precision.",
  '',
  '```ts',
  "import { createTensor, hessianVectorProduct, jacobianVectorProduct } from 'ascribe'",
  '',
  'const change = await jacobianVectorProduct(model, { x }, { x: direction }) // of every output',
  "const curvature = await hessianVectorProduct(model, { x }, 'golden retriever', { x: direction })",
  "const mixed = await hessianVectorProduct(model, { x }, 207, { x: direction }, ['conv1.weight'])",
  '```',
  '',
]

const perturbationSection = [
  '## Methods on masked inputs, and black boxes',
  '',
  'Occlusion, RISE, LIME, the Shapley family, HSIC and Sobol only run a model. What is masked are [regions](regions.md): `regions`',
  "is a kind, a kind with its options, or regions at hand. A removed region shows the option `absence`, or the call's `baseline`.",
  '`samples` or `permutations` say how far a method goes, `budget` ends it after so many passes, `tolerance` at a standard error;',
  'what it knows by then is the result, which says how it ended, with the scores of regions in `method.details`. Random masks',
  'are keyed by the seed and their number alone. A region has its score at all of its places (cells of `Hsic` and `Sobol` are a',
  'small map).',
  '',
  '```ts',
  "import { fromFunction, KernelShap, readImage } from 'ascribe'",
  '',
  "const box = fromFunction(async ({ input }) => classifier(input), { labels, preprocessing: 'imagenet', inputs: [{ name: 'input', shape: ['N', 3, 224, 224] }] })",
  "const shap = new KernelShap(box, { regions: { kind: 'slico', count: 49 }, samples: 800, seed: 1 })",
  "const attribution = await shap.attribute(await readImage('photo.jpg'), { target: 'golden retriever' })",
  '```',
  '',
  'A *black box* stands in for a model there: `fromFunction(run)` for any function from a batch to a batch,',
  '`await fromOnnxRuntime(session)` for a session of onnxruntime-node, `fromHttp(address)` for an endpoint. Masks are then put on its',
  'inputs before they are handed over; its softmax cannot be looked behind, and targets that need a graph are',
  '`MODEL_CAPABILITY`.',
  '',
  '```ts',
  "const remote = fromHttp('https://host/v2/models/cats/infer', {",
  "  inputs: [{ name: 'input', shape: ['N', 3, 224, 224] }], outputs: ['logits'], preprocessing: 'imagenet', labels,",
  "  headers: { authorization }, batch: 16, concurrency: 4, requestsPerSecond: 20, cache: 'answers',",
  '})',
  '```',
  '',
  '`fromHttp` speaks the open inference protocol (KServe version 2: Triton, MLServer …), or a `format` of yours. It splits batches',
  'into requests, keeps to a rate, tries again after timeouts, lost connections and statuses that say to (doubling its pause, or as',
  'long as `retry-after` says), bounds time and size of answers, follows no redirect, and checks every answer before it counts:',
  '`REMOTE_FAILED` otherwise. With `cache`, answers are kept by input in files of mode 0600; credentials are in no file and no',
  'result.',
  '',
  '`FeaturePermutation` takes a list alone (`attributeBatch`): what each example loses when a feature comes from another one of the',
  'list; `regions: tableColumns(columns, groups)` shuffles columns together. Options: `permutations` (1), `seed`, `regions`.',
  '',
  '`zeroShotClassifier(imageTower, { embeddings, labels })` makes a classifier of an image tower and embeddings of texts (CLIP and its',
  'kin) as one graph, by `compose(model, head)`, which puts any expression of the graph language behind a model: both are explained',
  'by every method, gradients included.',
  '',
]

/** docs/methods.md */
export function methodsPage(): string {
  const sections = methods.flatMap(entry => {
    const options = Object.entries(entry.options).map(([name, option]) => optionRow(name, option))
    return [
      `## ${entry.name}`,
      '',
      entry.summary,
      '',
      `Source: ${entry.source}.${entry.wraps ? ' Goes around another method, `Saliency` unless told.' : ''}`,
      '',
      ...(options.length > 0
        ? ['| option | values | default | what it does |', '|---|---|---|---|', ...options]
        : ['No options.']),
      '',
    ]
  })
  return [
    '# Methods',
    '',
    'Every method is a class with one verb: `attribute(input, options)`; `attributeBatch(inputs, options)` takes a list,',
    '`stream(inputs, options)` any iterable and gives results one by one. Options are validated once, when the object is',
    'made. What is explained is a [target](targets.md); results are `Attribution`s. Marks `[unconfirmed]` stand where a',
    'paper leaves open what its code does. This page is generated from the registry by `node scripts/docs.js`.',
    '',
    'Path points, noisy copies and, in `attributeBatch`, inputs go through the model several at a time. Where its batch is',
    'fixed, it is freed if two examples together then come out as each alone, which is tried once; else passes hold what',
    'the file says and results carry the warning `BATCH_FIXED`. Examples that change each other go alone',
    '(`BATCH_INTERACTS`). `ascribe inspect` says which it is.',
    '',
    'Of a classifier the outputs that a result shows come from the passes that explain it. The class at the top is found in the',
    'same pass too by methods that look at the input once (gradients, rules, Grad-CAM); with a path, samples or a baseline a',
    'forward pass comes before, as it does for a neuron as the target. It does not count in `cost`.',
    '',
    '```ts',
    "import { IntegratedGradients, loadModel, readImage, SmoothGrad } from 'ascribe'",
    '',
    "const model = await loadModel('model.onnx', { preprocessing: 'imagenet', labels: 'labels.txt' })",
    'const smooth = new SmoothGrad(new IntegratedGradients(model, { steps: 8 }), { samples: 16, seed: 1 })',
    "const attribution = await smooth.attribute(await readImage('photo.jpg'), { target: 'golden retriever' })",
    'attribution.show()',
    '```',
    '',
    ...sections,
    ...camSection,
    ...textSection,
    ...attentionSection,
    ...searchSection,
    ...perturbationSection,
    ...relevanceSection(),
    ...peersSection,
    ...completenessSection,
    ...tcavSection,
    ...localisationSection(),
    ...derivativesSection,
  ].join('\n')
}

/** Every ONNX operator, with what the cases of its own show of it. */
async function operatorRows(): Promise<string[]> {
  const operations = new Map(
    native()
      .operations()
      .map(operation => [operation.name, operation]),
  )
  const rows: string[] = []
  for (const name of Object.keys(operators).sort()) {
    const cases = [...onnxCases, ...recordedCases].filter(({ model }) =>
      model.nodes.some(node => operatorOf(node) === name),
    )
    const own = cases.filter(({ model }) => model.nodes.length === 1)
    const becomes = new Set<string>()
    const results = new Set<string>()
    for (const { model } of own.length > 0 ? own : cases) {
      const { graph } = await importGiven(model)
      for (const { op } of graph.nodes) becomes.add(op)
      results.add(graph.nodes.at(-1)!.op)
      // What puts the states of the directions together is not where the work is.
      if (graph.nodes.some(({ op }) => op === 'recurrent')) results.add('recurrent')
    }
    const isControl = [...results].some(op => op === 'if' || op === 'loop')
    const found = [...results].map(op => operations.get(op)!)
    const opsets = [...new Set(cases.map(({ model }) => model.opset ?? 17))].sort((a, b) => a - b)
    const computed = isControl ? [] : found.filter(({ view }) => !view)
    const kernels = ['cpu', 'reference'].filter(backend =>
      computed.every(({ backends }) => backends.includes(backend)),
    )
    const derivative = isControl || found.every(operation => operation.derivative) ? 'yes' : 'no'
    rows.push(
      `| ${name} | ${[...becomes].map(op => `\`${op}\``).join(', ')} | ${opsets.join(', ')} | ${derivative} | ${computed.length > 0 ? kernels.join(', ') : 'none needed'} | ${cases.length} |`,
    )
  }
  return rows
}

/** What became of the cases of the onnx package, as bench/onnxCases.bench.ts recorded it. */
async function packageCases(): Promise<string[]> {
  const { counts, operators, reasons } = JSON.parse(
    await readFile(join(repositoryRoot, 'bench/onnx-cases/results.json'), 'utf8'),
  ) as {
    counts: Record<string, number>
    operators: [string, number, number, number, number][]
    reasons: [string, string, string][]
  }
  const { passed = 0, refused = 0, failed = 0 } = counts
  const inScope = passed + refused + failed
  const incomplete = operators.filter(([, , no, bad]) => no > 0 || bad > 0)
  return [
    `Of the cases that the \`onnx\` package (1.23.1) generates, ${passed} of ${inScope} pass (${((100 * passed) / inScope).toFixed(1)} %), ${refused} are refused by name and`,
    `${failed} fail. Out of scope (${counts['out of scope']}) are element types that the graph language lacks (16-bit and unsigned 32- and 64-bit`,
    'integers, 8-bit and smaller floats, complex numbers), texts, sequences, random operators and other domains',
    '(`node build/ts/bench/onnxCases.bench.js --folder FOLDER --record`, the folder filled by `bench/onnx-cases/convert.py`).',
    'The failures: bfloat16 is computed in single precision here and rounded once, where the expected values are rounded after',
    'every step; a `Resize` that shrinks with aligned corners gives what ONNX Runtime gives.',
    '',
    '| case | outcome | why |',
    '|---|---|---|',
    ...reasons.map(([kind, name, why]) => `| \`${name}\` | ${kind} | ${why.replaceAll('|', '\\|')} |`),
    '',
    `Every case in scope passes of ${operators.filter(row => !incomplete.includes(row) && row[1] > 0).length} operators:`,
    '',
    `${operators
      .filter(row => !incomplete.includes(row) && row[1] > 0)
      .map(([name, passes]) => `${name === 'several' ? 'models of several operators' : name} ${passes}`)
      .join(', ')}.`,
    '',
    '| not every case of | passed | refused | failed |',
    '|---|---|---|---|',
    ...incomplete.map(([name, ...row]) => `| ${name} | ${row.slice(0, 3).join(' | ')} |`),
    '',
  ]
}

/** docs/operators.md */
export async function operatorsPage(): Promise<string> {
  const rows = await operatorRows()
  return [
    '# Operators',
    '',
    `The ${rows.length} ONNX operators that are imported: of the default domain from operator set 6 to the newest (\`Constant\``,
    "besides), and of ONNX Runtime's own domain, `com.microsoft`, what its optimiser and quantiser write.",
    'A model with others is refused with one error that lists all of them with node names and counts',
    '(`MODEL_UNSUPPORTED_OP`). An operator counts only with its cases: they are compared with ONNX Runtime (with recorded',
    'values of the onnx package where ONNX Runtime lacks the operator), and the',
    'operations that it becomes have cases of their own (`test/native/op_cases`), which hold every kernel to the reference',
    'in double precision and every derivative to dual numbers and central differences.',
    '',
    '- *operations*: what it becomes in the graph language, over all its cases;',
    '- *sets*: operator sets of its cases (what did not change between two sets is not repeated);',
    '- *derivative*: of the operations that give its result; comparisons, indices and shapes have none;',
    '- *kernels*: that all of those have, beside oneDNN, which takes convolutions and poolings where it is there. `none needed`: views.',
    '',
    "Models of the ONNX project's conformance suite, by folder (a test holds the numbers):",
    '',
    '| folder | passed | refused by name | failed |',
    '|---|---|---|---|',
    ...Object.entries(conformance).map(
      ([folder, { passed, refused }]) => `| \`${folder}/\` | ${passed} | ${refused} | 0 |`,
    ),
    '',
    'What is refused of `simple/` needs sequences, strings or training operators.',
    '',
    'Control flow is put in place of its node when a model is compiled for given sizes. The branch of an `If` whose',
    'condition then is known is all that is left of it. Where the condition depends on data, a forward run computes it first;',
    'a gradient computes both branches and selects their results, which must be of one shape. `Loop` and `Scan` are',
    'unrolled, up to 4,096 trips: for a gradient, how often they run must follow from constants and shapes. Recurrent layers run over any number of steps, and are differentiated',
    'through up to 4,096 of them. Functions of the model are put in place of their calls.',
    '',
    'Quantised models compute with integers as ONNX Runtime does (at most one step off where a product is rounded), and are',
    'differentiated straight through the rounding: the derivative is that of the numbers that the integers stand for, and 0',
    'where these leave the range of the integers. It passes operators that only move quantised elements, and not others,',
    'such as a `MaxPool` of integers (the result then says `NOT_CONNECTED`).',
    '',
    'Inputs whose contents are read as shapes, axes, sizes or counts may be inputs of the model too: a plan is compiled for',
    'the contents given. Methods explain the other inputs, and need these to be constants.',
    '',
    'Shapes may depend on data too (`NonZero`, `NonMaxSuppression`, `Unique`, `Compress`, a `Loop` that counts what it found):',
    'the model then runs in stages, each compiled for what the one before it computed. This is forwards only. A gradient',
    'can be asked for of values before such an operator.',
    '',
    ...(await packageCases()),
    '',
    'Derivatives of models are those of their operations; `ascribe verify MODEL` compares every value of a model with',
    'ONNX Runtime.',
    '',
    'This page is generated from the import table and its cases by `node scripts/docs.js`.',
    '',
    '| ONNX operator | operations | sets | derivative | kernels | cases |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}
