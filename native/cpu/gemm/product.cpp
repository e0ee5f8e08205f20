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

// Divides the output among workers so that the largest share is least; every row or column of a share also has to be read,
// which counts like a dozen multiplications an element.
Share share_of(const Product& p, int worker, int workers) {
    if (p.by_rows) {
        const Range rows = rows_of(p.rows, worker, workers);
        return {rows.begin, rows.end, 0, p.columns};
    }
    double least = 0;
    int best_down = 1, best_across = 1;
    for (int down = 1; down <= workers; down++) {
        const int across = workers / down;
        const auto rows = static_cast<double>(ceil_div<std::ptrdiff_t>(ceil_div<std::ptrdiff_t>(p.rows, tile_rows), down) * tile_rows);
        const auto columns = static_cast<double>(smaller(p.columns,
            ceil_div<std::ptrdiff_t>(ceil_div<std::ptrdiff_t>(p.columns, panel_unit), across) * panel_unit));
        const double cost = rows * columns + 12 * (rows + columns);
        if (down == 1 || cost < least) {
            least = cost;
            best_down = down;
            best_across = across;
        }
    }
    if (worker >= best_down * best_across) return {};
    const int down = worker % best_down, across = worker / best_down;
    const Range rows = rows_of(p.rows, down, best_down), columns = part_of(p.columns, across, best_across, panel_unit);
    return {rows.begin, rows.end, columns.begin, columns.end};
}

std::ptrdiff_t steps_of(const Product& p) { return ceil_div(p.steps, each(p.words)); }

std::ptrdiff_t steps_per_block(std::ptrdiff_t steps) {
    const std::ptrdiff_t blocks = larger<std::ptrdiff_t>(1, ceil_div<std::ptrdiff_t>(steps, block_steps));
    return larger<std::ptrdiff_t>(1, ceil_div<std::ptrdiff_t>(ceil_div(steps, blocks), panel_width)) * panel_width;
}

std::ptrdiff_t panels_per_block(std::ptrdiff_t steps) {
    return larger<std::ptrdiff_t>(1, right_block_floats / (panel_width * steps));
}

// A right operand that can be read as it is pays for a copy when many rows read it, unless it is small.
bool packs(const Product& p) {
    constexpr std::ptrdiff_t small_floats = 16 << 10;
    if (p.words != Words::floats || p.right.is_bf16 || p.right.turned) return true;
    return p.rows > 4 * tile_rows && p.steps * p.right.stride > small_floats;
}

class Worker {
public:
    Worker(const Product& product, const Sink& sink, float* scratch)
        : p(product), sink(sink), steps(steps_of(product)), block(steps_per_block(steps)), panels(panels_per_block(block)),
          packing(packs(product)), segments(reinterpret_cast<Segment*>(scratch)), packed(scratch + segment_floats(sink)),
          waiting(packed + (packing ? panels * panel_width * block : 0)) {}

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
        Part part{share.j0, end_of_block(share.j0, share.j1), 0, smaller(block, steps)};
        while (part.j0 < part.j1) {
            const Part next = part.k1 < steps ? Part{part.j0, part.j1, part.k1, smaller(steps, part.k1 + block)}
                                              : Part{part.j1, end_of_block(part.j1, share.j1), 0, smaller(block, steps)};
            reduce(share, part, next);
            part = next;
        }
    }

private:
    // Columns and steps that are packed together.
    struct Part {
        std::ptrdiff_t j0, j1, k0, k1;
    };

    std::ptrdiff_t end_of_block(std::ptrdiff_t j, std::ptrdiff_t end) const {
        for (std::ptrdiff_t n = 0; n < panels && j < end; n++) j += panel_columns(end - j);
        return j;
    }

    // The tiles of a part. Meanwhile rows of the left operand and the next part of the right one are asked for.
    void reduce(const Share& share, const Part& part, const Part& next) {
        const std::ptrdiff_t count = part.k1 - part.k0, per = each(p.words);
        if (packing)
            pack_right(p.right, part.k0 * per, smaller(count * per, p.steps - part.k0 * per), part.j0, part.j1 - part.j0, p.words, packed);
        float* kept = waiting;
        std::ptrdiff_t piece = 0;
        for (std::ptrdiff_t i = share.i0; i < share.i1; i += tile_rows) {
            const Left left{p.left.data + i * p.left.row + part.k0, p.left.row};
            const float* right = packing ? packed : static_cast<const float*>(p.right.data) + part.k0 * p.right.stride + part.j0;
            Ahead ahead = i + tile_rows < share.i1 ? rows_below(left) : ahead_of(next, piece++);
            for (std::ptrdiff_t j = part.j0, width; j < part.j1; j += width, right += packing ? count * panel_width : width) {
                width = panel_columns(part.j1 - j);
                for (std::ptrdiff_t c = 0; c < width; c += tile_columns, kept += tile_rows * tile_columns) {
                    segments[0] = {left, right + c, packing ? panel_width : p.right.stride, count, p.words, ahead};
                    finish(i, j + c, static_cast<int>(smaller<std::ptrdiff_t>(tile_rows, share.i1 - i)),
                           static_cast<int>(smaller<std::ptrdiff_t>(tile_columns, width - c)), part.k0 == 0, part.k1 >= steps, kept);
                    ahead = ahead_of(next, piece++);
                }
            }
        }
    }

    // Small operands are in the caches anyway.
    bool is_large() const { return p.rows * steps > 32 << 10; }

    Ahead rows_below(const Left& left) const {
        if (!is_large()) return {};
        const auto row = left.row * static_cast<std::ptrdiff_t>(sizeof(float));
        return {reinterpret_cast<const char*>(left.data) + tile_rows * row, row, ahead_bytes};
    }

    // A piece of the right operand as it lies in memory, for the tile with this number.
    Ahead ahead_of(const Part& next, std::ptrdiff_t piece) const {
        if (!packing || !is_large() || next.j0 >= next.j1) return {};
        const std::ptrdiff_t size = p.words == Words::quads ? 1 : p.right.is_bf16 ? 2 : 4, per = each(p.words), stride = p.right.stride * size;
        const std::ptrdiff_t k = next.k0 * per, deep = (next.k1 - next.k0) * per, wide = next.j1 - next.j0;
        const char* from = static_cast<const char*>(p.right.data) + (p.right.turned ? next.j0 * stride + k * size : k * stride + next.j0 * size);
        if (p.right.turned) {
            const std::ptrdiff_t row = piece * tile_rows;
            return row < wide ? Ahead{from + row * stride, stride, ahead_bytes} : Ahead{};
        }
        const std::ptrdiff_t across = ceil_div<std::ptrdiff_t>(wide * size, ahead_bytes);
        const std::ptrdiff_t row = piece / across * ceil_div<std::ptrdiff_t>(next.k1 - next.k0, panel_width) * tile_rows;
        return row < deep ? Ahead{from + row * stride + piece % across * ahead_bytes, stride, tile_rows * stride} : Ahead{};
    }

    // Sums of earlier blocks wait in `kept`, tile after tile.
    void finish(std::ptrdiff_t i, std::ptrdiff_t j, int rows, int columns, bool first, bool last, float* kept) {
        if (p.words == Words::quads) return finish_whole(i, j, rows, columns, first, last, kept);
        alignas(64) float sums[8 * tile_columns];
        const int count = 1 + (last ? sink.extra_segments(i, j, rows, columns, segments + 1) : 0);
        run_tile(segments, count, rows, columns, sums);
        if (!first)
            for (int e = 0; e < rows * tile_columns; e += W) store(sums + e, load(sums + e) + load(kept + e));
        if (last) sink.take({sums, i, j, rows, columns});
        else std::memcpy(kept, sums, sizeof(float) * static_cast<std::size_t>(rows) * tile_columns);
    }

    // The same for sums of quads, which stay whole numbers until all are there.
    void finish_whole(std::ptrdiff_t i, std::ptrdiff_t j, int rows, int columns, bool first, bool last, float* kept) {
        alignas(64) float sums[8 * tile_columns], extra[8 * tile_columns];
        run_tile(segments, 1, rows, columns, sums);
        if (!first)
            for (int e = 0; e < rows * tile_columns; e += W) store(sums + e, add_whole(load(sums + e), load(kept + e)));
        if (!last) return static_cast<void>(std::memcpy(kept, sums, sizeof(float) * static_cast<std::size_t>(rows) * tile_columns));
        const int count = sink.extra_segments(i, j, rows, columns, segments + 1);
        if (count > 0) run_tile(segments + 1, count, rows, columns, extra);
        for (int r = 0; r < rows; r++) {
            const F surplus = set_whole(-quad_offset * p.scales.left_sums[i + r]), scale = set(p.scales.rows[i + r]);
            float *to = sums + r * tile_columns, *more = extra + r * tile_columns;
            for_vectors(columns, [&](std::ptrdiff_t c, int n) {
                F value = from_whole(add_whole(load(to + c), surplus)) * scale;
                if (p.scales.columns != nullptr) value = value * load(p.scales.columns + j + c, n);
                store(to + c, count > 0 ? value + load(more + c) : value);
            });
        }
        sink.take({sums, i, j, rows, columns});
    }

    const Product& p;
    const Sink& sink;
    const std::ptrdiff_t steps, block, panels;
    const bool packing;
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

void multiply(pn_context& context, const Product& product, const Sink& sink) {
    run_shares(context, product.multiplications(), share_floats(product, sink),
               [&](int worker, int workers, float* scratch) { multiply_share(product, sink, worker, workers, scratch); });
}

void AddColumns::take(const Tile& t) const {
    static_assert(tile_rows <= W);
    const F by = set(scale);
    for (int c = 0; c < t.columns; c += W) {
        const int width = smaller(W, t.columns - c);
        F square[W];
        for (int r = 0; r < W; r++) square[r] = r < t.rows ? load(t.sums + r * tile_columns + c) : zero();
        transpose(square);
        for (int k = 0; k < width; k++) {
            float* to = data + (t.j + c + k) * stride + t.i;
            store(to, fma(by, square[k], load(to, t.rows)), t.rows);
        }
    }
}

}  // namespace pn::PN_ISA
