// The innermost loop of every matrix product: a tile of up to tile_rows x
// (tile_vectors * W) elements, kept in registers. An operand element is a word: a
// float, or two bf16 or four signed bytes that follow each other in the reduction.
#pragma once

#include "gemm/panel.h"
#include "simd/simd.h"

namespace pn::PN_ISA {

constexpr int tile_columns = tile_vectors * W;
static_assert(panel_width % tile_columns == 0);

// What a word holds; the number is how many.
enum class Words { floats = 1, pairs = 2, quads = 4 };
constexpr std::ptrdiff_t each(Words words) { return static_cast<std::ptrdiff_t>(words); }

// The left operand: row i, step k at data[i * row + k].
struct Left {
    const float* data;
    std::ptrdiff_t row;
};

// What is asked for while a tile is computed, for what comes later:
// with each panel_width steps, lines of tile_rows rows of memory.
struct Ahead {
    const char* data = nullptr;
    std::ptrdiff_t row = 0, step = 0;  // in bytes: from row to row, and on to the next piece
};

// A part of the reduction: left rows times right vectors, steps
// of them. Right: step k, column j at right[k * stride + j].
struct Segment {
    Left left;
    const float* right;
    std::ptrdiff_t stride;
    std::ptrdiff_t steps;
    Words words = Words::floats;
    Ahead ahead{};
};

// How far ahead the right operand is asked for: the hardware does not follow the jumps from panel to panel in time.
constexpr int prefetched_steps = 16;
constexpr int line_floats = 16;

template <Words words>
PN_INLINE F multiply_add(F a, F b, F c) {
    if constexpr (words == Words::quads) return dot_quads(a, b, c);
    else if constexpr (words == Words::pairs) return dot_pairs(a, b, c);
    else return fma(a, b, c);
}

// The last vector of an edge tile reads only the columns that are there (`rest`).
template <int R, int V, bool Edge, Words words>
PN_INLINE void tile_steps(F (&sum)[R][V], const float* PN_RESTRICT left, std::ptrdiff_t row,
                          const float* PN_RESTRICT right, std::ptrdiff_t stride, std::ptrdiff_t steps, int rest) {
    for (std::ptrdiff_t k = 0; k < steps; k++) {
        PN_UNROLL
        for (int v = 0; v < V * W; v += line_floats) prefetch(right + prefetched_steps * stride + v, true);
        F b[V];
        PN_UNROLL
        for (int v = 0; v < V; v++) b[v] = Edge && v == V - 1 ? load(right + v * W, rest) : load(right + v * W);
        PN_UNROLL
        for (int r = 0; r < R; r++) {
            const F a = set(left[r * row]);
            PN_UNROLL
            for (int v = 0; v < V; v++) sum[r][v] = multiply_add<words>(a, b[v], sum[r][v]);
        }
        left++;
        right += stride;
    }
}

constexpr std::ptrdiff_t ahead_bytes = panel_width * sizeof(float);  // of each row

PN_INLINE void prefetch_ahead(const Ahead& ahead, std::ptrdiff_t piece) {
    const char* from = ahead.data + piece * ahead.step;
    for (int r = 0; r < tile_rows; r++, from += ahead.row)
        for (int line = 0; line < ahead_bytes; line += line_floats * static_cast<int>(sizeof(float)))
            prefetch(from + line, false);
}

template <int R, int V, bool Edge, Words words>
PN_INLINE void tile_segment(F (&sum)[R][V], const Segment& part, int rest) {
    for (std::ptrdiff_t k = 0; k < part.steps; k += panel_width) {
        const std::ptrdiff_t steps = smaller<std::ptrdiff_t>(panel_width, part.steps - k);
        if (part.ahead.data != nullptr) prefetch_ahead(part.ahead, k / panel_width);
        tile_steps<R, V, Edge, words>(sum, part.left.data + k, part.left.row, part.right + k * part.stride, part.stride,
                                      steps, rest);
    }
}

// Where sums go: row r to data[r * stride + column], with what lies
// at more[r * more_stride + column] added where there is such.
struct Place {
    float* data;
    std::ptrdiff_t stride = tile_columns;
    const float* more = nullptr;
    std::ptrdiff_t more_stride = 0;
};

template <int R, int V, bool Edge>
void tile(const Segment* segments, int count, int rest, const Place& place) {
    F sum[R][V];
    PN_UNROLL
    for (int r = 0; r < R; r++) {
        PN_UNROLL
        for (int v = 0; v < V; v++) sum[r][v] = zero();
    }
    for (int s = 0; s < count; s++) {
        switch (segments[s].words) {
            case Words::floats: tile_segment<R, V, Edge, Words::floats>(sum, segments[s], rest); break;
            case Words::pairs: tile_segment<R, V, Edge, Words::pairs>(sum, segments[s], rest); break;
            case Words::quads: tile_segment<R, V, Edge, Words::quads>(sum, segments[s], rest); break;
        }
    }
    if (place.more != nullptr) {
        PN_UNROLL
        for (int r = 0; r < R; r++) {
            PN_UNROLL
            for (int v = 0; v < V; v++) sum[r][v] += load(place.more + r * place.more_stride + v * W);
        }
    }
    PN_UNROLL
    for (int r = 0; r < R; r++) {
        PN_UNROLL
        for (int v = 0; v < V; v++) store(place.data + r * place.stride + v * W, sum[r][v]);
    }
}

// Computes rows x columns sums (rows <= tile_rows, columns <= tile_columns); where the
// words are quads, whole numbers, to which nothing may be added. Whole vectors are read and
// written: up to the next multiple of W the elements behind `columns` become undefined.
void run_tile(const Segment* segments, int count, int rows, int columns, const Place& place);

}  // namespace pn::PN_ISA
