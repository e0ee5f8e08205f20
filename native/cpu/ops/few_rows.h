// Products of a few rows with the rows of a matrix, which is read
// once, as it lies: what generation, token by token, consists of.
#pragma once

#include <atomic>
#include <new>

#include "gemm/product.h"
#include "ops/common.h"

namespace pn::PN_ISA {

constexpr int few_rows = 4;  // do not pay for panels of the matrix
static_assert(few_rows <= tile_rows);

// Rows x of floats, one after the other, and a matrix of U; or with Pairs both of pairs of bf16. The matrix is read at
// several places at once, each far enough from the next for the hardware to follow.
template <class U, bool Pairs, int Places>
class FewRows {
public:
    FewRows(const float* x, int rows, const pn_tensor& w)
        : x(x),
          rows(rows),
          width(Pairs ? w.columns / 2 : w.columns),
          stride(Pairs ? w.stride / 2 : w.stride),
          w(data<Word>(w)) {}

    // Hands the sums of the given rows of the matrix to body(tile), strip by strip.
    template <class Body>
    void run(Range range, Body&& body) const {
        alignas(64) float sums[Places * few_rows * tile_columns];
        const std::ptrdiff_t length = ceil_div<std::ptrdiff_t>(range.end - range.begin, Places);
        for (std::ptrdiff_t first = 0; first < length; first += tile_columns) {
            const int columns = static_cast<int>(smaller<std::ptrdiff_t>(tile_columns, length - first));
            for (int m = 0; m < rows;) m += beside(m, range, length, first, columns, sums);
            for (int p = 0; p < Places; p++) {
                const std::ptrdiff_t j = range.begin + p * length + first;
                if (j < range.end)
                    body(Tile{sums + p * few_rows * tile_columns, 0, j, rows,
                              static_cast<int>(smaller<std::ptrdiff_t>(columns, range.end - j))});
            }
        }
    }

private:
    using Word = std::conditional_t<Pairs, float, U>;
    static constexpr std::ptrdiff_t ahead = 1024 / sizeof(Word);  // is asked for

    // As many rows of x as go together.
    int beside(int m, Range range, std::ptrdiff_t length, std::ptrdiff_t first, int columns, float* sums) const {
        if constexpr (W / Places >= 4)
            if (rows - m >= 4) return strip<4>(m, range, length, first, columns, sums);
        if constexpr (W / Places >= 2)
            if (rows - m >= 2) return strip<2>(m, range, length, first, columns, sums);
        return strip<1>(m, range, length, first, columns, sums);
    }

    // W sums are made together: of M rows of x and `each` rows of the matrix at each place.
    template <int M>
    int strip(int m, Range range, std::ptrdiff_t length, std::ptrdiff_t first, int columns, float* sums) const {
        constexpr int each = W / M / Places;
        for (int c = 0; c < columns; c += each) {
            F parts[W];
            PN_UNROLL
            for (int r = 0; r < each; r++) {
                const Word* places[Places];
                for (int p = 0; p < Places; p++)
                    places[p] = w + smaller(range.begin + p * length + first + c + r, range.end - 1) * stride;
                multiply<M, each>(x + m * width, places, parts + r);
            }
            alignas(64) float out[W];
            store(out, sums_of(parts));
            for (int i = 0; i < M; i++)
                for (int p = 0; p < Places; p++)
                    std::memcpy(sums + (p * few_rows + m + i) * tile_columns + c, out + (i * Places + p) * each,
                                sizeof(float) * each);
        }
        return M;
    }

    // parts[(i * Places + p) * Step]: the parts of row i of x times the row at place p.
    template <int M, int Step>
    PN_INLINE void multiply(const float* left, const Word* const (&places)[Places], F* parts) const {
        F sum[M][Places];
        PN_UNROLL
        for (int i = 0; i < M; i++) {
            PN_UNROLL
            for (int p = 0; p < Places; p++) sum[i][p] = zero();
        }
        for_vectors(width, [&](std::ptrdiff_t c, int n) {
            F v[M];
            PN_UNROLL
            for (int i = 0; i < M; i++) v[i] = load(left + i * width + c, n);
            PN_UNROLL
            for (int p = 0; p < Places; p++) {
                prefetch(places[p] + c + ahead, true);
                const F weight = load(places[p] + c, n);
                PN_UNROLL
                for (int i = 0; i < M; i++)
                    sum[i][p] = Pairs ? dot_pairs(weight, v[i], sum[i][p]) : fma(weight, v[i], sum[i][p]);
            }
        });
        PN_UNROLL
        for (int i = 0; i < M; i++) {
            PN_UNROLL
            for (int p = 0; p < Places; p++) parts[(i * Places + p) * Step] = sum[i][p];
        }
    }

    const float* x;
    const int rows;
    const std::ptrdiff_t width, stride;  // in words
    const Word* w;
};

// Rows of a matrix that workers take piece by piece. A line of its own for each, as several write it.
class alignas(64) SharedRows {
public:
    SharedRows(Range rows, std::ptrdiff_t fewest) : end(rows.end), fewest(fewest), next(rows.begin) {}

    // Three quarters of what is left, or all of it where that would be too few rows; false when nothing is left.
    bool take(Range& piece) {
        std::ptrdiff_t from = next.load(std::memory_order_relaxed);
        do {
            if (from >= end) return false;
            piece = {from, end - from < 2 * fewest ? end : from + (end - from) * 3 / 4 / 16 * 16};
        } while (!next.compare_exchange_weak(from, piece.end, std::memory_order_relaxed));
        return true;
    }

private:
    const std::ptrdiff_t end, fewest;
    std::atomic<std::ptrdiff_t> next;
};

// Gives the sums of all rows of the matrix to body(tile), strip by strip on the threads of the context. Who is done
// with a part helps with the others: cores are not equally fast at all times.
template <class U, bool Pairs, class Body>
void for_strips(pn_context& context, const float* x, int rows, const pn_tensor& w, Body&& body) {
    constexpr std::ptrdiff_t worth_taking = 128 << 10;  // bytes: where reading begins anew it is slow at first
    const FewRows<U, Pairs, 4> product(x, rows, w);
    const int workers = context.workers(context.from_memory * w.columns * w.rows);
    auto* parts =
        static_cast<SharedRows*>(context.workspace.bytes(sizeof(SharedRows) * static_cast<std::size_t>(workers)));
    const std::ptrdiff_t fewest =
        workers == 1
            ? w.rows
            : larger<std::ptrdiff_t>(16, worth_taking / static_cast<std::ptrdiff_t>(sizeof(U)) / larger(1, w.columns));
    for (int p = 0; p < workers; p++) new (parts + p) SharedRows(part_of(w.rows, p, workers, 16), fewest);
    context.pool.run(workers, [&](int worker) {
        Range piece;
        for (int p = 0; p < workers; p++)
            while (parts[(worker + p) % workers].take(piece)) product.run(piece, body);
    });
}

}  // namespace pn::PN_ISA
