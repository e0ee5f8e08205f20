// Tiles of attention for the tensor cores, in the fragments of fragments.cuh.
#pragma once

#include "attention.cuh"
#include "fragments.cuh"

namespace pn {

constexpr int attention_warps = 4;
constexpr int mma_tile = attention_warps * warp_rows;  // rows of a block
constexpr int mma_walk = 32;                           // rows of the other side at a time

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
        const PhiloxWords words = philox(mask.key, four, mask.stream_now());
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
