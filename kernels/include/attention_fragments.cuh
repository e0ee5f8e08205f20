// Tiles of attention for the tensor cores: 16-bit elements in shared memory, rows of `width` elements padded by 8, so
// that the eight rows that ldmatrix reads at once lie in different banks. Fragments are those of ptx.cuh; a warp owns
// 16 rows of a product.
#pragma once

#include "attention.cuh"

namespace pn {

constexpr int attention_warps = 4, warp_rows = 16, fragment_depth = 16, fragment_columns = 8;

constexpr int mma_tile = attention_warps * warp_rows;  // rows of a block
constexpr int mma_walk = 32;                           // rows of the other side at a time

template <int width>
constexpr int fragment_stride = width + 8;

// The left operand: rows row0.. and columns k0.. of a tile.
template <int width, class T>
PN_DEVICE void load_left(unsigned (&a)[4], const T* tile, int row0, int k0) {
    const int lane = lane_index();
    ldmatrix_x4(a, tile + (row0 + lane % 16) * fragment_stride<width> + k0 + lane / 16 * 8);
}

// The right operand for two neighbouring blocks of 8 columns, from a tile whose rows are the columns of the product:
// b[0..1], b[2..3].
template <int width, class T>
PN_DEVICE void load_right(unsigned (&b)[4], const T* tile, int column0, int k0) {
    const int lane = lane_index();
    ldmatrix_x4(b, tile + (column0 + lane / 16 * 8 + lane % 8) * fragment_stride<width> + k0 + lane / 8 % 2 * 8);
}

// The same from a tile whose rows are the depth of the product.
template <int width, class T>
PN_DEVICE void load_right_across(unsigned (&b)[4], const T* tile, int k0, int column0) {
    const int lane = lane_index();
    ldmatrix_x4_trans(b, tile + (k0 + lane % 16) * fragment_stride<width> + column0 + lane / 16 * 8);
}

// sum[c] += the product of 16 rows of `left` (from row0) with the rows of `right` over the width of both tiles:
// `columns` rows of right.
template <class T, int width, int columns>
PN_DEVICE void multiply_rows(float (&sum)[columns / fragment_columns][4], const T* left, int row0, const T* right) {
    static_assert(columns % 16 == 0 && width % 16 == 0, "whole fragments");
#pragma unroll
    for (int k0 = 0; k0 < width; k0 += fragment_depth) {
        unsigned a[4];
        load_left<width>(a, left, row0, k0);
#pragma unroll
        for (int c = 0; c < columns; c += 16) {
            unsigned b[4];
            load_right<width>(b, right, c, k0);
            mma_m16n8k16<T>(sum[c / 8], a, {b[0], b[1]});
            mma_m16n8k16<T>(sum[c / 8 + 1], a, {b[2], b[3]});
        }
    }
}

// sum[16, width] += left[16, depth] * right[depth, width], left being a product of this warp as it lies in registers.
template <class T, int width, int depth>
PN_DEVICE void multiply_columns(float (&sum)[width / fragment_columns][4],
                                const float (&left)[depth / fragment_columns][4], const T* right) {
#pragma unroll
    for (int k0 = 0; k0 < depth; k0 += fragment_depth) {
        const auto &low = left[k0 / 8], &high = left[k0 / 8 + 1];
        const auto pair = [](float x, float y) { return pack_pair(from_float<T>(x), from_float<T>(y)); };
        const unsigned a[4] = {pair(low[0], low[1]), pair(low[2], low[3]), pair(high[0], high[1]),
                               pair(high[2], high[3])};
#pragma unroll
        for (int c = 0; c < width; c += 16) {
            unsigned b[4];
            load_right_across<width>(b, right, k0, c);
            mma_m16n8k16<T>(sum[c / 8], a, {b[0], b[1]});
            mma_m16n8k16<T>(sum[c / 8 + 1], a, {b[2], b[3]});
        }
    }
}

// Where element e of fragment c of a product lies, in row r = e / 2 of this thread's two: rows count from the warp's
// first.
PN_DEVICE int fragment_row(int r) { return lane_index() / 4 + r * 8; }
PN_DEVICE int fragment_column(int c, int e) { return c * fragment_columns + lane_index() % 4 * 2 + e % 2; }

// f(element, r, row, column) for all elements of this thread; r tells its two rows apart.
template <int fragments, class F>
PN_DEVICE void for_fragments(float (&sum)[fragments][4], F f) {
#pragma unroll
    for (int c = 0; c < fragments; c++)
#pragma unroll
        for (int e = 0; e < 4; e++) f(sum[c][e], e / 2, fragment_row(e / 2), fragment_column(c, e));
}

// f(element, the element of other, r, row, column) likewise for two products of the same shape.
template <int fragments, class F>
PN_DEVICE void for_fragments(float (&sum)[fragments][4], float (&other)[fragments][4], F f) {
#pragma unroll
    for (int c = 0; c < fragments; c++)
#pragma unroll
        for (int e = 0; e < 4; e++) f(sum[c][e], other[c][e], e / 2, fragment_row(e / 2), fragment_column(c, e));
}

// Rows [first, first + count) of a head into a tile of `rows` rows, zero beyond count and beyond head_dim. In packs of
// 16 bytes that arrive later (cp_async_wait) where the memory allows it.
template <class T, int width>
PN_DEVICE void stage_fragments(T* to, const Tensor& from, long long first, int column, int count, int rows,
                               int head_dim) {
    constexpr int packs = width / pack_width<T>;
    const T* origin = from.row<T>(first) + column;
    const bool packed = is_packed(origin) && from.stride % pack_width<T> == 0 && head_dim % pack_width<T> == 0;
    for (int at = linear_thread(); at < rows * packs; at += attention_warps * warp_size) {
        const int r = at / packs, d = at % packs * pack_width<T>;
        T* target = to + r * fragment_stride<width> + d;
        const T* source = origin + static_cast<long long>(r) * from.stride + d;
        if (packed) {
            const bool inside = r < count && d < head_dim;
            cp_async_16(target, inside ? source : origin, inside ? 16 : 0);
            continue;
        }
        for (int i = 0; i < pack_width<T>; i++)
            target[i] = r < count && d + i < head_dim ? source[i] : from_float<T>(0.0f);
    }
}

// The same for keys or values; those of an fp32 prefix are rounded.
template <class T, int width>
PN_DEVICE void stage_key_fragments(T* to, const Attention& op, const KeyRun& run, int count, int rows) {
    if (run.tensor->type != fp32_type) {
        stage_fragments<T, width>(to, *run.tensor, run.row, run.column, count, rows, op.head_dim);
        return;
    }
    for (int at = linear_thread(); at < rows * width; at += attention_warps * warp_size) {
        const int r = at / width, d = at % width;
        to[r * fragment_stride<width> + d] =
            from_float<T>(r < count && d < op.head_dim ? run.tensor->get<float>(run.row + r, run.column + d) : 0.0f);
    }
}

// Bit i tells whether dropout keeps element first + i. Masks of a tile are made ahead as bits: one counter serves four
// elements, and the generator stands once in a kernel instead of at every fragment.
PN_DEVICE unsigned kept_bits(const DropoutMask& mask, unsigned long long first) {
    unsigned bits = 0;
#pragma unroll 1
    for (unsigned long long four = first / 4; 4 * four < first + 32; four++) {
        const PhiloxWords words = philox(mask.key, four, mask.stream);
        for (int i = 0; i < 4; i++) {
            const unsigned long long at = 4 * four + i - first;  // below 0 it is huge
            if (at < 32 && keep_factor(mask, words[i]) > 0) bits |= 1u << at;
        }
    }
    return bits;
}

PN_DEVICE float kept_factor(const DropoutMask& mask, unsigned bits, int i) {
    return !mask.on() ? 1.0f : bits >> i & 1 ? 1 / (1 - mask.probability) : 0.0f;
}

PN_DEVICE void wait_for_stages() {
    cp_async_commit();
    cp_async_wait<0>();
    sync_block();
}

// What the two rows of a thread see.
struct SeenRows {
    int begin[2], end[2];

    PN_DEVICE SeenRows(const Attention& op, const QueryTile& tile, int row0) {
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const int i = row0 + fragment_row(r);
            begin[r] = i < tile.count ? op.first_seen(tile.segment, tile.first + i) : 0;
            end[r] = i < tile.count ? op.end_seen(tile.segment, tile.first + i) : 0;
        }
    }

    PN_DEVICE bool sees(int r, int j) const { return j >= begin[r] && j < end[r]; }
};

// Rows of queries, or of what has their shape, of a tile.
template <class T, int width>
PN_DEVICE void stage_query_tile(T* to, const Tensor& from, int head_stride, const Attention& op,
                                const QueryTile& tile) {
    stage_fragments<T, width>(to, from, tile.segment.first_query + tile.first, tile.head * head_stride, tile.count,
                              mma_tile, op.head_dim);
}

// The keys and values [j0, j0 + count) that a tile of queries walks over, and what dropout keeps of their
// probabilities: there for all threads afterwards.
template <class T, int width>
PN_DEVICE void stage_key_run(T* k, T* v, unsigned* kept, const Attention& op, const QueryTile& tile, int j0,
                             int count) {
    const Segment& s = tile.segment;
    const int kv_head = tile.head / op.group();
    sync_block();
    stage_key_fragments<T, width>(k, op, KeyRun(op, s, false, j0, kv_head), count, mma_walk);
    stage_key_fragments<T, width>(v, op, KeyRun(op, s, true, j0, kv_head), count, mma_walk);
    if (op.dropout.on() && linear_thread() < tile.count)
        kept[linear_thread()] =
            kept_bits(op.dropout, op.dropout_row(s, tile.head, tile.first + linear_thread()) + j0);
    wait_for_stages();
}

}  // namespace pn

// X(T, width, suffix) for every width of heads that has kernels of its own.
#define PN_FOR_WIDTHS(X, T, suffix) \
    X(T, 32, suffix) X(T, 64, suffix) X(T, 80, suffix) X(T, 96, suffix) X(T, 128, suffix)
