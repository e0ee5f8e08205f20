// What the two versions of the backward of attention share (attention_backward.cu, attention_mma.cu).
#pragma once

#include "attention.cuh"

namespace pn {

// The layout of CudaBackend.KernelAttentionGradients.
struct AttentionGradients {
    Tensor dy, dq, dk, dv, delta;
};

// One query's part of what a pair of query and key needs.
struct Slope {
    float p = 0, ds = 0;  // p m, and ds without scale

    Slope() = default;

    PN_DEVICE Slope(const Attention& op, const Segment& s, int head, int i, int j, float log_sum, float delta,
                    float dot, float dy_v, float keep) {
        const float score = op.score(s, head, i, j, dot), own = exponential(score, log_sum);
        p = own * keep;
        ds = own * (keep * dy_v - delta) * SoftCap{op.soft_cap}.slope(score);
    }
};

// The keys of a block whose blockIdx.x is (sequence, tile, key head): tiles of the prefix first, from first_tile on.
// The gradients of prefix keys go to partials [sequences, prefix_rows, 2, kv_heads * head_dim]: dK, then dV.
struct KeyTile {
    Segment segment;
    int kv_head, sequence, first, count;  // keys of the segment
    bool in_prefix;

    PN_DEVICE KeyTile(const Attention& op, int prefix_tiles, int first_tile, int tiles, int tile_k) {
        const int rest = blockIdx.x / op.kv_heads, tile = first_tile + rest % tiles;
        kv_head = blockIdx.x % op.kv_heads;
        sequence = rest / tiles;
        segment = op.segment(sequence);
        in_prefix = tile < prefix_tiles;
        first = in_prefix ? tile * tile_k : segment.prefix + (tile - prefix_tiles) * tile_k;
        const int left = (in_prefix ? segment.prefix : segment.total()) - first;
        count = left < tile_k ? left : tile_k;  // none where this is not above 0
    }

    template <class T>
    PN_DEVICE void store_k(const Attention& op, const AttentionGradients& to, int prefix_rows, float* partials, int j,
                           int d, float x) const {
        if (in_prefix)
            *partial(op, prefix_rows, partials, j, d) = x;
        else if (to.dk.present())
            to.dk.set<T>(row(j), kv_head * op.kv_head_stride + d, x);
    }

    template <class T>
    PN_DEVICE void store_v(const Attention& op, const AttentionGradients& to, int prefix_rows, float* partials, int j,
                           int d, float x) const {
        if (in_prefix)
            partial(op, prefix_rows, partials, j, d)[op.kv_heads * op.head_dim] = x;
        else if (to.dv.present())
            to.dv.set<T>(row(j), kv_head * op.kv_head_stride + d, x);
    }

private:
    PN_DEVICE long long row(int j) const { return segment.first_key + first + j - segment.prefix; }

    PN_DEVICE float* partial(const Attention& op, int prefix_rows, float* partials, int j, int d) const {
        const long long at = (static_cast<long long>(sequence) * prefix_rows + first + j) * 2 * op.kv_heads + kv_head;
        return partials + at * op.head_dim + d;
    }
};

}  // namespace pn
