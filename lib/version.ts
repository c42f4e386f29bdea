/** The version of this library, as in package.json (a test keeps the two equal). */
export const libraryVersion = '0.1.0'
