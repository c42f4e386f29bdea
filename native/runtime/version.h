#pragma once

/// As in package.json; a test keeps the two equal.
#define ASCRIBE_VERSION "0.1.0"
