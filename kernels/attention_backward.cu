// attention_delta               delta[M, heads] = the sums of dY * Y over a head
// attention_key_gradients       dK, dV = (of the keys of a tile); those of prefix keys go to partials
// attention_prefix_gradients    dprefix_k, dprefix_v += the partial sums of the sequences, in order
// attention_query_gradients     dQ = (of the queries of a tile); sums of the relative bias go to partials
// attention_bias_gradients      drelative_bias[buckets, heads] += the partial sums, in order
//
// With p the probabilities, m the dropout factors and c' the slope of the soft cap (PeftNative.Backends.Reference):
//   dV_j += p_j m_j dY;  ds_j = p_j (m_j dY.V_j - delta) c'_j;  dbias_j += ds_j;  dQ += scale ds_j K_j;  dK_j += scale
//   ds_j Q
// Scores are computed again from Q, K and log_sum_exp, once for each of the two passes, so that nothing needs atomics.
// Q, K, V, Y, dY, dQ, dK, dV are of one type; gradients of prefix and bias, partial sums, delta and log_sum_exp are
// fp32.
#include "attention_gradients.cuh"
#include "attention_tile.cuh"
#include "reduce.cuh"

namespace pn {

template <class T>
PN_DEVICE void attention_delta(const Attention& op, const AttentionGradients& gradients) {
    const long long at = static_cast<long long>(blockIdx.x) * (blockDim.x / warp_size) + warp_index();
    const long long row = at / op.heads;
    const int head = static_cast<int>(at % op.heads);
    if (row >= op.y.rows) return;
    float sum = 0;
    for (int d = lane_index(); d < op.head_dim; d += warp_size)
        sum = fmaf(gradients.dy.get<T>(row, head * op.head_dim + d), op.y.get<T>(row, head * op.head_dim + d), sum);
    sum = warp_sum(sum);
    if (lane_index() == 0) gradients.delta.set<float>(row, head, sum);
}

template <class T>
PN_DEVICE void attention_key_gradients(const Attention& op, const AttentionGradients& gradients, int prefix_tiles,
                                       int first_tile, int tiles, int tile_q, int tile_k, int prefix_rows,
                                       float* partials) {
    PN_DYN_SMEM(float, memory);
    const KeyTile tile(op, prefix_tiles, first_tile, tiles, tile_k);
    if (tile.count <= 0) return;
    const Segment& s = tile.segment;
    const int kv_head = tile.kv_head, j0 = tile.first, count = tile.count;
    const int stride = op.head_dim | 1, row_stride = tile_k + 1, width = op.head_dim;
    Pieces pieces = {memory};
    float *k = pieces.take(tile_k * stride), *v = pieces.take(tile_k * stride), *q = pieces.take(tile_q * stride);
    float *dk = pieces.take(tile_k * stride), *dv = pieces.take(tile_k * stride), *dy = pieces.take(tile_q * stride);
    float *p = pieces.take(tile_q * row_stride), *ds = pieces.take(tile_q * row_stride);

    stage_keys<T>(k, stride, op, KeyRun(op, s, false, j0, kv_head), count, tile_k);
    stage_keys<T>(v, stride, op, KeyRun(op, s, true, j0, kv_head), count, tile_k);
    clear(dk, tile_k * stride);
    clear(dv, tile_k * stride);
    for (int head = kv_head * op.group(); head < (kv_head + 1) * op.group(); head++)
        for (int i0 = 0; i0 < s.queries; i0 += tile_q) {
            const int queries = s.queries - i0 < tile_q ? s.queries - i0 : tile_q;
            if (op.first_seen(s, i0) >= j0 + count || op.end_seen(s, i0 + queries - 1) <= j0) continue;
            sync_block();
            stage_rows<T>(q, stride, op.q, s.first_query + i0, head * op.head_stride, queries, tile_q, width);
            stage_rows<T>(dy, stride, gradients.dy, s.first_query + i0, head * width, queries, tile_q, width);
            sync_block();
            for_dots(dy, tile_q, v, tile_k, stride, width,
                     [&](int i, int j, float dot) { ds[i * row_stride + j] = dot; });
            for_dots(q, tile_q, k, tile_k, stride, width,
                     [&](int i, int j, float dot) {  // the same thread has the same (i, j)
                         float &to_p = p[i * row_stride + j], &to_ds = ds[i * row_stride + j];
                         if (i >= queries || j >= count || !op.sees(s, i0 + i, j0 + j)) {
                             to_p = to_ds = 0;
                             return;
                         }
                         const long long row = s.first_query + i0 + i;
                         const Slope slope(op, s, head, i0 + i, j0 + j, op.log_sum_exp.get<float>(row, head),
                                           gradients.delta.get<float>(row, head), dot, to_ds,
                                           op.keep(s, head, i0 + i, j0 + j));
                         to_p = slope.p;
                         to_ds = slope.ds;
                     });
            sync_block();
            const auto one = [](int) { return 1.0f; };
            add_products(dv, tile_k, dy, tile_q, stride, width, one,
                         [&](int j, int i) { return p[i * row_stride + j]; });
            add_products(dk, tile_k, q, tile_q, stride, width, one,
                         [&](int j, int i) { return ds[i * row_stride + j]; });
        }
    sync_block();

    for (int j = warp_index(); j < count; j += attention_threads / warp_size)
        for (int d = lane_index(); d < width; d += warp_size) {
            tile.store_k<T>(op, gradients, prefix_rows, partials, j, d, op.scale * dk[j * stride + d]);
            tile.store_v<T>(op, gradients, prefix_rows, partials, j, d, dv[j * stride + d]);
        }
}

// A block takes a tile of queries; tile_q + tile_k - 1 diagonals of a tile have one distance each.
template <class T>
PN_DEVICE void attention_query_gradients(const Attention& op, const AttentionGradients& gradients, int tiles,
                                         int tile_q, int tile_k, float* bias_partials) {
    PN_DYN_SMEM(float, memory);
    const QueryTile tile(op, tiles, tile_q);
    const Segment& s = tile.segment;
    const int stride = op.head_dim | 1, row_stride = tile_k + 1, width = op.head_dim, kv_head = tile.head / op.group();
    const int buckets = bias_partials != nullptr ? op.relative_bias.rows : 0, diagonals = tile_q + tile_k;
    Pieces pieces = {memory};
    float *q = pieces.take(tile_q * stride), *dy = pieces.take(tile_q * stride), *dq = pieces.take(tile_q * stride);
    float *k = pieces.take(tile_k * stride), *v = pieces.take(tile_k * stride), *ds = pieces.take(tile_q * row_stride);
    float *diagonal = pieces.take(diagonals), *bins = pieces.take(buckets);

    clear(dq, tile_q * stride);
    clear(bins, buckets);
    if (tile.count > 0) {
        const int i0 = tile.first;
        stage_rows<T>(q, stride, op.q, s.first_query + i0, tile.head * op.head_stride, tile.count, tile_q, width);
        stage_rows<T>(dy, stride, gradients.dy, s.first_query + i0, tile.head * width, tile.count, tile_q, width);
        for_key_runs(s, op.first_seen(s, i0), op.end_seen(s, i0 + tile.count - 1), tile_k, [&](int j0, int count) {
            sync_block();
            stage_keys<T>(k, stride, op, KeyRun(op, s, false, j0, kv_head), count, tile_k);
            stage_keys<T>(v, stride, op, KeyRun(op, s, true, j0, kv_head), count, tile_k);
            sync_block();
            for_dots(dy, tile_q, v, tile_k, stride, width,
                     [&](int i, int j, float dot) { ds[i * row_stride + j] = dot; });
            for_dots(q, tile_q, k, tile_k, stride, width, [&](int i, int j, float dot) {
                float& to = ds[i * row_stride + j];
                const long long row = s.first_query + i0 + i;
                to = i >= tile.count || j >= count || !op.sees(s, i0 + i, j0 + j)
                         ? 0
                         : Slope(op, s, tile.head, i0 + i, j0 + j, op.log_sum_exp.get<float>(row, tile.head),
                                 gradients.delta.get<float>(row, tile.head), dot, to,
                                 op.keep(s, tile.head, i0 + i, j0 + j))
                               .ds;
            });
            sync_block();
            add_products(
                dq, tile_q, k, tile_k, stride, width, [](int) { return 1.0f; },
                [&](int i, int j) { return ds[i * row_stride + j]; });
            if (buckets == 0) return;
            for (int c = threadIdx.x; c < diagonals - 1; c += attention_threads) {  // j - i = c - (tile_q - 1)
                float sum = 0;
                for (int i = 0; i < tile_q; i++) {
                    const int j = c - (tile_q - 1) + i;
                    if (j >= 0 && j < tile_k) sum += ds[i * row_stride + j];
                }
                diagonal[c] = sum;
            }
            sync_block();
            const int nearest = j0 - s.prefix - op.position(s, i0) - (tile_q - 1);
            for (int b = threadIdx.x; b < buckets; b += attention_threads)
                for (int c = 0; c < diagonals - 1; c++)
                    if (op.bucket(nearest + c) == b) bins[b] += diagonal[c];
        });
    }
    sync_block();
    for (int b = threadIdx.x; b < buckets; b += attention_threads)
        bias_partials[static_cast<long long>(blockIdx.x) * buckets + b] = bins[b];
    if (!gradients.dq.present()) return;
    for (int i = warp_index(); i < tile.count; i += attention_threads / warp_size)
        for (int d = lane_index(); d < width; d += warp_size)
            gradients.dq.set<T>(s.first_query + tile.first + i, tile.head * op.head_stride + d,
                                op.scale * dq[i * stride + d]);
}

}  // namespace pn

#define PN_ONE_TYPE(T, suffix)                                                                                      \
    PN_KERNEL(attention_delta_##suffix, pn::Attention op, pn::AttentionGradients gradients) {                       \
        pn::attention_delta<T>(op, gradients);                                                                      \
    }                                                                                                               \
    PN_KERNEL_BOUNDS(attention_key_gradients_##suffix, 128, pn::Attention op, pn::AttentionGradients gradients,     \
                     int prefix_tiles, int first_tile, int tiles, int tile_q, int tile_k, int prefix_rows,          \
                     float* partials) {                                                                             \
        pn::attention_key_gradients<T>(op, gradients, prefix_tiles, first_tile, tiles, tile_q, tile_k, prefix_rows, \
                                       partials);                                                                   \
    }                                                                                                               \
    PN_KERNEL_BOUNDS(attention_query_gradients_##suffix, 128, pn::Attention op, pn::AttentionGradients gradients,   \
                     int tiles, int tile_q, int tile_k, float* bias_partials) {                                     \
        pn::attention_query_gradients<T>(op, gradients, tiles, tile_q, tile_k, bias_partials);                      \
    }
PN_FOR_TYPES(PN_ONE_TYPE)

// A thread takes an element of the prefix gradients; blockIdx.y is the row of the prefix.
PN_KERNEL(attention_prefix_gradients_fp32, pn::Attention op, const float* partials, int prefix_rows, pn::Tensor dk,
          pn::Tensor dv) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x, columns = op.kv_heads * op.head_dim, row = blockIdx.y;
    if (c >= columns) return;
    float k_sum = 0, v_sum = 0;
    for (int sequence = 0; sequence < op.segments.rows; sequence++) {
        const pn::Segment s = op.segment(sequence);
        const int own = row - s.first_prefix;
        if (own < 0 || own >= s.prefix) continue;
        const float* partial = partials + (static_cast<long long>(sequence) * prefix_rows + own) * 2 * columns;
        k_sum += partial[c];
        v_sum += partial[columns + c];
    }
    if (dk.present()) dk.row<float>(row)[c] += k_sum;
    if (dv.present()) dv.row<float>(row)[c] += v_sum;
}

// A thread takes a bucket of a head; partials are [sequences * tiles, heads, buckets].
PN_KERNEL(attention_bias_gradients_fp32, const float* partials, int count, pn::Tensor dbias) {
    const int at = blockIdx.x * blockDim.x + threadIdx.x, buckets = dbias.rows, head = at / buckets,
              bucket = at % buckets;
    if (head >= dbias.columns) return;
    float sum = 0;
    for (long long i = 0; i < count; i++) sum += partials[(i * dbias.columns + head) * buckets + bucket];
    dbias.row<float>(bucket)[head] += sum;
}
