// The objects of cuBLASLt that a program holds. They are the host's: no context takes them with it.
#pragma once

#include "emu/api/product.h"

#include <cstdint>

namespace pn::emu {

struct LtHandle {
    static constexpr const char* word = "cuBLASLt handle";
};

struct LtDescriptor {
    static constexpr const char* word = "description of a product";
    bool transpose_a = false, transpose_b = false, has_bias = false;
    Pointer bias = 0;
};

struct LtLayout {
    static constexpr const char* word = "layout";
    Type type;
    long long rows, columns, leading;

    Matrix at(Pointer data) const { return {data, type, rows, columns, leading}; }
    bool operator==(const LtLayout&) const = default;
};

struct LtPreference {
    static constexpr const char* word = "preference";
    std::uint64_t workspace = 0;
    std::uint32_t reductions = 7, alignments[4] = {256, 256, 256, 256};  // of A, B, C and D
};

}  // namespace pn::emu
