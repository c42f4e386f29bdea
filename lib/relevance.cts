// The CommonJS entry of ascribe/relevance; see index.cts.
import relevance = require('./relevance.js')

export = relevance
