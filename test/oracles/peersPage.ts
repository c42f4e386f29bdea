import { conceptMethods } from '#lib/methods/concepts/registry.js'
import { methods } from '#lib/methods/registry.js'
import { peersTable } from './peersTable.js'

/** Behind an import of its own, and in no registry. */
const ofRelevance = ['LayerwiseRelevance', 'AttnLrp', 'TransformerAttribution']

/** Every method that has to be in the table, in its order. */
export const peerMethods: readonly string[] = [
  ...[...methods, ...conceptMethods].map(({ name }) => name),
  ...ofRelevance,
]

function rows(name: string): string[] {
  return (peersTable[name] ?? []).map(({ against, option, distance, test }) => {
    const cells = [`\`${name}\``, against, option ?? '', distance ?? '', `\`test/${test}\``]
    return `| ${cells.join(' | ')} |`
  })
}

/** docs/peers.md */
export function peersPage(): string {
  return [
    '# What every method was held against',
    '',
    'Other software where there is some, run by a script in `test/` that says its versions, its numbers recorded; else what is known exactly',
    'of a small case. The figure is the relative L2 distance, the greatest over the models; where there is none, numbers are those of a',
    'worked example or a formula, each compared by itself. An option stands where the default is another way, most often because the',
    'peer is taken to be wrong. Methods on contexts and on weights are apart: [context](context.md), [metrics](metrics.md) too.',
    'This page is generated from the registry by `node scripts/docs.js`; a test finds methods that are left out.',
    '',
    '| method | held against | with | relative L2 | test |',
    '|---|---|---|---|---|',
    ...peerMethods.flatMap(rows),
    '',
    '## How they were run',
    '',
    'Captum and pytorch-grad-cam on three small exported networks: convolutions with max pooling, a residual one, one with attention',
    '(`test/fixtures/peers/record.py`). Rules for rectifiers and DeepLIFT on the first two. Attention on three encoders of their own',
    "(`record_attention.py`): torchvision's vision transformer, timm's as of DeiT, and BERT of transformers with padding. The authors' software",
    "of guided and blurred paths and of IDGI in double precision (`record_paths.py`). Captum's TCAV was given concept vectors of this library's",
    'regression in the place of its own steps (`record_tcav.py`), and its NoiseTunnel the noise that this library draws; its relevance is of the',
    'first two networks, LXT that of the one with attention (`record_rules.py`).',
    '',
    'Methods on masks ran on the three networks too (`record_games.py`): Captum in the orders that this library draws, RISE by Xplique with its',
    "grids and places, by its authors' code with the masks that Xplique makes of them; HSIC and Sobol attribution by Xplique as they are, all on",
    "the Sobol sequence of TensorFlow, but for estimators that were made to compute in double precision. The authors' searches of LiMA and SMDL",
    'went over 16 squares of a picture for a network with features and evidence (`record_searches.py`): orders, curves and maps. Transformer',
    "attribution is its authors' on the weights of the second encoder (`record_transformer.py`), ReAGent its authors' on a small Llama, four",
    'chains side by side (`record_reagent.py`).',
    '',
    '## Where they differ, and what predicts it',
    '',
    "- Captum's trapezoid has weights that do not add up: its figures are 49/50 of those by `rule: 'riemann_trapezoid'`, which a test holds.",
    "- In Captum max pooling behind a rectifier loses its rule (`maxPool: 'gradient'`), and the mean of a softmax runs over the batch",
    "  (`softmax: 'tensorMean'`). Ours keeps the sum.",
    '- The variance of noise in Captum is that of a population: ours is n / (n - 1) of it unless `biased` is on, which a test holds.',
    '- AblationCam of pytorch-grad-cam takes 1e7 off channels of a layer that holds negative numbers, once more for each before it in the',
    '  batch. There it is compared with zeros, as in the paper.',
    '- The blurred path of its authors, with differences of 0.01 pixels and Gaussians cut at 4 sigmas, is 0.015 away, and so is that',
    '  software from itself with 1e-5 pixels and 8 sigmas.',
    '- A guided path without a corridor (`maximumDistance: 1`, 20 steps) agrees to 9e-8 on the first two networks; on the one with attention',
    '  it is 0.024 away, which is not compared: there that software is 0.063 from itself when its gradients are scaled by noise of 1e-8.',
    '- vit-explain divides columns by the sums of rows. That is the same for a mean of heads; with the greatest or the least of them its map',
    "  is 0.04 to 0.12 away, and a test makes the same of the model's probabilities by that quotient.",
    "- The paper of LeGrad, and torch-cam, take the gradient of a score of each layer's own (`scores: 'layers'`); by default ours is that of",
    '  the target. At padding, where no token may look, ours counts nothing.',
    "- The masks of RISE's authors are mirrored at the edges of the enlarged grid, where ours and Xplique's repeat the last cell: the map of",
    '  the first network is 0.015 away. They are cut out at one place less along each side, and Xplique cuts all masks of a batch out at one',
    '  place; ours have a place each.',
    "- Homma's and Saltelli's indices are differences of means: what the seventh digit of a value is makes the fifth of an index. Of the same",
    '  values they agree to 1e-6, which a test holds.',
    "- Janon's form in Xplique divides the squares by count - 1 and what is taken off them by count, so that its variance is too large by",
    '  the square of the mean over count - 1: with values far from 0 its indices are 0.9 away. A test makes them of ours.',
    '- Blurring in Xplique is a box of 10 pixels and in ours one of 21: not compared.',
    "- SMDL's code with an evidential network gives one region alone an effectiveness of 1, ours 0. It changes no order.",
    "- The maps of LiMA's code are compared on a picture without black pixels, which there would be the greatest.",
    '- Transformer attribution takes the relevance of attention by the rules of AttnLRP, not those of its paper; by those the map, scaled to a',
    '  sum of 1, is 0.7 away.',
    "- Where no chain of ReAGent stopped, the mean in its authors' code is 0 / 0, and ours that of all chains. Their rationale counts chains",
    '  that did not stop, ours those whose mean is taken; a test makes both of the recorded chains.',
    '',
  ].join('\n')
}
