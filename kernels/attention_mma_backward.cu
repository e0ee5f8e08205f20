// The kernels of attention_backward.cu on tensor cores; types, widths and fragments as in attention_mma.cu.
//
// attention_mma_key_gradients    dK, dV = (of the keys of a tile); those of prefix keys go to partials
// attention_mma_query_gradients  dQ = (of the queries of a tile)
//
// A block has 4 warps of 16 rows: keys or queries. Rounded to 16 bits are P and dS alone.
#include "attention_fragments.cuh"
#include "attention_gradients.cuh"

namespace pn {

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
    for_fragments(dk, dv, [&](float to_k, float to_v, int, int j, int d) {
        if (row0 + j >= tile.count || d >= op.head_dim) return;
        tile.store_k<T>(op, gradients, prefix_rows, partials, row0 + j, d, op.scale * to_k);
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
    const int row0 = warp_index() * warp_rows;
    T *q = memory, *dy = q + mma_tile * fragment_stride<width>, *k = dy + mma_tile * fragment_stride<width>;
    T* v = k + mma_walk * fragment_stride<width>;
    stage_query_tile<T, width>(q, op.q, op.head_stride, op, tile);
    stage_query_tile<T, width>(dy, gradients.dy, op.head_dim, op, tile);

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
                     stage_key_run<T, width>(k, v, kept, op, tile, j0, count);
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
PN_FOR_WIDTHS(PN_BACKWARD, pn::bf16, bf16)
PN_FOR_WIDTHS(PN_BACKWARD, pn::fp16, fp16)
