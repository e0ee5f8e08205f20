// Matrix products C[i, j] = sum_k left(i, k) right(k, j), blocked for the caches and divided among threads by outputs,
// so that every element is summed in the same order whatever the division.
#pragma once

#include "core/context.h"
#include "gemm/pack.h"
#include "simd/range.h"

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
    // Whether the sums of a tile of whole vectors can go straight from registers to a place, instead of through take().
    // Nothing may be added there unless `adding`.
    virtual bool has_place(std::ptrdiff_t /*i*/, std::ptrdiff_t /*j*/, bool /*adding*/, Place&) const { return false; }
    // Writes the further segments of a tile (at most most_extra()) and says how many.
    virtual int extra_segments(std::ptrdiff_t /*i*/, std::ptrdiff_t /*j*/, int /*rows*/, int /*columns*/,
                               Segment*) const {
        return 0;
    }
    virtual int most_extra() const { return 0; }

protected:
    ~Sink() = default;
};

// What makes numbers of the sums of quads: each times its row's and (where there are such) its column's scale.
struct QuadScales {
    const float* rows;
    const float* columns;
    const int* left_sums;  // of the bytes of each row of the left operand
};

struct Product {
    std::ptrdiff_t rows, columns, steps;
    Left left;  // of words, the last of a row filled up with zero
    Right right;
    Words words = Words::floats;
    bool by_rows = false;  // divide among workers by rows alone, as rows_of() does
    QuadScales scales{};

    double multiplications() const {
        return static_cast<double>(rows) * static_cast<double>(columns) * static_cast<double>(steps);
    }
};

inline Range rows_of(std::ptrdiff_t rows, int worker, int workers) { return part_of(rows, worker, workers, tile_rows); }

// Scratch that one worker needs.
std::ptrdiff_t share_floats(const Product& product, const Sink& sink);

// Runs the whole product on the context's threads. Zero steps give zero sums (and the extra segments).
void multiply(pn_context& context, const Product& product, const Sink& sink);

// One worker's share of it, for use inside a job; `scratch` holds share_floats() floats.
void multiply_share(const Product& product, const Sink& sink, int worker, int workers, float* scratch);

constexpr double worth_a_fork = 1 << 17;  // multiplications

// One job for several shares: calls body(worker, workers, scratch) with so many floats of scratch for each worker.
template <class Body>
void run_shares(pn_context& context, double multiplications, std::ptrdiff_t floats, Body&& body) {
    const int workers = context.workers(multiplications, worth_a_fork);
    float** scratch = context.own_floats(workers, floats);
    context.pool.run(workers, [&](int worker) { body(worker, workers, scratch[worker]); });
}

// C (= or +=) scale * product, row by row.
template <class T>
struct StoreRows final : Sink {
    T* data;
    std::ptrdiff_t stride;
    bool accumulate;
    float scale = 1.0f;
    const float* column_scale = nullptr;

    StoreRows(T* d, std::ptrdiff_t s, bool a) : data(d), stride(s), accumulate(a) {}

    bool has_place(std::ptrdiff_t i, std::ptrdiff_t j, bool adding, Place& place) const override {
        if constexpr (sizeof(T) == sizeof(float)) {
            if (is_scaled() || (accumulate && !adding)) return false;
            float* to = data + i * stride + j;
            place = {to, stride, accumulate ? to : nullptr, stride};
            return true;
        }
        return false;
    }

    void take(const Tile& t) const override {
        if (is_scaled()) take_scaled(t);
        else accumulate ? add(t) : copy(t);
    }

private:
    bool is_scaled() const { return scale != 1.0f || column_scale != nullptr; }

    void copy(const Tile& t) const {
        T* to = data + t.i * stride + t.j;
        for (int r = 0; r < t.rows; r++, to += stride) {
            const float* from = t.sums + r * tile_columns;
            for_vectors(t.columns, [&](std::ptrdiff_t c, int n) { store(to + c, load(from + c), n); });
        }
    }

    void add(const Tile& t) const {
        T* to = data + t.i * stride + t.j;
        for (int r = 0; r < t.rows; r++, to += stride) {
            const float* from = t.sums + r * tile_columns;
            for_vectors(t.columns,
                        [&](std::ptrdiff_t c, int n) { store(to + c, load(to + c, n) + load(from + c), n); });
        }
    }

    void take_scaled(const Tile& t) const {
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
