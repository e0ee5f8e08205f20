#include "emu/api/product.h"

#include "emu/kernel/half.h"
#include "emu/run/memory.h"

#include <cmath>
#include <cstring>
#include <vector>

namespace pn::emu {

namespace {

template <class T>
T read(const char* p) {
    T x;
    std::memcpy(&x, p, sizeof x);
    return x;
}

template <class T>
void write(char* p, T x) {
    std::memcpy(p, &x, sizeof x);
}

}  // namespace

int blas_status(int result) {
    constexpr int allocation_failed = 3, invalid_argument = 7, execution_failed = 13, unsupported = 15;
    switch (result) {
        case success: return 0;
        case out_of_memory: return allocation_failed;
        case invalid_value:
        case invalid_handle: return invalid_argument;
        case not_supported: return unsupported;
        default: return execution_failed;
    }
}

float Matrix::get(long long i, long long j) const {
    if (type == type_fp32) return read<float>(at(i, j));
    return type == type_bf16 ? widen(read<bf16>(at(i, j))) : widen(read<fp16>(at(i, j)));
}

void Matrix::set(long long i, long long j, float x) const {
    char* const p = const_cast<char*>(at(i, j));
    if (type == type_fp32) return write(p, x);
    return type == type_bf16 ? write(p, to_bf16(x)) : write(p, to_fp16(x));
}

float Matrix::round(float x) const {
    if (type == type_fp32) return x;
    return type == type_bf16 ? widen(to_bf16(x)) : widen(to_fp16(x));
}

void Matrix::check(const char* name) const {
    require(type == type_fp32 || type == type_fp16 || type == type_bf16, "a type that is not fp32, fp16 or bf16");
    require(leading >= rows && leading > 0, "a leading dimension that is smaller than a column");
    if (rows == 0 || columns == 0) return;
    const auto bytes = static_cast<std::size_t>((columns - 1) * leading + rows) * element();
    if (!DeviceMemory::get().holds(at(0, 0), bytes))
        throw Failure{invalid_value,
                      std::string(name) + " is not within one allocation: " + DeviceMemory::get().describe(at(0, 0))};
}

void Product::check() const {
    a.check("A"), b.check("B"), c.check("C"), d.check("D");
    if (bias.data != 0) bias.check("the bias");
}

void Product::run() const {
    check();
    const auto rows = static_cast<std::size_t>(d.rows), k_end = static_cast<std::size_t>(depth());
    std::vector<float> left(rows * k_end), own(sums == nullptr ? rows : 0);
    for (std::size_t k = 0; k < k_end; k++)
        for (std::size_t i = 0; i < rows; i++) {
            const auto row = static_cast<long long>(i), at = static_cast<long long>(k);
            left[k * rows + i] = transpose_a ? a.get(at, row) : a.get(row, at);
        }
    float* const sum = sums == nullptr ? own.data() : sums;
    for (long long j = 0; j < d.columns; j++) {
        std::fill(sum, sum + rows, 0.0f);
        for (std::size_t k = 0; k < k_end; k++) {
            const auto at = static_cast<long long>(k);
            const float factor = transpose_b ? b.get(j, at) : b.get(at, j);
            const float* const from = &left[k * rows];
            for (std::size_t i = 0; i < rows; i++) sum[i] += from[i] * factor;
            if (halves_rounded && k == k_end / 2)
                for (std::size_t i = 0; i < rows; i++) sum[i] = d.round(sum[i]);
        }
        for (std::size_t i = 0; i < rows; i++) {
            const auto row = static_cast<long long>(i);
            const float value = alpha * sum[i] + (beta == 0 ? 0 : beta * c.get(row, j));
            d.set(row, j, bias.data != 0 ? value + bias.get(row, 0) : value);
        }
    }
    if (sums != nullptr) std::fill(sums, sums + rows, NAN);  // nobody may count on what is left there
}

}  // namespace pn::emu
