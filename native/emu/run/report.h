// What went wrong, in words: the driver's error codes alone say little.
#pragma once

#include <cstddef>
#include <string>

namespace pn::emu {

void report(std::string text);
std::string last_report();
void clear_report();

}  // namespace pn::emu
