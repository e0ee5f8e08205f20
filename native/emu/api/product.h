// A product of matrices that lie column by column, as cuBLAS and
// cuBLASLt are asked for it. Sums are fp32 in the order of k.
#pragma once

#include "emu/api/call.h"

namespace pn::emu {

enum Type : int { type_fp32 = 0, type_fp16 = 2, type_bf16 = 14 };

// What cuBLAS and cuBLASLt answer for a code of the driver.
int blas_status(int result);

struct Matrix {
    Pointer data;
    Type type;
    long long rows, columns, leading;

    std::size_t element() const { return type == type_fp32 ? 4 : 2; }
    const char* at(long long i, long long j) const {
        return reinterpret_cast<const char*>(data) + static_cast<std::size_t>(j * leading + i) * element();
    }
    float get(long long i, long long j) const;
    void set(long long i, long long j, float x) const;
    float round(float x) const;  // to the type

    // Refuses what is not within device memory.
    void check(const char* name) const;
};

// D = alpha A' B' + beta C + bias, where ' transposes or does
// nothing; the bias, where there is one, has an element for each row.
struct Product {
    Matrix a, b, c, d, bias;
    bool transpose_a, transpose_b;
    float alpha, beta;
    bool halves_rounded = false;  // the sums of two halves of k meet in the type of D
    float* sums = nullptr;        // device memory for the sums of one column

    long long depth() const { return transpose_a ? a.rows : a.columns; }
    void check() const;
    void run() const;
};

}  // namespace pn::emu
