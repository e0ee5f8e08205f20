// Where in the source something was called, for reports.
#pragma once

namespace pn::emu {

struct Site {
    const char* file = "";
    int line = 0;

    static constexpr Site here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }
};

}  // namespace pn::emu
