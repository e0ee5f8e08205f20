// attention_forward of attention.cu on tensor cores, for bf16 and fp16 and heads up to a width known when the kernel is
// compiled; narrower heads are filled up with zeros in shared memory.
//
// attention_mma_forward  Y[M, heads * head_dim] =, log_sum_exp[M, heads] =
//
// A block has 4 warps of 16 queries. Scores and probabilities stay in registers, where a product of one multiplication
// is the left operand of the next; rounded to 16 bits is P alone.
#include "attention_fragments.cuh"

namespace pn {

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
    const int row0 = warp_index() * warp_rows;
    T *q = memory, *k = q + mma_tile * fragment_stride<width>, *v = k + mma_walk * fragment_stride<width>;
    stage_query_tile<T, width>(q, op.q, op.head_stride, op, tile);

    float y[width / 8][4] = {}, top[2] = {-INFINITY, -INFINITY}, sum[2] = {};
    const SeenRows seen(op, tile, row0);
    for_key_runs(
        s, op.first_seen(s, tile.first), op.end_seen(s, tile.first + tile.count - 1), mma_walk, [&](int j0, int count) {
            stage_key_run<T, width>(k, v, kept, op, tile, j0, count);
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

}  // namespace pn

#define PN_FORWARD(T, width, suffix)                                                                    \
    PN_KERNEL_RESIDENT(attention_mma_forward_##width##_##suffix, 128, 2, pn::Attention op, int tiles) { \
        pn::attention_mma_forward<T, width>(op, tiles);                                                 \
    }
PN_FOR_WIDTHS(PN_FORWARD, pn::bf16, bf16)
PN_FOR_WIDTHS(PN_FORWARD, pn::fp16, fp16)
PN_FORWARD(pn::bf16, 256, bf16)
PN_FORWARD(pn::fp16, 256, fp16)
