// Matrix products C[i, j] = sum_k left(i, k) right(k, j), blocked for the caches and divided among threads by outputs, so that
// every element is summed in the same order whatever the division.
#pragma once

#include "core/context.h"
#include "gemm/pack.h"

namespace pn::PN_ISA {

// The reduction is cut in blocks of at most this many elements of the tiles (a multiple of panel_width).
constexpr int block_steps = 1056;

// A finished tile: rows x columns sums at sums[r * tile_columns + c], for output rows i.. and columns j..
struct Tile {
    float* sums;  // the sink may change them
    std::ptrdiff_t i, j;
    int rows, columns;
};

// What is done with the tiles, and which further segments they get.
struct Sink {
    virtual void take(const Tile& tile) const = 0;
    // Writes the further segments of a tile (at most most_extra()) and says how many.
    virtual int extra_segments(std::ptrdiff_t /*i*/, std::ptrdiff_t /*j*/, int /*rows*/, int /*columns*/, Segment*) const { return 0; }
    virtual int most_extra() const { return 0; }

protected:
    ~Sink() = default;
};

struct Product {
    std::ptrdiff_t rows, columns, steps;
    Left left;           // of floats, or with `pairs` of pairs, the last one filled up with zero
    Right right;
    bool pairs = false;  // multiply in bf16
};

// Scratch that one worker needs.
std::ptrdiff_t share_floats(const Product& product, const Sink& sink);

// How many workers the product is worth.
int workers_for(const pn_context& context, const Product& product);

// Runs the whole product on the context's threads. Zero steps give zero sums (and the extra segments).
void multiply(pn_context& context, const Product& product, const Sink& sink);

// One worker's share of it, for use inside a job; `scratch` holds share_floats() floats.
void multiply_share(const Product& product, const Sink& sink, int worker, int workers, float* scratch);

// C (= or +=) scale * product, row by row.
template <class T>
struct StoreRows final : Sink {
    T* data;
    std::ptrdiff_t stride;
    bool accumulate;
    float scale = 1.0f;
    const float* column_scale = nullptr;

    StoreRows(T* d, std::ptrdiff_t s, bool a) : data(d), stride(s), accumulate(a) {}

    void take(const Tile& t) const override {
        const F factor = set(scale);
        for (int r = 0; r < t.rows; r++) {
            T* to = data + (t.i + r) * stride + t.j;
            const float* from = t.sums + r * tile_columns;
            for_vectors(t.columns, [&](std::ptrdiff_t c, int n) {
                F value = load(from + c) * factor;
                if (column_scale != nullptr) value = value * load(column_scale + t.j + c, n);
                if (accumulate) value += load(to + c, n);
                store(to + c, value, n);
            });
        }
    }
};

// C^T += scale * product: element (i, j) goes to data[j * stride + i].
struct AddColumns final : Sink {
    float* data;
    std::ptrdiff_t stride;
    float scale;

    AddColumns(float* d, std::ptrdiff_t s, float factor) : data(d), stride(s), scale(factor) {}
    void take(const Tile& tile) const override;
};

}  // namespace pn::PN_ISA
