// embedding_forward             Y[M, D], the formula stands in PeftNative.Ops.EmbeddingOp; tables are of the second
//                               type
// embedding_table_gradient      dtable[V, D] += scale * the rows of dY whose id (int32, from ids + base) names the
//                               table's row, in order
// embedding_low_rank_gradients  dA[R, V] and dB[D, R] +=, rows in order
//
// A, B, virtual rows and all gradients are fp32. Ids below 0 are virtual tokens.
#include "matches.cuh"
#include "reduce.cuh"

namespace pn {

struct EmbeddingTables {
    Tensor table, positions, types;  // [V, D], [P, D], [types, D]
    Tensor virtual_rows;
    Tensor a, b;                     // [R, V], [D, R]
    float token_scale, low_rank_scale;
};

template <class T, class W>
PN_DEVICE void embedding_forward(const Tensor& tokens, const Tensor& positions, const Tensor& types,
                                 const EmbeddingTables& from, const Tensor& y) {
    for_piece(y.columns, [&](int i, int d) {
        const int token = tokens.integer(i);
        float v;
        if (token < 0) {
            v = from.virtual_rows.get<float>(-1 - token, d);
        } else {
            float low_rank = 0;
            if (from.a.present())
                for (int r = 0; r < from.a.rows; r++)
                    low_rank = fmaf(from.a.get<float>(r, token), from.b.get<float>(d, r), low_rank);
            v = from.token_scale * fmaf(from.low_rank_scale, low_rank, from.table.get<W>(token, d));
        }
        if (from.positions.present()) v += from.positions.get<W>(positions.integer(i), d);
        if (from.types.present()) v += from.types.get<W>(types.integer(i), d);
        y.set<T>(i, d, v);
    });
}

// A block takes a row of the table; warp w the columns 32 w, 32 (w + warps), ...
template <class T>
PN_DEVICE void embedding_table_gradient(const Tensor& dy, const Tensor& ids, float scale, int is_virtual,
                                        const Tensor& dtable) {
    const int row = blockIdx.x;
    for_matches(ids, is_virtual ? -1 - row : row, [&](int i) {
        for (int d = threadIdx.x; d < dy.columns; d += blockDim.x) {
            float& sum = dtable.row<float>(row)[d];
            sum = fmaf(scale, dy.get<T>(i, d), sum);
        }
    });
}

// A warp takes a column of A.
template <class T>
PN_DEVICE void embedding_a_gradient(const Tensor& dy, const Tensor& tokens, float scale, const Tensor& b,
                                    const Tensor& da) {
    const int token = blockIdx.x * (blockDim.x / warp_size) + warp_index();
    if (token >= da.columns) return;
    for_matches(tokens, token, [&](int i) {
        for (int r = 0; r < da.rows; r++) {
            float sum = 0;
            for (int d = lane_index(); d < dy.columns; d += warp_size)
                sum = fmaf(dy.get<T>(i, d), b.get<float>(d, r), sum);
            sum = warp_sum(sum);
            if (lane_index() == 0) da.row<float>(r)[token] += scale * sum;
        }
    });
}

template <class T>
PN_DEVICE void embedding_b_gradient(const Tensor& dy, const Tensor& tokens, float scale, const Tensor& a,
                                    const Tensor& db) {
    const int d = blockIdx.x * blockDim.x + threadIdx.x, r = blockIdx.y;
    if (d >= db.rows) return;
    float sum = 0;
    for (int i = 0; i < dy.rows; i++) {
        const int token = tokens.integer(i);
        if (token >= 0) sum = fmaf(dy.get<T>(i, d), a.get<float>(r, token), sum);
    }
    db.row<float>(d)[r] += scale * sum;
}

}  // namespace pn

#define PN_TWO_TYPES(T, W, suffix)                                                                   \
    PN_KERNEL(embedding_forward_##suffix, pn::Tensor tokens, pn::Tensor positions, pn::Tensor types, \
              pn::EmbeddingTables from, pn::Tensor y) {                                              \
        pn::embedding_forward<T, W>(tokens, positions, types, from, y);                              \
    }
PN_FOR_MATRIX_TYPES(PN_TWO_TYPES)

#define PN_ONE_TYPE(T, suffix)                                                                               \
    PN_KERNEL(embedding_table_gradient_##suffix, pn::Tensor dy, pn::Tensor ids, float scale, int is_virtual, \
              pn::Tensor dtable) {                                                                           \
        pn::embedding_table_gradient<T>(dy, ids, scale, is_virtual, dtable);                                 \
    }                                                                                                        \
    PN_KERNEL(embedding_a_gradient_##suffix, pn::Tensor dy, pn::Tensor tokens, float scale, pn::Tensor b,    \
              pn::Tensor da) {                                                                               \
        pn::embedding_a_gradient<T>(dy, tokens, scale, b, da);                                               \
    }                                                                                                        \
    PN_KERNEL(embedding_b_gradient_##suffix, pn::Tensor dy, pn::Tensor tokens, float scale, pn::Tensor a,    \
              pn::Tensor db) {                                                                               \
        pn::embedding_b_gradient<T>(dy, tokens, scale, a, db);                                               \
    }
PN_FOR_TYPES(PN_ONE_TYPE)
