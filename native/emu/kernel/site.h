// Where in the source something was called, for reports.
#pragma once

#include <string_view>

namespace pn::emu {

struct Site {
    const char* file = "";
    int line = 0;

    static constexpr Site here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        return {file, line};
    }

    bool operator==(const Site& other) const {
        return line == other.line && (file == other.file || std::string_view(file) == other.file);
    }
};

}  // namespace pn::emu
