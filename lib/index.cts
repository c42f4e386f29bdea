// The CommonJS entry. It stands inside the package so that Node versions that still warn of require() of a module
// written in ESM do so only for the application's own files.
import index = require('./index.js')

export = index
