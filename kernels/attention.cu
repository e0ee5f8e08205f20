// attention_forward        Y[M, heads * head_dim] =, log_sum_exp[M, heads] =; or, with several splits of the keys,
//                          partial results
// attention_merge          Y and log_sum_exp from the partial results of all splits, in order
//
// Q, K, V and Y are of one type, any head width; a block takes tile_q queries of a head of a sequence, walks the keys
// it sees in tiles (those of the prefix first, never copied beside the others) and keeps running maximum, sum and
// output (Dao et al. 2022, arXiv:2205.14135). blockIdx.x is (sequence, tile from the last to the first, head),
// blockIdx.y the split of the keys: few queries over a long cache would otherwise leave most of the device idle. A
// partial result is, for each row of the tile, the output before the division, then maximum and sum.
#include "attention_tile.cuh"
#include "reduce.cuh"

namespace pn {

// scores becomes probabilities under the running maximum `top`; sum and factor (for what was summed before) follow. A
// warp takes a row.
PN_DEVICE void online_softmax(float* scores, int row_stride, int rows, int columns, float* top, float* sum,
                              float* factor) {
    for (int i = warp_index(); i < rows; i += attention_threads / warp_size) {
        float* row = scores + i * row_stride;
        float largest = top[i];
        for (int j = lane_index(); j < columns; j += warp_size) largest = fmaxf(largest, row[j]);
        largest = warp_max(largest);
        float own = 0;
        for (int j = lane_index(); j < columns; j += warp_size) {
            row[j] = exponential(row[j], largest);
            own += row[j];
        }
        own = warp_sum(own);
        sync_warp();  // top was read
        if (lane_index() == 0) {
            factor[i] = exponential(top[i], largest);
            sum[i] = fmaf(sum[i], factor[i], own);
            top[i] = largest;
        }
    }
}

template <class T>
PN_DEVICE void attention_forward(const Attention& op, int tiles, int tile_q, int tile_k, float* partials) {
    PN_DYN_SMEM(float, memory);
    const QueryTile tile(op, tiles, tile_q);
    if (tile.count <= 0) return;
    const Segment& s = tile.segment;
    const int stride = op.head_dim | 1, row_stride = tile_k + 1, width = op.head_dim, kv_head = tile.head / op.group();
    Pieces pieces = {memory};
    float *q = pieces.take(tile_q * stride), *y = pieces.take(tile_q * stride), *kv = pieces.take(tile_k * stride);
    float *scores = pieces.take(tile_q * row_stride), *top = pieces.take(tile_q), *sum = pieces.take(tile_q);
    float* factor = pieces.take(tile_q);

    stage_rows<T>(q, stride, op.q, s.first_query + tile.first, tile.head * op.head_stride, tile.count, tile_q, width);
    clear(y, tile_q * stride);
    clear(sum, tile_q);
    for (int i = threadIdx.x; i < tile_q; i += attention_threads) top[i] = -INFINITY;

    const int from = op.first_seen(s, tile.first), all = op.end_seen(s, tile.first + tile.count - 1) - from;
    const int share = all > 0 ? (all + gridDim.y - 1) / gridDim.y : 0, begin = from + share * blockIdx.y;
    const int end = begin + share < from + all ? begin + share : from + all;
    for_key_runs(s, begin, end, tile_k, [&](int j0, int count) {
        sync_block();
        stage_keys<T>(kv, stride, op, KeyRun(op, s, false, j0, kv_head), count, tile_k);
        sync_block();
        for_dots(q, tile_q, kv, tile_k, stride, width, [&](int i, int j, float dot) {
            const bool seen = i < tile.count && j < count && op.sees(s, tile.first + i, j0 + j);
            scores[i * row_stride + j] = seen ? op.score(s, tile.head, tile.first + i, j0 + j, dot) : -INFINITY;
        });
        sync_block();
        online_softmax(scores, row_stride, tile_q, tile_k, top, sum, factor);
        stage_keys<T>(kv, stride, op, KeyRun(op, s, true, j0, kv_head), count, tile_k);
        sync_block();
        if (op.dropout.on()) {
            for (int at = threadIdx.x; at < tile_q * tile_k; at += attention_threads) {
                const int i = at / tile_k, j = at % tile_k;
                scores[i * row_stride + j] *= op.keep(s, tile.head, tile.first + i, j0 + j);
            }
            sync_block();
        }
        add_products(
            y, tile_q, kv, tile_k, stride, width, [&](int i) { return factor[i]; },
            [&](int i, int j) { return scores[i * row_stride + j]; });
    });
    sync_block();

    float* partial = partials + (static_cast<long long>(blockIdx.x) * gridDim.y + blockIdx.y) * tile_q * (width + 2);
    for (int i = warp_index(); i < tile.count; i += attention_threads / warp_size) {
        const long long row = s.first_query + tile.first + i;
        const bool whole = gridDim.y == 1;
        const float by = whole ? (sum[i] > 0 ? 1 / sum[i] : 0.0f) : 1.0f;
        for (int d = lane_index(); d < width; d += warp_size) {
            if (whole)
                op.y.set<T>(row, tile.head * width + d, by * y[i * stride + d]);
            else
                partial[i * (width + 2) + d] = y[i * stride + d];
        }
        if (lane_index() > 0) continue;
        if (!whole) partial[i * (width + 2) + width] = top[i], partial[i * (width + 2) + width + 1] = sum[i];
        if (whole && op.log_sum_exp.present()) op.log_sum_exp.set<float>(row, tile.head, top[i] + logf(sum[i]));
    }
}

// The grid of attention_forward without its splits.
template <class T>
PN_DEVICE void attention_merge(const Attention& op, int tiles, int tile_q, int splits, const float* partials) {
    const QueryTile tile(op, tiles, tile_q);
    const int width = op.head_dim, size = width + 2;
    for (int i = warp_index(); i < tile.count; i += attention_threads / warp_size) {
        const float* first = partials + (static_cast<long long>(blockIdx.x) * splits * tile_q + i) * size;
        const long long row = tile.segment.first_query + tile.first + i, step = static_cast<long long>(tile_q) * size;
        float top = -INFINITY, sum = 0;
        for (int p = 0; p < splits; p++) top = fmaxf(top, first[p * step + width]);
        for (int p = 0; p < splits; p++)
            sum = fmaf(exponential(first[p * step + width], top), first[p * step + width + 1], sum);
        for (int d = lane_index(); d < width; d += warp_size) {
            float y = 0;
            for (int p = 0; p < splits; p++)
                y = fmaf(exponential(first[p * step + width], top), first[p * step + d], y);
            op.y.set<T>(row, tile.head * width + d, sum > 0 ? y / sum : 0.0f);
        }
        if (lane_index() == 0 && op.log_sum_exp.present()) op.log_sum_exp.set<float>(row, tile.head, top + logf(sum));
    }
}

}  // namespace pn

// Not told how many blocks are to be resident, the compiler stops at 64 registers and spills.
#define PN_ONE_TYPE(T, suffix)                                                                                  \
    PN_KERNEL_RESIDENT(attention_forward_##suffix, 128, 6, pn::Attention op, int tiles, int tile_q, int tile_k, \
                       float* partials) {                                                                       \
        pn::attention_forward<T>(op, tiles, tile_q, tile_k, partials);                                          \
    }                                                                                                           \
    PN_KERNEL_BOUNDS(attention_merge_##suffix, 128, pn::Attention op, int tiles, int tile_q, int splits,        \
                     const float* partials) {                                                                   \
        pn::attention_merge<T>(op, tiles, tile_q, splits, partials);                                            \
    }
PN_FOR_TYPES(PN_ONE_TYPE)
