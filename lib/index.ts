export { type Aggregation, aggregations } from './attribution/aggregate.js'
export type { AttributedInput, AttributedInputInit } from './attribution/attributedInput.js'
export {
  Attribution,
  type AttributionInit,
  type RenderOptions,
  type TopUnit,
} from './attribution/attribution.js'
export type { Comparison } from './attribution/compare.js'
export { type GroupReduction, groupReductions, type TextGrouping } from './attribution/groups.js'
export type { Picture } from './attribution/picture.js'
export type { TextOptions } from './attribution/text.js'
export type {
  AttributionWarning,
  Checks,
  Completeness,
  Cost,
  Environment,
  Json,
  MethodDescription,
  ModelDescription,
  OutputEntry,
  ProcessingStep,
  TargetDescription,
} from './attribution/types.js'
export type { GridLayout, GridUnits, TensorUnits, TokenUnits, Units } from './attribution/units.js'
export {
  type AnswerRequest,
  AnswerSimilarity,
  type AnswerSimilarityOptions,
} from './context/answerSimilarity.js'
export {
  type AnswerSource,
  AnswerTrace,
  type TracedDocument,
  type TracedSentence,
} from './context/answerTrace.js'
export { bleu } from './context/bleu.js'
export {
  ContextAttribution,
  type ContextAttributionInit,
  type ContextCost,
  type RankedText,
  type TokenScore,
} from './context/contextAttribution.js'
export {
  ContextPrompt,
  type ContextQuestion,
  type ContextRequest,
  type PromptTokenisation,
  type PromptTokens,
  promptTokenisations,
  type TokenRequest,
} from './context/contextPrompt.js'
export {
  type AnswerQuote,
  type QuoteAnswerOptions,
  type QuotedSpan,
  quoteAnswer,
} from './context/quoteAnswer.js'
export { ResponseScores } from './context/responseScores.js'
export type { ResponseTokens } from './context/responseTokens.js'
export {
  type ContextText,
  type ContextUnit,
  contextUnits,
  joinPassages,
  type SegmentOptions,
  segmentText,
} from './context/segmentText.js'
export { type StreamAnswerOptions, type StreamedAnswer, streamAnswer } from './context/streamAnswer.js'
export {
  answerWithout,
  type TraceAnswerOptions,
  type TraceAnswerRequest,
  traceAnswer,
} from './context/traceAnswer.js'
export { fitPreprocessing, type ModelDimension } from './data/fitPreprocessing.js'
export { parsePreprocessorConfig, readPreprocessorConfig } from './data/huggingFacePreprocessing.js'
export { Image } from './data/image.js'
export { type ReadNpyOptions, readNpy, writeNpy } from './data/npy.js'
export type { Placement } from './data/placement.js'
export type { Pixels } from './data/png.js'
export { type PreprocessedImage, preprocess } from './data/preprocess.js'
export {
  type Preprocessing,
  type PreprocessingDescription,
  type PreprocessingOption,
  resolvePreprocessing,
  type Size,
} from './data/preprocessing.js'
export { type PreprocessingPreset, preprocessingPresets } from './data/preprocessingPresets.js'
export { type ReadImageOptions, readImage } from './data/readImage.js'
export type { ResampleFilter } from './data/resample.js'
export {
  type ReadSafetensorsOptions,
  readSafetensors,
  writeSafetensors,
} from './data/safetensors.js'
export {
  createTensor,
  type DType,
  type Tensor,
  type TensorArrays,
  tensorFrom,
  validateTensor,
} from './data/tensor.js'
export {
  type Encoding,
  loadTokenizer,
  type Tokenizer,
  type TokenizerOptions,
} from './data/tokenizer/tokenizer.js'
export { AscribeError, type ErrorCode, errorCodes } from './errors.js'
export { BlackBox, type BlackBoxFunction, type BlackBoxOptions } from './frontends/blackbox/blackBox.js'
export { fromFunction } from './frontends/blackbox/fromFunction.js'
export { fromHttp, type HttpOptions } from './frontends/blackbox/fromHttp.js'
export {
  fromOnnxRuntime,
  type OnnxRuntimeOptions,
  type OnnxRuntimeSession,
} from './frontends/blackbox/fromOnnxRuntime.js'
export { type HttpFormat, openInference } from './frontends/blackbox/openInference.js'
export type { GenerationDefaults } from './frontends/checkpoints/generationConfig.js'
export type { Checkpoint } from './frontends/checkpoints/loadCheckpoint.js'
export type { Hierarchy } from './games/samplers/owen.js'
export { type PredictionName, predictionNames } from './graph/predictionTarget.js'
export {
  type ClassName,
  type DetectionOutputs,
  type PredictionDetails,
  type Score,
  Target,
  type TargetOptions,
} from './graph/target.js'
export type { ChatMessage } from './language/chatPrompt.js'
export { Embedder, type EmbedderOptions, type EmbedOptions, type Pooling } from './language/embedder.js'
export { Entailment, type EntailmentOptions, type JudgeOptions } from './language/entailment.js'
export {
  type AttentionObserver,
  type FinishReason,
  type GenerateOptions,
  type Generation,
  type GenerationPiece,
  Generator,
  type Prompt,
} from './language/generator.js'
export type { AnswerUsage, BudgetOptions, Prices, Usage } from './language/remote/budget.js'
export { type EndpointOptions, LanguageEndpoint } from './language/remote/endpoint.js'
export type { RecordingMode } from './language/remote/recording.js'
export { RemoteEmbedder, type RemoteEmbedderOptions } from './language/remote/remoteEmbedder.js'
export { RemoteEntailment } from './language/remote/remoteEntailment.js'
export {
  type RemoteGenerateOptions,
  type RemoteGeneration,
  RemoteGenerator,
  type RemotePiece,
  type RemoteToken,
} from './language/remote/remoteGenerator.js'
export { type RemoteScore, RemoteScorer } from './language/remote/remoteScorer.js'
export { type ScoreOptions, type ScoreRequest, Scorer, type TextScore } from './language/scorer.js'
export type {
  EntailmentPair,
  EntailmentScore,
  TextEmbedder,
  TextEntailment,
  TextGenerationOptions,
  TextGenerator,
  TextScorer,
} from './language/services.js'
export {
  AttentionRollout,
  type AttentionRolloutOptions,
} from './methods/attention/attentionRollout.js'
export {
  GradientXAttention,
  type GradientXAttentionOptions,
} from './methods/attention/gradientXAttention.js'
export { LeGrad, type LeGradOptions } from './methods/attention/leGrad.js'
export { RawAttention, type RawAttentionOptions } from './methods/attention/rawAttention.js'
export type { AttributionMethod } from './methods/attributionMethod.js'
export { type ConceptMethodEntry, type ConceptTest, conceptMethods } from './methods/concepts/registry.js'
export {
  Tcav,
  type TcavConcept,
  type TcavExamples,
  type TcavOptions,
  type TcavResult,
} from './methods/concepts/tcav.js'
export { At2, type At2FitOptions, type At2Options } from './methods/context/at2.js'
export {
  AttnTrace,
  type AttnTraceOptions,
  ResponseTrace,
  type TraceOptions,
} from './methods/context/attnTrace.js'
export { ContextCite, type ContextCiteOptions } from './methods/context/contextCite.js'
export { ContextLeaveOneOut } from './methods/context/contextLeaveOneOut.js'
export { ContextShapley, type ContextShapleyOptions } from './methods/context/contextShapley.js'
export { DenoisedShapley, type DenoisedShapleyOptions } from './methods/context/denoisedShapley.js'
export type { TrainedWeights } from './methods/context/headWeightTraining.js'
export {
  PerturbedContext,
  type PerturbedModel,
  type TracedContext,
} from './methods/context/perturbedContext.js'
export {
  type ContextMethod,
  type ContextMethodEntry,
  contextMethods,
  findContextMethod,
} from './methods/context/registry.js'
export { SelfCitation, type SelfCitationOptions } from './methods/context/selfCitation.js'
export { SingleTextContribution } from './methods/context/singleTextContribution.js'
export {
  StreamedTrace,
  type StreamedTraceOptions,
  type TracedGenerateOptions,
} from './methods/context/streamedTrace.js'
export { TracLLM, type TracLlmOptions } from './methods/context/tracLlm.js'
export { explainGeneration } from './methods/generation/explainGeneration.js'
export { GenerationAttribution, type GenerationStep } from './methods/generation/generationAttribution.js'
export type { ExplainGenerationOptions, GenerationMethod } from './methods/generation/generationOptions.js'
export type { StepScoreName } from './methods/generation/predictionScores.js'
export { ReAGent, type ReAGentOptions, type ReplacementSources } from './methods/generation/reAGent.js'
export { ValueZeroing, type ValueZeroingOptions } from './methods/generation/valueZeroing.js'
export {
  BlurIntegratedGradients,
  type BlurIntegratedGradientsOptions,
} from './methods/inputs/blurIntegratedGradients.js'
export { DeepLift, type DeepLiftOptions } from './methods/inputs/deepLift.js'
export { DeepLiftShap } from './methods/inputs/deepLiftShap.js'
export {
  ExactIntegratedGradients,
  type ExactIntegratedGradientsOptions,
} from './methods/inputs/exactIntegratedGradients.js'
export { FeatureAblation, type FeatureAblationOptions } from './methods/inputs/featureAblation.js'
export type {
  AttributeOptions,
  Baseline,
  Explained,
  GradientMethod,
} from './methods/inputs/gradientMethod.js'
export { GradientShap, type GradientShapOptions } from './methods/inputs/gradientShap.js'
export {
  GuidedIntegratedGradients,
  type GuidedIntegratedGradientsOptions,
} from './methods/inputs/guidedIntegratedGradients.js'
export { Idgi, type IdgiOptions } from './methods/inputs/idgi.js'
export { InputXGradient } from './methods/inputs/inputXGradient.js'
export { IntegratedGradients, type IntegratedGradientsOptions } from './methods/inputs/integratedGradients.js'
export {
  type Quadrature,
  type QuadratureRule,
  quadrature,
  quadratureRules,
} from './methods/inputs/quadrature.js'
export { Deconvolution, GuidedBackprop } from './methods/inputs/rectifierMethods.js'
export { Saliency, type SaliencyOptions } from './methods/inputs/saliency.js'
export {
  SmoothGrad,
  type SmoothGradOptions,
  SmoothGradSquared,
  VarGrad,
  type VarGradOptions,
} from './methods/inputs/smoothGrad.js'
export { AblationCam } from './methods/layers/ablationCam.js'
export {
  Cam,
  GradCam,
  GradCamElementwise,
  GradCamPlusPlus,
  HiResCam,
  LayerCam,
  XGradCam,
} from './methods/layers/cam.js'
export type { CamOptions, GuidedGradCamOptions } from './methods/layers/camOptions.js'
export { EigenCam } from './methods/layers/eigenCam.js'
export { GuidedGradCam } from './methods/layers/guidedGradCam.js'
export { InternalInfluence, type InternalInfluenceOptions } from './methods/layers/internalInfluence.js'
export { LayerActivation } from './methods/layers/layerActivation.js'
export { LayerConductance, type LayerConductanceOptions } from './methods/layers/layerConductance.js'
export { LayerGradientXActivation } from './methods/layers/layerGradientXActivation.js'
export {
  LayerIntegratedGradients,
  type LayerIntegratedGradientsOptions,
} from './methods/layers/layerIntegratedGradients.js'
export { ScoreCam } from './methods/layers/scoreCam.js'
export {
  HiddenStateLaquer,
  type HiddenStateLaquerOptions,
  type LaquerRequest,
  type LaquerResponse,
} from './methods/localised/hiddenStateLaquer.js'
export type { LaquerExample } from './methods/localised/laquerPrompts.js'
export {
  type PromptedAttribution,
  PromptLaquer,
  type PromptLaquerOptions,
} from './methods/localised/promptLaquer.js'
export type { LocalisedAttribution, LocalisedSpan } from './methods/localised/result.js'
export {
  type CoarseRecord,
  type LocalisedQuery,
  type QuerySource,
  type SourceInterval,
  utf16Offset,
} from './methods/localised/sources.js'
export { alignFact, type FactAlignment, wordsOf } from './methods/localised/wordAlignment.js'
export { type NamedMethod, namedMethod } from './methods/namedMethod.js'
export { NeuronConductance, type NeuronConductanceOptions } from './methods/neurons/neuronConductance.js'
export { NeuronGradient, type NeuronGradientOptions } from './methods/neurons/neuronGradient.js'
export { NeuronIntegratedGradients } from './methods/neurons/neuronIntegratedGradients.js'
export type { Neuron } from './methods/neurons/neuronTarget.js'
export type { Absence } from './methods/regions/absence.js'
export {
  ErrorExplanation,
  type ErrorSummary,
  type PathPoint,
  summarizeErrors,
} from './methods/regions/errorExplanation.js'
export { FeaturePermutation, type FeaturePermutationOptions } from './methods/regions/featurePermutation.js'
export type { PrefixScores, SearchResult } from './methods/regions/greedySearch.js'
export { Hsic, type HsicOptions } from './methods/regions/hsic.js'
export { KernelShap, type KernelShapOptions } from './methods/regions/kernelShap.js'
export { LeaveOneOut, type LeaveOneOutOptions } from './methods/regions/leaveOneOut.js'
export { Lima, type LimaOptions } from './methods/regions/lima.js'
export { Lime, type LimeOptions } from './methods/regions/lime.js'
export { Occlusion, type OcclusionOptions } from './methods/regions/occlusion.js'
export { OwenValues, type OwenValuesOptions } from './methods/regions/owenValues.js'
export type { RegionScores, RegionWeights } from './methods/regions/regionScores.js'
export { type MisleadingRegion, RegionSearch } from './methods/regions/regionSearch.js'
export type { RegionSearchMethod } from './methods/regions/regionSearchMethod.js'
export { Rise, type RiseOptions } from './methods/regions/rise.js'
export type { CurvePoint } from './methods/regions/searchCurves.js'
export {
  ShapleyValueSampling,
  type ShapleyValueSamplingOptions,
} from './methods/regions/shapleyValueSampling.js'
export { ShapleyValues, type ShapleyValuesOptions } from './methods/regions/shapleyValues.js'
export { Smdl, type SmdlOptions } from './methods/regions/smdl.js'
export { Sobol, type SobolOptions } from './methods/regions/sobol.js'
export { type Capability, findMethod, type MethodEntry, methods } from './methods/registry.js'
export { Complexity } from './metrics/complexity.js'
export { Comprehensiveness } from './metrics/comprehensiveness.js'
export { Deletion } from './metrics/deletion.js'
export type { ErasureOptions } from './metrics/erasure.js'
export {
  FaithfulnessCorrelation,
  type FaithfulnessCorrelationOptions,
} from './metrics/faithfulnessCorrelation.js'
export type { BaselineOption } from './metrics/faithfulnessMetric.js'
export {
  type ErasurePoint,
  type GenerationErasureOptions,
  generationErasure,
} from './metrics/generationErasure.js'
export { Infidelity, type InfidelityOptions } from './metrics/infidelity.js'
export { Insertion } from './metrics/insertion.js'
export { bootstrapInterval, type Interval, wilsonInterval } from './metrics/intervals.js'
export { pointingGame, relevanceMass, relevanceRank, type ScorePart } from './metrics/localisation.js'
export { Localisation, type LocalisationOptions } from './metrics/localisationMetric.js'
export {
  type ComparedMethod,
  type CompareOptions,
  type ComparisonRow,
  compareMethods,
  type MethodComparison,
} from './metrics/methodComparison.js'
export { type EvaluateOptions, Metric } from './metrics/metric.js'
export { MuFidelity, type MuFidelityOptions } from './metrics/muFidelity.js'
export { centreGaussianMap, sobelMap, uniformMap } from './metrics/nullMaps.js'
export {
  ParameterRandomisation,
  type ParameterRandomisationOptions,
  type RandomisationResult,
  type RandomisationRun,
} from './metrics/parameterRandomisation.js'
export { PixelFlipping, type PixelFlippingOptions } from './metrics/pixelFlipping.js'
export type { MethodSource, RecordedMaps } from './metrics/randomisedMaps.js'
export { RandomLogit, type RandomLogitOptions } from './metrics/randomLogit.js'
export { findMetric, type MetricEntry, metrics } from './metrics/registry.js'
export {
  type CheckedRemoval,
  type CheckedResponse,
  type RemovalCheck,
  type RemovalCheckOptions,
  removalCheck,
} from './metrics/removalCheck.js'
export type { CurveOptions } from './metrics/removalCurve.js'
export type { MetricResult, SampleResult, Summary } from './metrics/result.js'
export { Road, type RoadOptions } from './metrics/road.js'
export type { Attributer, MapSource, MetricSample, RecordedMap } from './metrics/sample.js'
export { SensitivityMax, type SensitivityMaxOptions } from './metrics/sensitivityMax.js'
export { withShuffledParameters } from './metrics/shuffledParameters.js'
export {
  type SoftContextFaithfulness,
  type SoftContextFaithfulnessOptions,
  softContextFaithfulness,
} from './metrics/softContextFaithfulness.js'
export {
  type SoftFaithfulness,
  type SoftFaithfulnessOptions,
  type SoftMean,
  softFaithfulness,
} from './metrics/softFaithfulness.js'
export { type MapMetricOptions, Sparseness } from './metrics/sparseness.js'
export type { MetricBaseline } from './metrics/subject.js'
export { Sufficiency } from './metrics/sufficiency.js'
export { classify } from './model/classify.js'
export { type ComposedHead, type ComposeOptions, compose } from './model/compose.js'
export {
  type DerivativeOptions,
  hessianVectorProduct,
  jacobianVectorProduct,
  vectorJacobianProduct,
} from './model/derivatives.js'
export type { Explainable } from './model/explainable.js'
export { type LoadModelOptions, loadModel } from './model/loadModel.js'
export {
  type BatchAxis,
  type ComputePrecision,
  Model,
  type ModelInputs,
  type ModelValue,
  type Recomputation,
  type RunModelOptions,
  type RunModelResult,
} from './model/model.js'
export { type ZeroShotOptions, zeroShotClassifier } from './model/zeroShotClassifier.js'
export { audioPatches } from './regions/audioPatches.js'
export { tableColumns } from './regions/columns.js'
export { makeRegions, type RegionsOption } from './regions/makeRegions.js'
export { type MaskListOptions, maskRegions, type RegionMask } from './regions/maskList.js'
export { gridRegions, type Regions, regionAreas, regionsFromLabels } from './regions/regions.js'
export { type SaliencySetsOptions, saliencySets } from './regions/saliencySets.js'
export { type SeedsOptions, seedsRegions } from './regions/seeds.js'
export { type SlicOptions, slicRegions } from './regions/slic.js'
export { type SlicoOptions, slicoRegions } from './regions/slico.js'
export { type Span, textSpans } from './regions/spans.js'
export { comparisonPage } from './report/comparisonPage.js'
export { curvesSvg } from './report/curvesSvg.js'
export { drawRegions } from './report/drawRegions.js'
export type { FigureOptions } from './report/figure.js'
export type { MapInterpolation } from './report/scoreMap.js'
export { type DoctorReport, doctor } from './tools/doctor.js'
export {
  type CheckpointReport,
  type InspectOptions,
  inspectModel,
  type ModelReport,
} from './tools/inspect.js'
export {
  type ErrorReport,
  type KnownPicture,
  type ReportErrorsOptions,
  type ReportedError,
  reportErrors,
} from './tools/reportErrors.js'
export { type ValueComparison, type VerifyOptions, type VerifyReport, verifyModel } from './tools/verify.js'
export { libraryVersion } from './version.js'
