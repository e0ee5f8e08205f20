#include "gemm/product.h"

namespace pn::PN_ISA {

namespace {

using TileFunction = void (*)(const Segment*, int, int, float*, std::ptrdiff_t);

template <int R, int V>
constexpr void fill_tiles(TileFunction (&full)[tile_vectors], TileFunction (&edge)[tile_vectors]) {
    full[V - 1] = tile<R, V, false>;
    edge[V - 1] = tile<R, V, true>;
    if constexpr (V > 1) fill_tiles<R, V - 1>(full, edge);
}

struct TileTable {
    TileFunction full[tile_rows][tile_vectors], edge[tile_rows][tile_vectors];

    template <int R>
    constexpr void fill() {
        fill_tiles<R, tile_vectors>(full[R - 1], edge[R - 1]);
        if constexpr (R > 1) fill<R - 1>();
    }
    constexpr TileTable() : full{}, edge{} { fill<tile_rows>(); }
};

constexpr TileTable tiles;

constexpr std::ptrdiff_t right_block_floats = 128 << 10;  // half of a 1 MB second-level cache

// One worker's rectangle of the output.
struct Share {
    std::ptrdiff_t i0, i1, j0, j1;
};

// Bounds of part `index` of `count` things in `parts` parts, in whole units.
PN_INLINE std::ptrdiff_t bound(std::ptrdiff_t count, std::ptrdiff_t unit, int parts, int index) {
    const std::ptrdiff_t units = ceil_div(count, unit);
    return smaller(count, units * index / parts * unit);
}

// Divides the output among workers so that the largest share is least; every row or column of a share also has to be read,
// which counts like a dozen multiplications an element.
Share share_of(const Product& p, int worker, int workers) {
    double least = 0;
    int best_down = 1, best_across = 1;
    for (int down = 1; down <= workers; down++) {
        const int across = workers / down;
        const auto rows = static_cast<double>(ceil_div<std::ptrdiff_t>(ceil_div<std::ptrdiff_t>(p.rows, tile_rows), down) * tile_rows);
        const auto columns = static_cast<double>(smaller(p.columns,
            ceil_div<std::ptrdiff_t>(ceil_div<std::ptrdiff_t>(p.columns, panel_width), across) * panel_width));
        const double cost = rows * columns + 12 * (rows + columns);
        if (down == 1 || cost < least) {
            least = cost;
            best_down = down;
            best_across = across;
        }
    }
    if (worker >= best_down * best_across) return {};
    const int down = worker % best_down, across = worker / best_down;
    return {bound(p.rows, tile_rows, best_down, down), bound(p.rows, tile_rows, best_down, down + 1),
            bound(p.columns, panel_width, best_across, across), bound(p.columns, panel_width, best_across, across + 1)};
}

std::ptrdiff_t steps_of(const Product& p) { return p.pairs ? ceil_div<std::ptrdiff_t>(p.steps, 2) : p.steps; }

std::ptrdiff_t steps_per_block(std::ptrdiff_t steps) {
    const std::ptrdiff_t blocks = larger<std::ptrdiff_t>(1, ceil_div<std::ptrdiff_t>(steps, block_steps));
    return larger<std::ptrdiff_t>(1, ceil_div<std::ptrdiff_t>(ceil_div(steps, blocks), panel_width)) * panel_width;
}

std::ptrdiff_t panels_per_block(std::ptrdiff_t steps) {
    return larger<std::ptrdiff_t>(1, right_block_floats / (panel_width * steps));
}

// Few rows do not pay for a copy of a right operand that can be read as it is.
bool packs(const Product& p) { return p.pairs || p.right.is_bf16 || p.right.turned || p.rows > 4 * tile_rows; }

class Worker {
public:
    Worker(const Product& product, const Sink& sink, float* scratch)
        : p(product), sink(sink), steps(steps_of(product)), block(steps_per_block(steps)), width(panels_per_block(block) * panel_width),
          segments(reinterpret_cast<Segment*>(scratch)), packed(scratch + segment_floats(sink)),
          waiting(packed + (packs(p) ? width * block : 0)) {}

    static std::ptrdiff_t segment_floats(const Sink& sink) {
        return ceil_div<std::ptrdiff_t>((1 + sink.most_extra()) * static_cast<std::ptrdiff_t>(sizeof(Segment)), 64) * 16;
    }

    static std::ptrdiff_t floats(const Product& p, const Sink& sink) {
        const std::ptrdiff_t steps = steps_of(p), block = steps_per_block(steps), width = panels_per_block(block) * panel_width;
        const std::ptrdiff_t tall = ceil_div<std::ptrdiff_t>(p.rows, tile_rows) * tile_rows;
        return segment_floats(sink) + (packs(p) ? width * block : 0) + (steps > block ? tall * width : 0);
    }

    void run(const Share& share) {
        if (share.i0 >= share.i1) return;
        for (std::ptrdiff_t j = share.j0; j < share.j1; j += width) {
            const Share part{share.i0, share.i1, j, smaller(share.j1, j + width)};
            std::ptrdiff_t k = 0;
            do {
                reduce(part, k, smaller(block, steps - k));
                k += block;
            } while (k < steps);
        }
    }

private:
    // Steps [k, k + count) of the tiles of a part.
    void reduce(const Share& part, std::ptrdiff_t k, std::ptrdiff_t count) {
        const float* right = static_cast<const float*>(p.right.data) + k * p.right.stride + part.j0;
        std::ptrdiff_t panel = panel_width, step = p.right.stride;
        if (packs(p)) {
            const std::ptrdiff_t each = p.pairs ? 2 : 1, first = k * each;
            pack_right(p.right, first, smaller(count * each, p.steps - first), part.j0, part.j1 - part.j0, p.pairs, packed);
            right = packed;
            panel = count * panel_width;
            step = panel_width;
        }
        float* kept = waiting;
        for (std::ptrdiff_t i = part.i0; i < part.i1; i += tile_rows)
            for (std::ptrdiff_t j = part.j0; j < part.j1; j += tile_columns, kept += tile_rows * tile_columns) {
                const std::ptrdiff_t offset = j - part.j0;
                const float* from = right + offset / panel_width * panel + offset % panel_width;
                segments[0] = {{p.left.data + i * p.left.row + k, p.left.row}, from, step, count, p.pairs};
                finish(i, j, static_cast<int>(smaller<std::ptrdiff_t>(tile_rows, part.i1 - i)),
                       static_cast<int>(smaller<std::ptrdiff_t>(tile_columns, part.j1 - j)), k == 0, k + count >= steps, kept);
            }
    }

    // Sums of earlier blocks wait in `kept`, tile after tile.
    void finish(std::ptrdiff_t i, std::ptrdiff_t j, int rows, int columns, bool first, bool last, float* kept) {
        alignas(64) float sums[8 * tile_columns];
        const int count = 1 + (last ? sink.extra_segments(i, j, rows, columns, segments + 1) : 0);
        run_tile(segments, count, rows, columns, sums);
        if (!first)
            for (int e = 0; e < rows * tile_columns; e += W) store(sums + e, load(sums + e) + load(kept + e));
        if (last) sink.take({sums, i, j, rows, columns});
        else std::memcpy(kept, sums, sizeof(float) * static_cast<std::size_t>(rows) * tile_columns);
    }

    const Product& p;
    const Sink& sink;
    const std::ptrdiff_t steps, block, width;
    Segment* segments;
    float *packed, *waiting;
};

}  // namespace

void run_tile(const Segment* segments, int count, int rows, int columns, float* out, std::ptrdiff_t stride) {
    const int vectors = ceil_div(columns, W), rest = columns - (vectors - 1) * W;
    const auto& table = rest == W ? tiles.full : tiles.edge;
    table[rows - 1][vectors - 1](segments, count, rest, out, stride);
}

std::ptrdiff_t share_floats(const Product& p, const Sink& sink) { return Worker::floats(p, sink); }

void multiply_share(const Product& product, const Sink& sink, int worker, int workers, float* scratch) {
    Worker(product, sink, scratch).run(share_of(product, worker, workers));
}

int workers_for(const pn_context& context, const Product& p) {
    constexpr double worth_a_fork = 1 << 17;
    return context.workers(static_cast<double>(p.rows) * static_cast<double>(p.columns) * static_cast<double>(p.steps), worth_a_fork);
}

void multiply(pn_context& context, const Product& product, const Sink& sink) {
    const int workers = workers_for(context, product);
    const std::ptrdiff_t floats = share_floats(product, sink);
    float* scratch = context.workspace.floats(floats * workers);
    context.pool.run(workers, [&](int worker) { multiply_share(product, sink, worker, workers, scratch + worker * floats); });
}

void AddColumns::take(const Tile& t) const {
    for (int c = 0; c < t.columns; c++) {
        float* to = data + (t.j + c) * stride + t.i;
        for (int r = 0; r < t.rows; r++) to[r] += scale * t.sums[r * tile_columns + c];
    }
}

}  // namespace pn::PN_ISA
