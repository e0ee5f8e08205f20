#include "ops/common.h"
#include "ops/ops.h"

namespace pn::PN_ISA {

void gather_forward(pn_context& context, const pn_gather& op) {
    with_element(op.x, [&](auto e) {
        using T = decltype(e);
        for_rows(context, op.rows.columns, op.x.columns, [&](std::ptrdiff_t i) {
            std::memcpy(row<T>(op.y, i), row<T>(op.x, ints(op.rows)[i]),
                        sizeof(T) * static_cast<std::size_t>(op.x.columns));
        });
    });
}

// Rows may repeat: every worker adds all of them, in order, in its own columns.
template <class T>
static void add_rows(pn_context& context, const pn_gather& op, const pn_gather_gradients& g) {
    const std::ptrdiff_t count = op.rows.columns;
    const int workers = context.workers(static_cast<double>(count) * g.dy.columns);
    context.pool.run(workers, [&](int worker) {
        const Range range = part_of(g.dy.columns, worker, workers, 16);
        for (std::ptrdiff_t i = 0; i < count; i++) {
            T* to = row<T>(g.dx, ints(op.rows)[i]) + range.begin;
            const T* from = row<T>(g.dy, i) + range.begin;
            for_vectors(range.end - range.begin,
                        [&](std::ptrdiff_t c, int n) { store(to + c, load(to + c, n) + load(from + c, n), n); });
        }
    });
}

void gather_backward(pn_context& context, const pn_gather& op, const pn_gather_gradients& g) {
    with_element(g.dy, [&](auto e) { add_rows<decltype(e)>(context, op, g); });
}

}  // namespace pn::PN_ISA
