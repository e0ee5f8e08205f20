// Sums and updates of whole matrices, element by element.
#include "ops/common.h"
#include "ops/ops.h"
#include "simd/math.h"

namespace pn::PN_ISA {

double sum_of_squares(pn_context& context, const pn_tensor& x) {
    // elements of a row that are summed at a time, whatever the number of threads
    constexpr std::ptrdiff_t block = 4096;
    const std::ptrdiff_t per_row = ceil_div<std::ptrdiff_t>(x.columns, block), blocks = x.rows * per_row;
    double* sums = context.workspace.doubles(blocks);
    for_rows(context, blocks, block, [&](std::ptrdiff_t b) {
        const std::ptrdiff_t c = b % per_row * block;
        const float* from = row(x, b / per_row) + c;
        D squares = dzero();
        for_vectors(smaller(block, x.columns - c),
                    [&](std::ptrdiff_t i, int n) { squares = add_square(squares, load(from + i, n)); });
        sums[b] = sum(squares);
    });
    double total = 0;
    for (std::ptrdiff_t b = 0; b < blocks; b++) total += sums[b];
    return total;
}

void add_scaled(pn_context& context, const pn_tensor& x, double scale, const pn_tensor& y) {
    const F factor = set(static_cast<float>(scale));
    constexpr std::ptrdiff_t block = 8192;
    const std::ptrdiff_t per_row = ceil_div<std::ptrdiff_t>(x.columns, block);
    with_element(x, [&](auto e) {
        using T = decltype(e);
        for_rows(context, x.rows * per_row, block, [&](std::ptrdiff_t b) {
            const std::ptrdiff_t c = b % per_row * block;
            const T* from = row<T>(x, b / per_row) + c;
            T* to = row<T>(y, b / per_row) + c;
            for_vectors(smaller(block, x.columns - c), [&](std::ptrdiff_t i, int n) {
                store(to + i, fma(factor, load(from + i, n), load(to + i, n)), n);
            });
        });
    });
}

void map(int function, const float* x, float* y, int count) {
    for_vectors(count, [&](std::ptrdiff_t i, int n) {
        const F v = load(x + i, n);
        store(y + i, function == 0 ? exp(v) : function == 1 ? tanh(v) : function == 2 ? erf(v) : sigmoid(v), n);
    });
}

}  // namespace pn::PN_ISA
