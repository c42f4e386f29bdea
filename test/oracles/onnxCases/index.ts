import type { OnnxCase } from './case.js'
import { compositeCases } from './composite.js'
import { controlCases } from './control.js'
import { elementwiseCases } from './elementwise.js'
import { linearCases } from './linear.js'
import { microsoftCases } from './microsoft.js'
import { operatorSetCases } from './operatorSets.js'
import { quantisedCases } from './quantised.js'
import { recurrentCases } from './recurrent.js'
import { samplingCases } from './samplings.js'
import { selectionCases } from './selections.js'
import { shapeCases } from './shapes.js'
import { spatialCases } from './spatial.js'

/** Small models over every operator that ascribe imports, in the forms that matter. */
export const onnxCases: readonly OnnxCase[] = [
  ...compositeCases,
  ...controlCases,
  ...elementwiseCases,
  ...linearCases,
  ...microsoftCases,
  ...quantisedCases,
  ...recurrentCases,
  ...samplingCases,
  ...selectionCases,
  ...shapeCases,
  ...spatialCases,
  ...operatorSetCases,
]
