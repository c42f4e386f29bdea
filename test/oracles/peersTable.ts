/** What one method was held against. */
export interface PeerRow {
  /** Software and version, or the exact truth where there is no software. */
  readonly against: string
  /** The option under which it is the same, where that is not the default; as the page has it. */
  readonly option?: string
  /** Relative L2, the greatest over the models; absent where numbers are those of a worked example, to their printed digits. */
  readonly distance?: string
  /** Under test/. */
  readonly test: string
}

const captum = 'Captum 0.8.0 (faac0877)'
const gradCam = 'pytorch-grad-cam (084273b3)'
const saliency = 'PAIR saliency (7b72b673)'
const chefer = "Chefer's Transformer-MM-Explainability (58eaea85)"
const vitExplain = 'vit-explain (15a81d35)'
const lxt = "its authors' LXT (f0434417), explicit rules"
const torchCam = 'torch-cam (f44afef8)'
const xplique = 'Xplique 2.0.0 (0c90fa41)'
const example = 'the worked example of the specification'

const peer = (
  against: string,
  distance: string,
  option?: string,
  test = 'methods/peers.test.ts',
): PeerRow => ({
  against,
  distance,
  test,
  ...(option === undefined ? {} : { option }),
})
const exact = (against: string, test: string): PeerRow => ({ against, test })
const worked = exact(example, 'methods/workedExamples.test.ts')
const path = (against: string, distance: string, option?: string) =>
  peer(against, distance, option, 'methods/pathPeers.test.ts')
const attention = (against: string, distance: string, option?: string) =>
  peer(against, distance, option, 'methods/attentionPeers.test.ts')
const rules = (against: string, distance: string, option?: string) =>
  peer(against, distance, option, 'methods/rulesPeers.test.ts')
const game = (against: string, distance: string, option?: string) =>
  peer(against, distance, option, 'methods/gamePeers.test.ts')
const search = (against: string, distance: string, option?: string) =>
  peer(`its authors' software (${against})`, distance, option, 'methods/regions/searchPeers.test.ts')
const masked = (against: string) => exact(against, 'methods/perturbationPeers.test.ts')
const sampler = (against: string) => exact(against, 'games/samplers.test.ts')

/** Every method of the registries, and those of `ascribe/relevance`: a test finds the ones that are left out. */
export const peersTable: Readonly<Record<string, readonly PeerRow[]>> = {
  Saliency: [peer(captum, '3e-7'), worked],
  InputXGradient: [peer(captum, '3e-7'), worked],
  GuidedBackprop: [peer(captum, '2e-7')],
  Deconvolution: [peer(captum, '3e-7')],
  IntegratedGradients: [
    peer(captum, '2e-7'),
    peer(`${captum}, trapezoid`, '2e-7', "`rule: 'captum-trapezoid'`"),
    worked,
  ],
  DeepLift: [
    peer(captum, '9e-5', "`maxPool: 'gradient'` behind a rectifier"),
    peer(`${captum}, softmax`, '1e-6', "`softmax: 'tensorMean'`", 'methods/deepLiftPeers.test.ts'),
    exact(`${example}, RevealCancel`, 'methods/revealCancel.test.ts'),
  ],
  ExactIntegratedGradients: [
    game(`${captum}, IntegratedGradients in double precision, 200,000 steps`, '2e-6'),
    exact(example, 'methods/inputs/paths.test.ts'),
  ],
  GradientShap: [peer(`${captum}, given the same draws`, '1e-7', "`sampling: 'captum'`")],
  DeepLiftShap: [peer(captum, '6e-5', "`maxPool: 'gradient'` behind a rectifier")],
  Idgi: [path("its authors' software (yangruo1226/IDGI, 10cc723e)", '2e-6')],
  GuidedIntegratedGradients: [path(`its authors' software, ${saliency}`, '9e-5', "`rule: 'left'`")],
  BlurIntegratedGradients: [
    path(`its authors' software, ${saliency}, with finer differences`, '2e-5', "`rule: 'riemann_left'`"),
  ],
  FeatureAblation: [peer(captum, '4e-6')],
  LayerActivation: [peer(captum, '2e-7')],
  LayerGradientXActivation: [peer(captum, '3e-7')],
  LayerIntegratedGradients: [peer(captum, '4e-7', "`path: 'layer'`")],
  LayerConductance: [
    peer(captum, '3e-7', "`points: 'captum'`"),
    exact(example, 'methods/layerMethods.test.ts'),
  ],
  InternalInfluence: [peer(captum, '1e-7'), exact(example, 'methods/layerMethods.test.ts')],
  NeuronGradient: [peer(captum, '3e-7')],
  NeuronIntegratedGradients: [peer(captum, '2e-7')],
  NeuronConductance: [
    peer(captum, '1e-7'),
    peer(`${captum}, trapezoid`, '3e-7', "`rule: 'captum-trapezoid'`"),
  ],
  Cam: [
    rules(torchCam, '3e-7'),
    exact('Grad-CAM times the places, in closed form', 'methods/forwardCams.test.ts'),
  ],
  GradCam: [peer(gradCam, '3e-7'), exact(example, 'methods/cam.test.ts')],
  GradCamPlusPlus: [peer(gradCam, '3e-7'), exact(example, 'methods/cam.test.ts')],
  HiResCam: [peer(gradCam, '2e-7'), exact(example, 'methods/cam.test.ts')],
  GradCamElementwise: [peer(gradCam, '2e-7')],
  LayerCam: [peer(gradCam, '2e-7'), exact(example, 'methods/cam.test.ts')],
  XGradCam: [peer(gradCam, '3e-7'), exact(example, 'methods/cam.test.ts')],
  ScoreCam: [peer(gradCam, '3e-6', "`masks: 'corners'`")],
  AblationCam: [peer(`${gradCam}, its ablation set to 0 as in the paper`, '2e-6')],
  EigenCam: [peer(`${gradCam}, but for the sign`, '6e-6')],
  GuidedGradCam: [peer(captum, '6e-7', "`interpolation: 'nearest'`")],
  RawAttention: [attention('torchvision 0.28.0, timm 1.0.29, transformers 5.18.0', '1e-6')],
  AttentionRollout: [
    attention(chefer, '2e-7'),
    attention(
      `${vitExplain}, rows divided by their own sums`,
      '4e-7',
      "`heads: 'max'` or `'min'`, or `discard`",
    ),
  ],
  GradientXAttention: [attention(chefer, '1e-6'), exact(example, 'methods/attention.test.ts')],
  LeGrad: [
    attention(torchCam, '2e-7', "`scores: 'layers'`"),
    attention(`${torchCam}, given scores that the layers behind make`, '5e-7'),
  ],
  ReAGent: [
    peer(
      "its authors' software (casszhao/ReAGent, 78097738), given the same draws",
      '7e-7',
      "`replacement: 'uniform'`",
      'methods/generation/reAGentPeers.test.ts',
    ),
    exact(example, 'methods/generation/reAGentChain.test.ts'),
  ],
  ValueZeroing: [exact('PyTorch 2.13.0 in double precision', 'methods/generation/valueZeroing.test.ts')],
  Occlusion: [peer(captum, '3e-6'), masked(captum)],
  LeaveOneOut: [
    game(`${captum}, FeatureAblation`, '4e-6'),
    exact('a linear function, in closed form', 'methods/perturbation.test.ts'),
  ],
  Rise: [
    game(`${xplique}, given the same grids and places`, '2e-7'),
    game(
      "its authors' software (eclique/RISE, d91ea006), given the same masks",
      '2e-7',
      "`normalization: 'expected'`",
    ),
    sampler(example),
  ],
  Lime: [masked(captum), sampler(example)],
  KernelShap: [masked('shap 0.51.0, over all coalitions'), sampler(example)],
  ShapleyValueSampling: [
    game(`${captum}, given the same orders`, '1e-6'),
    sampler('Shapley values, over all orders'),
  ],
  ShapleyValues: [peer(captum, '5e-7'), masked(captum)],
  OwenValues: [masked('shap 0.51.0, nested groups')],
  Hsic: [
    game(xplique, '1e-6'),
    exact('the matrices of Xplique 2.0, written out', 'games/xpliqueFormulas.test.ts'),
  ],
  Sobol: [
    game(`${xplique}, Jansen and Glen; amplitudes`, '4e-6'),
    game(`${xplique}, Homma and Saltelli`, '7e-5', "`estimator: 'homma'` or `'saltelli'`"),
    exact('the formulas of Xplique 2.0, written out', 'games/xpliqueFormulas.test.ts'),
  ],
  Lima: [
    search('RuoyuChen10/LIMA, 42fdce1d', '6e-7', '`effectiveness: 2`, and none'),
    exact(example, 'methods/regions/lima.test.ts'),
    exact('the best of all 720 orders', 'methods/regions/greedySearch.test.ts'),
  ],
  Smdl: [
    search('RuoyuChen10/SMDL-Attribution, faea7f03', '5e-7', '`evidence`, and entropy'),
    exact(example, 'methods/regions/smdl.test.ts'),
  ],
  SmoothGrad: [
    rules(`${captum}, given the same noise, around Saliency and IntegratedGradients`, '3e-7'),
    exact('the method itself without noise', 'methods/properties.test.ts'),
  ],
  SmoothGradSquared: [
    rules(`${captum}, given the same noise`, '3e-7'),
    exact('x² + sigma² of a square', 'methods/properties.test.ts'),
  ],
  VarGrad: [
    rules(`${captum}, given the same noise`, '2e-6', '`biased`'),
    exact('0 without noise; its biased form', 'methods/properties.test.ts'),
  ],
  Tcav: [
    peer(
      `${captum}, given the same concept vectors`,
      '8e-7',
      undefined,
      'methods/concepts/tcavPeers.test.ts',
    ),
    exact("SciPy 1.17.1's test of Welch", 'methods/concepts/tcavPeers.test.ts'),
  ],
  LayerwiseRelevance: [
    rules(`${captum}, epsilon`, '8e-7'),
    rules(`${captum}, gamma in convolutions`, '2e-5', "`convolution: 'gamma'`"),
    rules(`${captum}, alpha 1 and beta 0 in convolutions`, '3e-5', "`convolution: 'captumAlpha1Beta0'`"),
    exact(`${example}, Captum's defects among it`, 'methods/relevance.test.ts'),
  ],
  AttnLrp: [rules(lxt, '2e-7'), exact(`${example}; its explicit rules`, 'methods/relevance.test.ts')],
  TransformerAttribution: [
    peer(
      "its authors' software (hila-chefer/Transformer-Explainability, c3e578f7), given the relevance of LXT (f0434417)",
      '3e-7',
      undefined,
      'methods/transformerPeers.test.ts',
    ),
    exact('its formula, written out', 'methods/attention.test.ts'),
  ],
}
