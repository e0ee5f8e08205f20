#include "gemm/product.h"

#include "gemm/pack.h"

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
constexpr std::ptrdiff_t left_block_floats = 64 << 10;

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

struct Block {
    std::ptrdiff_t k, steps;
    bool first, last;
};

std::ptrdiff_t steps_per_block(std::ptrdiff_t steps) {
    const std::ptrdiff_t blocks = larger<std::ptrdiff_t>(1, ceil_div<std::ptrdiff_t>(steps, block_steps));
    return larger<std::ptrdiff_t>(1, ceil_div<std::ptrdiff_t>(ceil_div(steps, blocks), panel_width)) * panel_width;
}

std::ptrdiff_t panels_per_block(std::ptrdiff_t steps) {
    return larger<std::ptrdiff_t>(1, right_block_floats / (panel_width * steps));
}

class Worker {
public:
    Worker(const Product& product, const Sink& sink, float* scratch)
        : p(product), sink(sink), segments(reinterpret_cast<Segment*>(scratch)),
          packed(scratch + segment_floats(sink)) {}

    static std::ptrdiff_t segment_floats(const Sink& sink) {
        return ceil_div<std::ptrdiff_t>((1 + sink.most_extra()) * static_cast<std::ptrdiff_t>(sizeof(Segment)), 64) * 16;
    }

    void run(const Share& share) {
        if (share.i0 >= share.i1 || share.j0 >= share.j1) return;
        const std::ptrdiff_t steps = steps_per_block(p.steps);
        const std::ptrdiff_t width = panels_per_block(steps) * panel_width;
        std::ptrdiff_t k = 0;
        do {
            const Block block{k, smaller(steps, p.steps - k), k == 0, k + steps >= p.steps};
            if (p.pack_right) {
                for (std::ptrdiff_t j = share.j0; j < share.j1; j += width) pack_and_run(block, share, j, smaller(share.j1, j + width));
            } else {
                run_block(block, share, width);
            }
            k += steps;
        } while (k < p.steps);
    }

private:
    void run_block(const Block& block, const Share& share, std::ptrdiff_t width) {
        const std::ptrdiff_t height =
            larger<std::ptrdiff_t>(1, left_block_floats / (larger<std::ptrdiff_t>(1, block.steps) * tile_rows)) * tile_rows;
        for (std::ptrdiff_t i = share.i0; i < share.i1; i += height)
            for (std::ptrdiff_t j = share.j0; j < share.j1; j += width)
                rectangle(block, {i, smaller(share.i1, i + height), j, smaller(share.j1, j + width)},
                          p.right.data + j / panel_width * p.right.panel + block.k * p.right.step, p.right.panel, p.right.step);
    }

    void pack_and_run(const Block& block, const Share& share, std::ptrdiff_t j0, std::ptrdiff_t j1) {
        const std::ptrdiff_t panel = block.steps * panel_width;
        pack_columns(p.right.data + block.k * p.right.step + j0, p.right.step, block.steps, j1 - j0, packed, panel);
        rectangle(block, {share.i0, share.i1, j0, j1}, packed, panel, panel_width);
    }

    void rectangle(const Block& block, const Share& share, const float* right, std::ptrdiff_t panel, std::ptrdiff_t step) {
        const Left left{p.left.data + block.k / panel_width * p.left.chunk, p.left.row, p.left.chunk};
        for (std::ptrdiff_t i = share.i0; i < share.i1; i += tile_rows) {
            const int rows = static_cast<int>(smaller<std::ptrdiff_t>(tile_rows, share.i1 - i));
            for (std::ptrdiff_t j = share.j0; j < share.j1; j += tile_columns) {
                const int columns = static_cast<int>(smaller<std::ptrdiff_t>(tile_columns, share.j1 - j));
                const std::ptrdiff_t offset = j - share.j0;
                const float* from = right + offset / panel_width * panel + offset % panel_width;
                segments[0] = {{left.data + i * left.row, left.row, left.chunk}, from, step, block.steps};
                finish(block, i, j, rows, columns);
            }
        }
    }

    void finish(const Block& block, std::ptrdiff_t i, std::ptrdiff_t j, int rows, int columns) {
        alignas(64) float sums[8 * tile_columns];
        const int count = 1 + (block.last ? sink.extra_segments(i, j, rows, columns, segments + 1) : 0);
        run_tile(segments, count, rows, columns, sums);
        sink.take({sums, i, j, rows, columns, block.first, block.last});
    }

    const Product& p;
    const Sink& sink;
    Segment* segments;
    float* packed;
};

}  // namespace

void run_tile(const Segment* segments, int count, int rows, int columns, float* out, std::ptrdiff_t stride) {
    const int vectors = ceil_div(columns, W), rest = columns - (vectors - 1) * W;
    const auto& table = rest == W ? tiles.full : tiles.edge;
    table[rows - 1][vectors - 1](segments, count, rest, out, stride);
}

std::ptrdiff_t share_floats(const Product& p, const Sink& sink) {
    const std::ptrdiff_t steps = steps_per_block(p.steps);
    return Worker::segment_floats(sink) + (p.pack_right ? panels_per_block(steps) * panel_width * steps : 0);
}

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

void StoreRows::take(const Tile& t) const {
    const F factor = set(scale);
    for (int r = 0; r < t.rows; r++) {
        float* to = data + (t.i + r) * stride + t.j;
        const float* from = t.sums + r * tile_columns;
        for_vectors(t.columns, [&](std::ptrdiff_t c, int n) {
            F value = load(from + c) * factor;
            if (column_scale != nullptr) value = value * load(column_scale + t.j + c, n);
            if (accumulate || !t.first) value += load(to + c, n);
            store(to + c, value, n);
        });
    }
}

void AddColumns::take(const Tile& t) const {
    for (int c = 0; c < t.columns; c++) {
        float* to = data + (t.j + c) * stride + t.i;
        for (int r = 0; r < t.rows; r++) to[r] += scale * t.sums[r * tile_columns + c];
    }
}

}  // namespace pn::PN_ISA
