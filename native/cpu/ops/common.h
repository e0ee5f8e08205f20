// What the operations share: typed access to tensors, rows and sums of columns shared among workers.
#pragma once

#include "core/context.h"
#include "simd/range.h"
#include "simd/simd.h"

namespace pn::PN_ISA {

PN_INLINE bool present(const pn_tensor& t) { return t.data != nullptr; }
template <class T = float>
PN_INLINE T* data(const pn_tensor& t) { return static_cast<T*>(t.data); }
template <class T = float>
PN_INLINE T* row(const pn_tensor& t, std::ptrdiff_t i) { return data<T>(t) + i * t.stride; }
PN_INLINE const int* ints(const pn_tensor& t) { return static_cast<const int*>(t.data); }

// Calls body(T()) with the element type of a tensor.
template <class Body>
PN_INLINE void with_element(const pn_tensor& t, Body&& body) {
    if (t.type == PN_BFLOAT16) body(bf16{});
    else body(float{});
}

// Hardware does not see in time that parts of rows far from each other follow.
constexpr std::ptrdiff_t prefetched_rows = 8;
template <class T>
PN_INLINE void prefetch_row(const T* x, std::ptrdiff_t columns) {
    for (std::ptrdiff_t c = 0; c < columns; c += 64 / static_cast<std::ptrdiff_t>(sizeof(T))) prefetch(x + c, true);
}

// Rows side by side, each of `columns` elements.
template <class T, class U>
PN_INLINE void copy_rows(const T* x, std::ptrdiff_t stride, std::ptrdiff_t rows, std::ptrdiff_t columns, U* out,
                         std::ptrdiff_t out_stride) {
    for (std::ptrdiff_t r = 0; r < rows; r++) {
        if (r + prefetched_rows < rows) prefetch_row(x + (r + prefetched_rows) * stride, columns);
        for_vectors(columns,
                    [&](std::ptrdiff_t c, int n) { store(out + r * out_stride + c, load(x + r * stride + c, n), n); });
    }
}

// Runs body(row) for all rows, each worker a range of them.
template <class Body>
void for_rows(pn_context& context, std::ptrdiff_t rows, double steps_per_row, Body&& body) {
    const int workers = context.workers(static_cast<double>(rows) * steps_per_row);
    context.pool.run(workers, [&](int worker) {
        const Range range = part_of(rows, worker, workers);
        for (std::ptrdiff_t i = range.begin; i < range.end; i++) body(i);
    });
}

constexpr std::ptrdiff_t reduced_rows = 64;  // sums over rows are made in blocks of so many rows

// target[c] += sum over rows of value(row, c, n), which returns up
// to W values from column c; each worker owns a range of columns.
template <class Value>
void add_column_sums(pn_context& context, std::ptrdiff_t rows, std::ptrdiff_t columns, float* target, Value&& value) {
    const int workers = context.workers(static_cast<double>(rows) * static_cast<double>(columns));
    context.pool.run(workers, [&](int worker) {
        const Range range = part_of(columns, worker, workers, 16);
        for (std::ptrdiff_t c = range.begin; c < range.end; c += W) {
            const int n = static_cast<int>(smaller<std::ptrdiff_t>(W, range.end - c));
            F total = load(target + c, n);
            for (std::ptrdiff_t i = 0; i < rows; i += reduced_rows) {
                F block = zero();
                for (std::ptrdiff_t r = i; r < smaller(rows, i + reduced_rows); r++) block += value(r, c, n);
                total += block;
            }
            store(target + c, total, n);
        }
    });
}

}  // namespace pn::PN_ISA
