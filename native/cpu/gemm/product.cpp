#include "gemm/product.h"

#include <atomic>
#include <memory>

namespace pn::PN_ISA {

namespace {

using TileFunction = void (*)(const Segment*, int, int, const Place&);

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

// A rectangle of the output.
struct Share {
    std::ptrdiff_t i0, i1, j0, j1;

    std::ptrdiff_t tiles_down() const { return ceil_div<std::ptrdiff_t>(i1 - i0, tile_rows); }
};

// How far a share has come, counted in rows of tiles: panel
// after panel, in each from the top. A line of its own for each.
struct alignas(64) Progress {
    std::atomic<std::ptrdiff_t> taken{0};
};

// Divides the output among workers so that the largest share is least; every row or column of a share also has to be
// read, which counts like a dozen multiplications an element.
Share share_of(const Product& p, int worker, int workers) {
    if (p.by_rows) {
        const Range rows = rows_of(p.rows, worker, workers);
        return {rows.begin, rows.end, 0, p.columns};
    }
    double least = 0;
    int best_down = 1, best_across = 1;
    for (int down = 1; down <= workers; down++) {
        const int across = workers / down;
        const auto rows = static_cast<double>(
            ceil_div<std::ptrdiff_t>(ceil_div<std::ptrdiff_t>(p.rows, tile_rows), down) * tile_rows);
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

// A right operand that can be read as it is pays for a copy when many rows read it, unless it is small. Where its rows
// lie a multiple of a page apart, and so in the same few sets of the first cache, fewer are enough.
bool packs(const Product& p) {
    constexpr std::ptrdiff_t small_floats = 16 << 10, page_floats = 1024;
    if (p.words != Words::floats || p.right.is_bf16 || p.right.turned) return true;
    const std::ptrdiff_t few = p.right.stride % page_floats == 0 ? 4 : 8;
    return p.rows > few * tile_rows && p.steps * p.right.stride > small_floats;
}

class Worker {
public:
    Worker(const Product& product, const Sink& sink, float* scratch)
        : p(product),
          sink(sink),
          steps(steps_of(product)),
          block(steps_per_block(steps)),
          panels(panels_per_block(block)),
          packing(packs(product)),
          segments(reinterpret_cast<Segment*>(scratch)),
          packed(scratch + segment_floats(sink)),
          waiting(packed + (packing ? panels * panel_width * block : 0)) {}

    static std::ptrdiff_t segment_floats(const Sink& sink) {
        return ceil_div<std::ptrdiff_t>((1 + sink.most_extra()) * static_cast<std::ptrdiff_t>(sizeof(Segment)), 64) *
               16;
    }

    static std::ptrdiff_t floats(const Product& p, const Sink& sink) {
        const std::ptrdiff_t steps = steps_of(p), block = steps_per_block(steps),
                             width = panels_per_block(block) * panel_width;
        const std::ptrdiff_t tall = ceil_div<std::ptrdiff_t>(p.rows, tile_rows) * tile_rows;
        return segment_floats(sink) + (packs(p) ? width * block : 0) + (steps > block ? tall * width : 0);
    }

    // Computes what nobody has taken of a share: as many panels at once as fit, or, where others take from the same
    // share, half of what is left, down to a few rows of the last panel.
    void run(const Share& share, Progress& progress, bool shared) {
        if (share.i0 >= share.i1) return;
        for (Piece piece; take(share, progress.taken, shared, piece);) {
            const Share rectangle{share.i0 + piece.top * tile_rows,
                                  smaller(share.i1, share.i0 + piece.bottom * tile_rows), column_of(share, piece.first),
                                  column_of(share, piece.last)};
            Part part{rectangle.j0, rectangle.j1, 0, smaller(block, steps)};
            for (;;) {
                const bool last = part.k1 >= steps;
                const Part next = !last ? Part{part.j0, part.j1, part.k1, smaller(steps, part.k1 + block)}
                                  : piece.bottom == share.tiles_down()
                                      ? Part{part.j1, column_of(share, piece.last + panels), 0, smaller(block, steps)}
                                      : Part{};
                reduce(rectangle, part, next);
                if (last) break;
                part = next;
            }
        }
    }

private:
    // Columns and steps that are packed together.
    struct Part {
        std::ptrdiff_t j0, j1, k0, k1;

        bool operator==(const Part&) const = default;
    };

    // Panels [first, last) of a share, tiles [top, bottom) of each.
    struct Piece {
        std::ptrdiff_t first, last, top, bottom;
    };

    static constexpr std::ptrdiff_t fewest_tiles = 8;  // worth taking on their own

    bool take(const Share& share, std::atomic<std::ptrdiff_t>& taken, bool shared, Piece& piece) const {
        const std::ptrdiff_t down = share.tiles_down(), all = down * panels_of(share);
        std::ptrdiff_t from = taken.load(std::memory_order_relaxed), to;
        do {
            if (from >= all) return false;
            const std::ptrdiff_t wanted = shared ? (all - from) / 2 : all, top = from % down;
            if (top == 0 && wanted >= down)
                piece = {from / down, from / down + smaller(panels, wanted / down), 0, down};
            else piece = {from / down, from / down + 1, top, smaller(down, top + larger(fewest_tiles, wanted))};
            to = smaller(all, (piece.last - 1) * down + piece.bottom);
        } while (!taken.compare_exchange_weak(from, to, std::memory_order_relaxed));
        piece.last = smaller(piece.last, panels_of(share));
        return true;
    }

    static std::ptrdiff_t panels_of(const Share& share) {
        return ceil_div<std::ptrdiff_t>(share.j1 - share.j0, panel_width);
    }

    // Where a panel of a share begins.
    static std::ptrdiff_t column_of(const Share& share, std::ptrdiff_t panel) {
        const std::ptrdiff_t after = panels_of(share) - panel;  // the last two are cut evenly
        if (after <= 0) return share.j1;
        const std::ptrdiff_t j = share.j0 + panel * panel_width;
        return after > 1 || panel == 0 ? j : j - panel_width + panel_columns(share.j1 - j + panel_width);
    }

    // The tiles of a part. Meanwhile rows of the left operand and the next part of the right one are asked for.
    void reduce(const Share& share, const Part& part, const Part& next) {
        const std::ptrdiff_t count = part.k1 - part.k0, per = each(p.words);
        if (packing && !(part == in_packed)) {
            pack_right(p.right, part.k0 * per, smaller(count * per, p.steps - part.k0 * per), part.j0,
                       part.j1 - part.j0, p.words, packed);
            in_packed = part;
        }
        float* kept = waiting;
        std::ptrdiff_t piece = 0;
        for (std::ptrdiff_t i = share.i0; i < share.i1; i += tile_rows) {
            const Left left{p.left.data + i * p.left.row + part.k0, p.left.row};
            const float* right =
                packing ? packed : static_cast<const float*>(p.right.data) + part.k0 * p.right.stride + part.j0;
            Ahead ahead = i + tile_rows < share.i1 ? rows_below(left) : ahead_of(next, piece++);
            for (std::ptrdiff_t j = part.j0, width; j < part.j1;
                 j += width, right += packing ? count * panel_width : width) {
                width = panel_columns(part.j1 - j);
                for (std::ptrdiff_t c = 0; c < width; c += tile_columns, kept += tile_rows * tile_columns) {
                    segments[0] = {left, right + c, packing ? panel_width : p.right.stride, count, p.words, ahead};
                    finish(i, j + c, static_cast<int>(smaller<std::ptrdiff_t>(tile_rows, share.i1 - i)),
                           static_cast<int>(smaller<std::ptrdiff_t>(tile_columns, width - c)), part.k0 == 0,
                           part.k1 >= steps, kept);
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
        const std::ptrdiff_t size = p.words == Words::quads ? 1
                                    : p.right.is_bf16       ? 2
                                                            : 4,
                             per = each(p.words), stride = p.right.stride * size;
        const std::ptrdiff_t k = next.k0 * per, deep = (next.k1 - next.k0) * per, wide = next.j1 - next.j0;
        const char* from = static_cast<const char*>(p.right.data) +
                           (p.right.turned ? next.j0 * stride + k * size : k * stride + next.j0 * size);
        if (p.right.turned) {
            const std::ptrdiff_t row = piece * tile_rows;
            return row < wide ? Ahead{from + row * stride, stride, ahead_bytes} : Ahead{};
        }
        const std::ptrdiff_t across = ceil_div<std::ptrdiff_t>(wide * size, ahead_bytes);
        const std::ptrdiff_t row =
            piece / across * ceil_div<std::ptrdiff_t>(next.k1 - next.k0, panel_width) * tile_rows;
        return row < deep ? Ahead{from + row * stride + piece % across * ahead_bytes, stride, tile_rows * stride}
                          : Ahead{};
    }

    // Sums of earlier blocks wait in `kept`, tile after tile.
    void finish(std::ptrdiff_t i, std::ptrdiff_t j, int rows, int columns, bool first, bool last, float* kept) {
        if (p.words == Words::quads) return finish_whole(i, j, rows, columns, first, last, kept);
        const float* earlier = first ? nullptr : kept;
        if (!last) return run_tile(segments, 1, rows, columns, {kept, tile_columns, earlier, tile_columns});
        const int count = 1 + sink.extra_segments(i, j, rows, columns, segments + 1);
        Place place;
        if (columns % W == 0 && sink.has_place(i, j, earlier == nullptr, place)) {
            if (earlier != nullptr) place = {place.data, place.stride, earlier, tile_columns};
            return run_tile(segments, count, rows, columns, place);
        }
        alignas(64) float sums[8 * tile_columns];
        run_tile(segments, count, rows, columns, {sums, tile_columns, earlier, tile_columns});
        sink.take({sums, i, j, rows, columns});
    }

    // The same for sums of quads, which stay whole numbers until all are there.
    void finish_whole(std::ptrdiff_t i, std::ptrdiff_t j, int rows, int columns, bool first, bool last, float* kept) {
        alignas(64) float sums[8 * tile_columns], extra[8 * tile_columns];
        run_tile(segments, 1, rows, columns, {sums});
        if (!first)
            for (int e = 0; e < rows * tile_columns; e += W) store(sums + e, add_whole(load(sums + e), load(kept + e)));
        if (!last)
            return static_cast<void>(
                std::memcpy(kept, sums, sizeof(float) * static_cast<std::size_t>(rows) * tile_columns));
        const int count = sink.extra_segments(i, j, rows, columns, segments + 1);
        if (count > 0) run_tile(segments + 1, count, rows, columns, {extra});
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
    Part in_packed{-1, -1, -1, -1};
};

constexpr double worth_sharing = 1 << 22;  // multiplications

}  // namespace

void run_tile(const Segment* segments, int count, int rows, int columns, const Place& place) {
    const int vectors = ceil_div(columns, W), rest = columns - (vectors - 1) * W;
    const auto& table = rest == W ? tiles.full : tiles.edge;
    table[rows - 1][vectors - 1](segments, count, rest, place);
}

std::ptrdiff_t share_floats(const Product& p, const Sink& sink) { return Worker::floats(p, sink); }

void multiply_share(const Product& product, const Sink& sink, int worker, int workers, float* scratch) {
    Progress own;
    Worker(product, sink, scratch).run(share_of(product, worker, workers), own, false);
}

// Who is done with a share of a large product helps with the others: cores are not equally fast at all times.
void multiply(pn_context& context, const Product& product, const Sink& sink) {
    Progress* progress = nullptr;
    if (product.multiplications() >= worth_sharing && context.pool.size() > 1) {
        const auto count = static_cast<std::size_t>(context.pool.size());
        progress = static_cast<Progress*>(context.workspace.bytes(sizeof(Progress) * count));
        std::uninitialized_value_construct_n(progress, count);
    }
    run_shares(context, product.multiplications(), share_floats(product, sink),
               [&](int worker, int workers, float* scratch) {
                   if (progress == nullptr || workers == 1)
                       return multiply_share(product, sink, worker, workers, scratch);
                   Worker hand(product, sink, scratch);
                   for (int s = 0; s < workers; s++) {
                       const int owner = (worker + s) % workers;
                       hand.run(share_of(product, owner, workers), progress[owner], true);
                   }
               });
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
