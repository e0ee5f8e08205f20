// The kernels of attention.cu and attention_backward.cu on tensor cores, for bf16 and fp16 and heads up to a width
// known when they are compiled; narrower heads are filled up with zeros in shared memory.
//
// attention_mma_forward          Y[M, heads * head_dim] =, log_sum_exp[M, heads] =
// attention_mma_key_gradients    dK, dV = (of the keys of a tile); those of prefix keys go to partials
// attention_mma_query_gradients  dQ = (of the queries of a tile)
//
// A block has 4 warps of 16 rows: queries, or in the pass over keys, keys. Scores, probabilities and their gradients
// stay in registers, where a product of one multiplication is the left operand of the next. Rounded to 16 bits are P
// and dS alone.
#include "attention_fragments.cuh"
#include "attention_gradients.cuh"

namespace pn {

constexpr int mma_tile = attention_warps * warp_rows;  // rows of a block
constexpr int mma_walk = 32;                           // rows of the other side at a time

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

// Over the four lanes that share a row.
template <class Op>
PN_DEVICE float row_reduce(float v, Op op) {
    v = op(v, shfl_xor(full_warp, v, 1));
    return op(v, shfl_xor(full_warp, v, 2));
}

template <class T, int width>
PN_DEVICE void attention_mma_forward(const Attention& op, int tiles) {
    PN_DYN_SMEM(T, memory);
    PN_SMEM(unsigned, kept, mma_tile);
    const QueryTile tile(op, tiles, mma_tile);
    if (tile.count <= 0) return;
    const Segment& s = tile.segment;
    const int kv_head = tile.head / op.group(), row0 = warp_index() * warp_rows;
    T *q = memory, *k = q + mma_tile * fragment_stride<width>, *v = k + mma_walk * fragment_stride<width>;
    stage_fragments<T, width>(q, op.q, s.first_query + tile.first, tile.head * op.head_stride, tile.count, mma_tile,
                              op.head_dim);

    float y[width / 8][4] = {}, top[2] = {-INFINITY, -INFINITY}, sum[2] = {};
    const SeenRows seen(op, tile, row0);
    for_key_runs(
        s, op.first_seen(s, tile.first), op.end_seen(s, tile.first + tile.count - 1), mma_walk, [&](int j0, int count) {
            sync_block();
            stage_key_fragments<T, width>(k, op, KeyRun(op, s, false, j0, kv_head), count, mma_walk);
            stage_key_fragments<T, width>(v, op, KeyRun(op, s, true, j0, kv_head), count, mma_walk);
            if (op.dropout.on() && linear_thread() < tile.count)
                kept[linear_thread()] =
                    kept_bits(op.dropout, op.dropout_row(s, tile.head, tile.first + linear_thread()) + j0);
            wait_for_stages();
            float p[mma_walk / 8][4] = {}, largest[2] = {top[0], top[1]}, own[2] = {};
            multiply_rows<T, width, mma_walk>(p, q, row0, k);
            for_fragments(p, [&](float& v, int r, int i, int j) {
                v = j < count && seen.sees(r, j0 + j) ? op.score(s, tile.head, tile.first + row0 + i, j0 + j, v)
                                                      : -INFINITY;
                largest[r] = fmaxf(largest[r], v);
            });
#pragma unroll
            for (int r = 0; r < 2; r++) {
                largest[r] = row_reduce(largest[r], [](float a, float b) { return fmaxf(a, b); });
                const float factor = exponential(top[r], largest[r]);
                top[r] = largest[r];
                sum[r] *= factor;
#pragma unroll
                for (int c = 0; c < width / 8; c++) y[c][2 * r] *= factor, y[c][2 * r + 1] *= factor;
            }
            for_fragments(p, [&](float& v, int r, int i, int j) {
                v = exponential(v, top[r]);
                own[r] += v;
                v *= kept_factor(op.dropout, kept[row0 + i], j);
            });
            sum[0] += own[0], sum[1] += own[1];
            multiply_columns<T, width, mma_walk>(y, p, v);
        });
    cp_async_wait<0>();

#pragma unroll
    for (int r = 0; r < 2; r++) sum[r] = row_reduce(sum[r], [](float a, float b) { return a + b; });
    for_fragments(y, [&](float v, int r, int i, int d) {
        if (row0 + i < tile.count && d < op.head_dim)
            op.y.set<T>(s.first_query + tile.first + row0 + i, tile.head * op.head_dim + d,
                        sum[r] > 0 ? v / sum[r] : 0.0f);
    });
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const int i = row0 + fragment_row(r);
        if (lane_index() % 4 == 0 && i < tile.count && op.log_sum_exp.present())
            op.log_sum_exp.set<float>(s.first_query + tile.first + i, tile.head, top[r] + logf(sum[r]));
    }
}

// The arguments are those of attention_key_gradients; so is the layout of partials.
template <class T, int width>
PN_DEVICE void attention_mma_key_gradients(const Attention& op, const AttentionGradients& gradients, int prefix_tiles,
                                           int first_tile, int tiles, int prefix_rows, float* partials) {
    PN_DYN_SMEM(T, memory);
    PN_SMEM(unsigned, kept, mma_tile);
    PN_SMEM(float, log_sum, mma_walk);
    PN_SMEM(float, delta, mma_walk);
    const KeyTile tile(op, prefix_tiles, first_tile, tiles, mma_tile);
    if (tile.count <= 0) return;
    const Segment& s = tile.segment;
    const int row0 = warp_index() * warp_rows, j0 = tile.first;
    T *k = memory, *v = k + mma_tile * fragment_stride<width>, *q = v + mma_tile * fragment_stride<width>;
    T* dy = q + mma_walk * fragment_stride<width>;
    stage_key_fragments<T, width>(k, op, KeyRun(op, s, false, j0, tile.kv_head), tile.count, mma_tile);
    stage_key_fragments<T, width>(v, op, KeyRun(op, s, true, j0, tile.kv_head), tile.count, mma_tile);

    float dk[width / 8][4] = {}, dv[width / 8][4] = {};
    for (int head = tile.kv_head * op.group(); head < (tile.kv_head + 1) * op.group(); head++)
        for (int i0 = 0; i0 < s.queries; i0 += mma_walk) {
            const int queries = s.queries - i0 < mma_walk ? s.queries - i0 : mma_walk;
            if (op.first_seen(s, i0) >= j0 + tile.count || op.end_seen(s, i0 + queries - 1) <= j0) continue;
            sync_block();
            stage_fragments<T, width>(q, op.q, s.first_query + i0, head * op.head_stride, queries, mma_walk,
                                      op.head_dim);
            stage_fragments<T, width>(dy, gradients.dy, s.first_query + i0, head * op.head_dim, queries, mma_walk,
                                      op.head_dim);
            if (linear_thread() < queries) {
                log_sum[threadIdx.x] = op.log_sum_exp.get<float>(s.first_query + i0 + threadIdx.x, head);
                delta[threadIdx.x] = gradients.delta.get<float>(s.first_query + i0 + threadIdx.x, head);
            }
            if (op.dropout.on() && linear_thread() / 2 < queries) {
                const int half = linear_thread() % 2;  // of the 64 keys
                kept[linear_thread()] =
                    kept_bits(op.dropout, op.dropout_row(s, head, i0 + linear_thread() / 2) + j0 + half * 32);
            }
            wait_for_stages();
            float p[mma_walk / 8][4] = {}, ds[mma_walk / 8][4] = {};
            multiply_rows<T, width, mma_walk>(p, k, row0, q);
            multiply_rows<T, width, mma_walk>(ds, v, row0, dy);
            for_fragments(p, ds, [&](float& own, float& slope, int, int row, int i) {
                const int j = row0 + row;
                const bool seen = i < queries && j < tile.count && op.sees(s, i0 + i, j0 + j);
                const float keep = kept_factor(op.dropout, kept[2 * i + j / 32], j % 32);
                const Slope both =
                    seen ? Slope(op, s, head, i0 + i, j0 + j, log_sum[i], delta[i], own, slope, keep) : Slope();
                own = both.p;
                slope = both.ds;
            });
            multiply_columns<T, width, mma_walk>(dv, p, dy);
            multiply_columns<T, width, mma_walk>(dk, ds, q);
        }
    cp_async_wait<0>();
    for_fragments(dk, [&](float to_k, int, int j, int d) {
        if (row0 + j < tile.count && d < op.head_dim)
            tile.store_k<T>(op, gradients, prefix_rows, partials, row0 + j, d, op.scale * to_k);
    });
    for_fragments(dv, [&](float to_v, int, int j, int d) {
        if (row0 + j < tile.count && d < op.head_dim)
            tile.store_v<T>(op, gradients, prefix_rows, partials, row0 + j, d, to_v);
    });
}

template <class T, int width>
PN_DEVICE void attention_mma_query_gradients(const Attention& op, const AttentionGradients& gradients, int tiles) {
    PN_DYN_SMEM(T, memory);
    PN_SMEM(unsigned, kept, mma_tile);
    const QueryTile tile(op, tiles, mma_tile);
    if (tile.count <= 0) return;
    const Segment& s = tile.segment;
    const int kv_head = tile.head / op.group(), row0 = warp_index() * warp_rows;
    T *q = memory, *dy = q + mma_tile * fragment_stride<width>, *k = dy + mma_tile * fragment_stride<width>;
    T* v = k + mma_walk * fragment_stride<width>;
    stage_fragments<T, width>(q, op.q, s.first_query + tile.first, tile.head * op.head_stride, tile.count, mma_tile,
                              op.head_dim);
    stage_fragments<T, width>(dy, gradients.dy, s.first_query + tile.first, tile.head * op.head_dim, tile.count,
                              mma_tile, op.head_dim);

    float dq[width / 8][4] = {}, log_sum[2] = {}, delta[2] = {};
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const int i = row0 + fragment_row(r);
        if (i >= tile.count) continue;
        log_sum[r] = op.log_sum_exp.get<float>(s.first_query + tile.first + i, tile.head);
        delta[r] = gradients.delta.get<float>(s.first_query + tile.first + i, tile.head);
    }
    const SeenRows seen(op, tile, row0);
    for_key_runs(s, op.first_seen(s, tile.first), op.end_seen(s, tile.first + tile.count - 1), mma_walk,
                 [&](int j0, int count) {
                     sync_block();
                     stage_key_fragments<T, width>(k, op, KeyRun(op, s, false, j0, kv_head), count, mma_walk);
                     stage_key_fragments<T, width>(v, op, KeyRun(op, s, true, j0, kv_head), count, mma_walk);
                     if (op.dropout.on() && linear_thread() < tile.count)
                         kept[linear_thread()] =
                             kept_bits(op.dropout, op.dropout_row(s, tile.head, tile.first + linear_thread()) + j0);
                     wait_for_stages();
                     float p[mma_walk / 8][4] = {}, ds[mma_walk / 8][4] = {};
                     multiply_rows<T, width, mma_walk>(p, q, row0, k);
                     multiply_rows<T, width, mma_walk>(ds, dy, row0, v);
                     for_fragments(p, ds, [&](float dot, float& slope, int r, int i, int j) {
                         slope = j < count && seen.sees(r, j0 + j)
                                     ? Slope(op, s, tile.head, tile.first + row0 + i, j0 + j, log_sum[r], delta[r], dot,
                                             slope, kept_factor(op.dropout, kept[row0 + i], j))
                                           .ds
                                     : 0;
                     });
                     multiply_columns<T, width, mma_walk>(dq, ds, k);
                 });
    cp_async_wait<0>();
    for_fragments(dq, [&](float to_q, int, int i, int d) {
        if (row0 + i < tile.count && d < op.head_dim)
            gradients.dq.set<T>(s.first_query + tile.first + row0 + i, tile.head * op.head_stride + d, op.scale * to_q);
    });
}

}  // namespace pn

#define PN_FORWARD(T, width, suffix)                                                                    \
    PN_KERNEL_RESIDENT(attention_mma_forward_##width##_##suffix, 128, 2, pn::Attention op, int tiles) { \
        pn::attention_mma_forward<T, width>(op, tiles);                                                 \
    }
#define PN_BACKWARD(T, width, suffix)                                                                                  \
    PN_KERNEL_RESIDENT(attention_mma_key_gradients_##width##_##suffix, 128, 2, pn::Attention op,                       \
                       pn::AttentionGradients gradients, int prefix_tiles, int first_tile, int tiles, int prefix_rows, \
                       float* partials) {                                                                              \
        pn::attention_mma_key_gradients<T, width>(op, gradients, prefix_tiles, first_tile, tiles, prefix_rows,         \
                                                  partials);                                                           \
    }                                                                                                                  \
    PN_KERNEL_RESIDENT(attention_mma_query_gradients_##width##_##suffix, 128, 2, pn::Attention op,                     \
                       pn::AttentionGradients gradients, int tiles) {                                                  \
        pn::attention_mma_query_gradients<T, width>(op, gradients, tiles);                                             \
    }
#define PN_WIDTHS(X, T, suffix) X(T, 32, suffix) X(T, 64, suffix) X(T, 80, suffix) X(T, 96, suffix) X(T, 128, suffix)
PN_WIDTHS(PN_FORWARD, pn::bf16, bf16)
PN_WIDTHS(PN_FORWARD, pn::fp16, fp16)
PN_FORWARD(pn::bf16, 256, bf16)
PN_FORWARD(pn::fp16, 256, fp16)
PN_WIDTHS(PN_BACKWARD, pn::bf16, bf16)
PN_WIDTHS(PN_BACKWARD, pn::fp16, fp16)
