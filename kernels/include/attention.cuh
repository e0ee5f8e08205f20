// What the kernels of attention share: the operation as the host describes it, who sees which key, scores, and the
// dropout of probabilities. The formula stands in PeftNative.Ops.AttentionOp.
#pragma once

#include "activation.cuh"
#include "philox.cuh"
#include "tensor.cuh"

namespace pn {

constexpr float log2_e = 1.44269504f, ln_2 = 0.693147181f;
constexpr int fp32_type = 0;  // PeftNative.Tensors.DType.Float32

// One row of segments. Keys are counted with the prefix in front.
struct Segment {
    int first_query, queries, first_key, keys, first_prefix, prefix;

    PN_DEVICE int total() const { return prefix + keys; }
};

// The layout of CudaBackend.KernelAttention.
struct Attention {
    Tensor q, k, v;             // [M, ...], [Mk, ...], [Mk, ...]: heads lie so many columns apart
    Tensor prefix_k, prefix_v;  // [P, kv_heads * head_dim], fp32 or as k; optional
    Tensor segments;            // int32 [sequences, 6]
    Tensor relative_bias;       // fp32 [buckets, heads]; optional
    Tensor y, log_sum_exp;      // [M, heads * head_dim], fp32 [M, heads]
    DropoutMask dropout;
    const int* buckets;  // of the distances -reach to reach; beyond them as at the end
    int reach;
    int heads, kv_heads, head_dim, head_stride, kv_head_stride;
    int causal, window;
    float scale, soft_cap;

    PN_DEVICE Segment segment(int s) const {
        const int* row = segments.row<int>(s);
        return {row[0], row[1], row[2], row[3], row[4], row[5]};
    }

    PN_DEVICE int group() const { return heads / kv_heads; }  // query heads that share keys

    // Where query i stands among the keys of the sequence.
    PN_DEVICE int position(const Segment& s, int i) const { return i + s.keys - s.queries; }

    // Query i sees the keys [first_seen, end_seen); both grow with i.
    PN_DEVICE int first_seen(const Segment& s, int i) const {
        const int first = position(s, i) - window + 1 + s.prefix;
        return window > 0 && first > 0 ? (first < s.total() ? first : s.total()) : 0;
    }

    PN_DEVICE int end_seen(const Segment& s, int i) const {
        const int end = position(s, i) + 1;
        return !causal || end >= s.keys ? s.total() : s.prefix + (end > 0 ? end : 0);
    }

    PN_DEVICE bool sees(const Segment& s, int i, int j) const { return j >= first_seen(s, i) && j < end_seen(s, i); }

    // The bucket of the relative bias for a key this far after the query.
    PN_DEVICE int bucket(int distance) const {
        return buckets[reach + (distance < -reach ? -reach : distance > reach ? reach : distance)];
    }

    // The score of query i for key j, from their dot product.
    PN_DEVICE float score(const Segment& s, int head, int i, int j, float dot) const {
        float x = scale * dot;
        if (relative_bias.present()) x += relative_bias.get<float>(bucket(j - s.prefix - position(s, i)), head);
        return SoftCap{soft_cap}(x);
    }

    PN_DEVICE unsigned long long dropout_row(const Segment& s, int head, int i) const {
        return (static_cast<unsigned long long>(s.first_query + i) * heads + head) << 20;
    }

    PN_DEVICE float keep(const Segment& s, int head, int i, int j) const {
        return dropout.on() ? keep_factor(dropout, dropout_row(s, head, i) + j) : 1.0f;
    }
};

// The queries of a block whose blockIdx.x is (sequence, tile from the last to the first, head).
struct QueryTile {
    Segment segment;
    int head, first, count;  // rows of the segment

    PN_DEVICE QueryTile(const Attention& op, int tiles, int tile_q) {
        const int rest = blockIdx.x / op.heads, tile = tiles - 1 - rest % tiles;
        head = blockIdx.x % op.heads;
        segment = op.segment(rest / tiles);
        first = tile * tile_q;
        count = segment.queries - first < tile_q ? segment.queries - first : tile_q;  // none where this is not above 0
    }
};

// e^(score - top). A top of -infinity means that no key was seen.
PN_DEVICE float exponential(float score, float top) {
    return exp2f(log2_e * (score - (top == -INFINITY ? 0.0f : top)));
}

// The place of a run of keys of one head: keys of the prefix and of the sequence never share one.
struct KeyRun {
    const Tensor* tensor;
    long long row;
    int column;

    PN_DEVICE KeyRun(const Attention& op, const Segment& s, bool values, int j, int kv_head) {
        const bool in_prefix = j < s.prefix;
        tensor = in_prefix ? (values ? &op.prefix_v : &op.prefix_k) : (values ? &op.v : &op.k);
        row = in_prefix ? s.first_prefix + j : s.first_key + j - s.prefix;
        column = kv_head * (in_prefix ? op.head_dim : op.kv_head_stride);
    }
};

// Calls f(j, count) for runs of at most `most` keys that cover [begin, end), the prefix first.
template <class F>
PN_DEVICE void for_key_runs(const Segment& s, int begin, int end, int most, F f) {
    for (int j = begin, count; j < end; j += count) {
        const int bound = j < s.prefix && s.prefix < end ? s.prefix : end;
        count = bound - j < most ? bound - j : most;
        f(j, count);
    }
}

}  // namespace pn
