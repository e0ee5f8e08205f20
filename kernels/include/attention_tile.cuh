// Tiles of attention in shared memory as fp32, of any size and head width. Rows lie `stride` apart, an odd number, so
// that neighbouring rows begin in different banks. Numbers of rows are multiples of 4: a thread computes 4 rows of a
// column.
#pragma once

#include "attention.cuh"

namespace pn {

constexpr int attention_threads = 128, attention_part = 4;

// to[r][d] = factor * from[first + r][column + d] for r < count, 0 for the other rows.
template <class T>
PN_DEVICE void stage_rows(float* to, int stride, const Tensor& from, long long first, int column, int count, int rows,
                          int width) {
    for (int r = warp_index(); r < rows; r += attention_threads / warp_size)
        for (int d = lane_index(); d < width; d += warp_size)
            to[r * stride + d] = r < count ? from.get<T>(first + r, column + d) : 0.0f;
}

template <class T>
PN_DEVICE void stage_keys(float* to, int stride, const Attention& op, const KeyRun& run, int count, int rows) {
    if (run.tensor->type == fp32_type)
        stage_rows<float>(to, stride, *run.tensor, run.row, run.column, count, rows, op.head_dim);
    else
        stage_rows<T>(to, stride, *run.tensor, run.row, run.column, count, rows, op.head_dim);
}

// Calls f(i, j, dots of rows i to i + 3 of a with row j of b) for all of a's rows and b's rows.
template <class F>
PN_DEVICE void for_dots(const float* a, int rows_a, const float* b, int rows_b, int stride, int width, F f) {
    for (int at = threadIdx.x; at < rows_a / attention_part * rows_b; at += attention_threads) {
        const int i = at / rows_b * attention_part, j = at % rows_b;
        float dot[attention_part] = {};
        for (int d = 0; d < width; d++) {
            const float y = b[j * stride + d];
            for (int r = 0; r < attention_part; r++) dot[r] = fmaf(a[(i + r) * stride + d], y, dot[r]);
        }
        for (int r = 0; r < attention_part; r++) f(i + r, j, dot[r]);
    }
}

// sum[i][d] = seed(i) * sum[i][d] + the sum over k < depth of factor(i, k) * b[k][d]. Every element has a thread of its
// own, the same at every call.
template <class Seed, class Factor>
PN_DEVICE void add_products(float* sum, int rows, const float* b, int depth, int stride, int width, Seed seed,
                            Factor factor) {
    for (int at = threadIdx.x; at < rows / attention_part * width; at += attention_threads) {
        const int i = at / width * attention_part, d = at % width;
        float own[attention_part];
        for (int r = 0; r < attention_part; r++) own[r] = seed(i + r) * sum[(i + r) * stride + d];
        for (int k = 0; k < depth; k++) {
            const float y = b[k * stride + d];
            for (int r = 0; r < attention_part; r++) own[r] = fmaf(factor(i + r, k), y, own[r]);
        }
        for (int r = 0; r < attention_part; r++) sum[(i + r) * stride + d] = own[r];
    }
}

PN_DEVICE void clear(float* p, int count) {
    for (int i = threadIdx.x; i < count; i += attention_threads) p[i] = 0;
}

// Shared memory handed out piece by piece, in the order that the host adds it up.
struct Pieces {
    float* next;

    PN_DEVICE float* take(int count) {
        float* piece = next;
        next += count;
        return piece;
    }
};

}  // namespace pn
