#pragma once

namespace ascribe::fuzz {

/// What blocks of working memory hold before anybody writes to them, from now on: what a kernel reads without having
/// written it shows in a second run with another filling.
void fillNewMemory(unsigned char byte);

}  // namespace ascribe::fuzz
