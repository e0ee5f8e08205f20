// What the forward and backward of a linear layer share: operands
// of products, and low-rank pairs as further steps of its tiles.
#pragma once

#include <limits>

#include "gemm/product.h"
#include "ops/common.h"

namespace pn::PN_ISA {

// How matrices of an element type are multiplied.
template <class T>
constexpr Words words_of = sizeof(T) == 2 ? Words::pairs : Words::floats;

// scale * S of a pair (or dS in the backward), with zero rows around it up to whole tiles.
struct LowRankRows {
    float* data;                // row `begin` of X first
    std::ptrdiff_t begin, end;  // rows of X, multiples of tile_rows
};

inline LowRankRows low_rank_rows(pn_context& context, const pn_low_rank& pair) {
    const std::ptrdiff_t rank = pair.a.rows, first = pair.row_start, last = first + pair.row_count;
    if (pair.row_count == 0 || rank == 0) return {nullptr, 0, 0};
    LowRankRows rows{nullptr, first / tile_rows * tile_rows, ceil_div<std::ptrdiff_t>(last, tile_rows) * tile_rows};
    rows.data = context.workspace.floats((rows.end - rows.begin) * rank);
    std::memset(rows.data, 0, sizeof(float) * static_cast<std::size_t>((first - rows.begin) * rank));
    std::memset(rows.data + (last - rows.begin) * rank, 0,
                sizeof(float) * static_cast<std::size_t>((rows.end - last) * rank));
    return rows;
}

// Fp32 values as sums of two of bf16, side by side, so that products of 16 bits lose nothing of them that counts: with
// `by_row` [rows, columns] becomes [2 rows, columns], else [rows, 2 columns].
inline pn_tensor split(pn_context& context, const pn_tensor& x, bool by_row) {
    const int across = by_row ? 1 : 2;
    pn_tensor out{context.workspace.floats(2 * static_cast<std::ptrdiff_t>(x.rows) * x.columns), PN_FLOAT32,
                  x.rows * (3 - across), x.columns * across, x.columns * across};
    for_rows(context, x.rows, 4.0 * x.columns, [&](std::ptrdiff_t i) {
        float* to = data(out) + i * 2 * x.columns;
        const std::ptrdiff_t next = by_row ? 1 : 2, partner = by_row ? x.columns : 1;
        for (std::ptrdiff_t c = 0; c < x.columns; c += W) {
            const int n = static_cast<int>(smaller<std::ptrdiff_t>(W, x.columns - c));
            const F value = load(row(x, i) + c, n), high = rounded(value);
            float coarse[W], fine[W];
            store(coarse, high);
            store(fine, value - high);
            for (int e = 0; e < n; e++) {
                to[(c + e) * next] = coarse[e];
                to[(c + e) * next + partner] = fine[e];
            }
        }
    });
    return out;
}

// S row by row (absent in the backward), and scale * S for the
// tiles; with `Split` from products with split() of A or B.
template <bool Split>
struct LowRankSink final : Sink {
    float *s, *scaled;
    std::ptrdiff_t stride, rank;
    float scale;

    LowRankSink(const pn_low_rank& pair, float* s, float* scaled)
        : s(s), scaled(scaled), stride(pair.s.stride), rank(pair.a.rows), scale(static_cast<float>(pair.scale)) {}

    void take(const Tile& t) const override {
        const F by = set(scale);
        for (int r = 0; r < t.rows; r++) {
            const float* sums = t.sums + r * tile_columns;
            const std::ptrdiff_t m = t.i + r;
            if constexpr (Split) {
                for (int c = 0; c < t.columns; c += 2) put(m, (t.j + c) / 2, sums[c] + sums[c + 1]);
            } else {
                for_vectors(t.columns, [&](std::ptrdiff_t c, int n) {
                    const F value = load(sums + c);
                    if (s != nullptr) store(s + m * stride + t.j + c, value, n);
                    store(scaled + m * rank + t.j + c, value * by, n);
                });
            }
        }
    }

private:
    void put(std::ptrdiff_t m, std::ptrdiff_t j, float value) const {
        if (s != nullptr) s[m * stride + j] = value;
        scaled[m * rank + j] = value * scale;
    }
};

// A product with A or B of a pair, and where its rows go.
struct LowRankProduct {
    Product product;
    LowRankRows rows;

    bool is_absent() const { return rows.data == nullptr; }
};

// Whether one job may make the products of all pairs and the large one, each worker from its rows, without a meeting in
// between. All of the right operands is packed by each worker then, which is no matter where there is little of it.
inline bool in_one_job(const pn_linear& op, const Product& large) {
    if (large.multiplications() > 1 << 21) return false;
    for (int p = 0; p < op.low_rank_count; p++)
        if (op.low_rank[p].row_start != 0 || op.low_rank[p].row_count != large.rows) return false;
    return true;
}

// The products of pairs, into what take(p) says, and the large one after them.
template <class Take>
void multiply_all(pn_context& context, const pn_linear& op, LowRankProduct* pairs, Take&& take, Product large,
                  const Sink& sink) {
    if (!in_one_job(op, large)) {
        for (int p = 0; p < op.low_rank_count; p++)
            if (!pairs[p].is_absent()) multiply(context, pairs[p].product, take(p));
        return multiply(context, large, sink);
    }
    std::ptrdiff_t floats = share_floats(large, sink);
    large.by_rows = true;
    for (int p = 0; p < op.low_rank_count; p++) {
        pairs[p].product.by_rows = true;
        if (!pairs[p].is_absent()) floats = larger(floats, share_floats(pairs[p].product, take(p)));
    }
    run_shares(context, large.multiplications(), floats, [&](int worker, int workers, float* scratch) {
        for (int p = 0; p < op.low_rank_count; p++)
            if (!pairs[p].is_absent()) multiply_share(pairs[p].product, take(p), worker, workers, scratch);
        multiply_share(large, sink, worker, workers, scratch);
    });
}

inline bool touches(const LowRankRows& rows, std::ptrdiff_t i, int count) {
    return i < rows.end && i + count > rows.begin;
}

// The rows of x as a left operand: where they lie, or copied when their pairs do not lie in whole words.
template <class T>
Left left_rows(pn_context& context, const T* x, std::ptrdiff_t stride, std::ptrdiff_t rows, std::ptrdiff_t columns) {
    if constexpr (sizeof(T) == sizeof(float)) {
        return {x, stride};
    } else {
        if ((columns | stride) % 2 == 0 && reinterpret_cast<std::uintptr_t>(x) % sizeof(float) == 0)
            return {reinterpret_cast<const float*>(x), stride / 2};
        const std::ptrdiff_t words = ceil_div<std::ptrdiff_t>(columns, 2);
        float* copy = context.workspace.floats(rows * words);
        for_rows(context, rows, static_cast<double>(columns), [&](std::ptrdiff_t i) {
            auto* to = reinterpret_cast<T*>(copy + i * words);
            to[2 * words - 1] = T{};
            std::memcpy(to, x + i * stride, sizeof(T) * static_cast<std::size_t>(columns));
        });
        return {copy, words};
    }
}

PN_INLINE Right right_rows(const pn_tensor& t, std::ptrdiff_t first = 0) {
    const int size = t.type == PN_INT8 ? 1 : t.type == PN_BFLOAT16 ? 2 : 4;
    return {static_cast<const char*>(t.data) + first * t.stride * size, t.type == PN_BFLOAT16, t.stride, false};
}
PN_INLINE Right right_columns(const pn_tensor& t) {
    Right right = right_rows(t);
    right.turned = true;
    return right;
}

// The rows of factor * x, quantised for a product with codes: each to
// bytes of its own largest magnitude / 127, to nearest, ties to even.
struct CodeRows {
    Left left;
    QuadScales scales;  // of the rows: their maxima / 127, and / 127 for the codes they are multiplied with
};

template <class T>
void quantize_row(const T* x, const float* factor, std::ptrdiff_t columns, float* values, std::int8_t* codes,
                  float& scale, int& sum_of_codes) {
    F most = zero(), total = zero();
    M bad = most < most;
    for_vectors(columns, [&](std::ptrdiff_t c, int n) {
        const F value = factor == nullptr ? load(x + c, n) : load(x + c, n) * load(factor + c, n);
        store(values + c, value, n);
        most = max(most, abs(value));
        bad = bad | is_nan(value - value);
    });
    const float maximum = largest(most);
    scale = any(bad) ? std::numeric_limits<float>::quiet_NaN() : maximum * (1.0f / (127 * 127));
    const bool empty = any(bad) || maximum == 0;
    for_vectors(columns, [&](std::ptrdiff_t c, int n) {
        const F code = empty ? zero() : round(load(values + c, n) / set(maximum) * set(127));
        store(codes + c, code, n);
        total += code;
    });
    sum_of_codes = static_cast<int>(sum(total));
}

template <class T>
CodeRows code_rows(pn_context& context, const T* x, std::ptrdiff_t stride, std::ptrdiff_t rows, std::ptrdiff_t columns,
                   const float* factor) {
    const std::ptrdiff_t words = ceil_div<std::ptrdiff_t>(columns, 4);
    float *codes = context.workspace.floats(rows * words), *scales = context.workspace.floats(rows);
    int* sums = context.workspace.ints(rows);
    const int workers = context.workers(8.0 * static_cast<double>(rows) * static_cast<double>(columns));
    float** values = context.own_floats(workers, columns);
    context.pool.run(workers, [&](int worker) {
        const Range range = part_of(rows, worker, workers);
        for (std::ptrdiff_t i = range.begin; i < range.end; i++) {
            if (words > 0) codes[(i + 1) * words - 1] = 0;
            quantize_row(x + i * stride, factor, columns, values[worker],
                         reinterpret_cast<std::int8_t*>(codes + i * words), scales[i], sums[i]);
        }
    });
    return {{codes, words}, {scales, nullptr, sums}};
}

// factor * x^T in scratch memory, rows of x becoming columns; with bf16 out, an odd last row is paired with zero.
template <class U, class T>
const float* turned(pn_context& context, const T* x, std::ptrdiff_t stride, std::ptrdiff_t count,
                    std::ptrdiff_t columns, float factor) {
    const std::ptrdiff_t words = sizeof(U) == 2 ? ceil_div<std::ptrdiff_t>(count, 2) : count;
    float* memory = context.workspace.floats(words * columns);
    auto* out = reinterpret_cast<U*>(memory);
    const std::ptrdiff_t length = words * static_cast<std::ptrdiff_t>(sizeof(float) / sizeof(U));
    const int workers = context.workers(static_cast<double>(count) * static_cast<double>(columns));
    context.pool.run(workers, [&](int worker) {
        const Range range = part_of(columns, worker, workers, 16);
        transpose(x + range.begin, stride, count, range.end - range.begin, factor, out + range.begin * length, length);
        if (length > count)
            for (std::ptrdiff_t c = range.begin; c < range.end; c++) out[c * length + count] = U{};
    });
    return memory;
}

}  // namespace pn::PN_ISA
