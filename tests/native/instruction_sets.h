// Tests that run once for every instruction set; the ones this machine lacks are skipped by name.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/features.h"
#include "core/kernels.h"
#include "peftnative.h"

struct CloseContext {
    void operator()(pn_context* context) const { pn_destroy(context); }
};
using ContextPointer = std::unique_ptr<pn_context, CloseContext>;

inline ContextPointer open(const std::string& instruction_set, int threads) {
    pn_context* context = nullptr;
    EXPECT_EQ(pn_create(threads, instruction_set.c_str(), &context), PN_OK) << pn_last_error();
    return ContextPointer(context);
}

class InstructionSets : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        kernels = pn::find_kernels(GetParam());
        if (kernels == nullptr) GTEST_SKIP() << "not exercised: this machine has no " << GetParam();
    }

    const pn::Kernels* kernels = nullptr;
};

#define FOR_ALL_INSTRUCTION_SETS(suite)                                                             \
    INSTANTIATE_TEST_SUITE_P(Cpu, suite, testing::Values("portable", "avx2", "avx512", "avx512bf16"),             \
                             [](const testing::TestParamInfo<std::string>& info) { return info.param; })

// A matrix with columns left over on its right, all set to a guard value.
struct Matrix {
    static constexpr float guard = -777.0f;

    Matrix(int row_count, int column_count, int stride_extra = 0)
        : rows(row_count), columns(column_count), stride(column_count + stride_extra),
          values(static_cast<std::size_t>(rows) * static_cast<std::size_t>(stride) + 1, guard) {}

    float& at(int i, int j) {
        return values[static_cast<std::size_t>(i) * static_cast<std::size_t>(stride) + static_cast<std::size_t>(j)];
    }
    float at(int i, int j) const { return const_cast<Matrix*>(this)->at(i, j); }

    // Small whole numbers: sums of their products are exact in any order.
    Matrix& whole_numbers(std::uint32_t seed) {
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++) {
                seed = seed * 1664525u + 1013904223u;
                at(i, j) = static_cast<float>(static_cast<int>(seed >> 24) % 9 - 4);
            }
        return *this;
    }

    Matrix& fill(float value) {
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++) at(i, j) = value;
        return *this;
    }

    bool guards_hold() const {
        for (int i = 0; i < rows; i++)
            for (int j = columns; j < stride; j++)
                if (at(i, j) != guard) return false;
        return values.back() == guard;
    }

    pn_tensor tensor() { return {values.data(), PN_FLOAT32, rows, columns, stride}; }

    int rows, columns, stride;
    std::vector<float> values;
};
