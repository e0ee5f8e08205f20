// A strip of queries of one head: queries lie side by side in vectors, keys below each other, so that a softmax goes
// over rows of vectors and every product of attention fills its tiles whatever the size of a head.
#pragma once

#include "gemm/pack.h"
#include "ops/attention.h"

namespace pn::PN_ISA {

constexpr int strip = panel_width;  // queries that are worked on together

// How queries and keys (dY and values) are multiplied, which lose
// nothing in pairs of bf16 if they are that. What comes of scores does.
template <class T>
constexpr Words attention_words = sizeof(T) == 2 && multiplies_pairs ? Words::pairs : Words::floats;

// run_tile() for any number of columns, of whole vectors.
inline void run_tiles(Segment* segments, int count, std::ptrdiff_t rows, std::ptrdiff_t columns, Place place) {
    for (std::ptrdiff_t c = 0; c < columns; c += tile_columns) {
        run_tile(segments, count, static_cast<int>(rows),
                 static_cast<int>(smaller<std::ptrdiff_t>(tile_columns, columns - c)), place);
        for (int s = 0; s < count; s++) segments[s].right += tile_columns;
        place.data += tile_columns;
        if (place.more != nullptr) place.more += tile_columns;
    }
}

class AttentionStrip {
public:
    AttentionStrip(const AttentionPlan& plan, const Sequence& q, std::ptrdiff_t head, std::ptrdiff_t first,
                   std::ptrdiff_t count)
        : first(first),
          count(count),
          columns(ceil_div<std::ptrdiff_t>(count, W) * W),
          keys(plan.seen(q, first, count)),
          plan(plan),
          q(q),
          head(head) {
        for (std::ptrdiff_t i = 0; i < columns; i++) {
            const Range range = plan.seen(q, first + smaller(i, count - 1));
            begins[i] = static_cast<float>(range.begin);
            ends[i] = static_cast<float>(range.end);
        }
    }

    // Calls body(piece, c) for the pieces of a range of keys:
    // queries before the vector at column c see none of a piece's.
    template <class Body>
    void for_pieces(Range range, Body&& body) const {
        std::ptrdiff_t from = range.begin;
        for (std::ptrdiff_t c = 0; c < columns; c += W) {
            const std::ptrdiff_t end = smaller(range.end, end_of(c));
            if (end <= from) continue;
            body(Range{from, end}, c);
            from = end;
        }
    }

    // The key from which on the queries of the vector at column c see none.
    std::ptrdiff_t end_of(std::ptrdiff_t c) const { return static_cast<std::ptrdiff_t>(ends[c + W - 1]); }

    // Rows of queries as the right operand of products(): turned into [words of the head][strip].
    template <Words words, class T>
    void turn(const T* rows, std::ptrdiff_t stride, float* turned) const {
        pack_right({rows, sizeof(T) == 2, stride, true}, 0, plan.op.head_dim, 0, count, words, turned);
    }

    // out[key - from.begin][column] = keys (or values) times what is turned, for the columns that see some of a piece.
    template <Words words>
    void products(Range from, const float* rows, const float* turned, float* out) const {
        const std::ptrdiff_t width = plan.words_of_a_row(words);
        for_pieces(from, [&](Range piece, std::ptrdiff_t c) {
            for (std::ptrdiff_t key = piece.begin; key < piece.end; key += tile_rows) {
                Segment segment{{rows + key * width, width}, turned + c, strip, width, words};
                run_tiles(&segment, 1, smaller<std::ptrdiff_t>(tile_rows, piece.end - key), columns - c,
                          {out + (key - from.begin) * strip + c, strip});
            }
        });
    }

    // sums[d][column] += weights[key - from.begin][column] times
    // element d of each key of a range, from turned keys (or values).
    void add_keys(Range from, const float* panels, const float* weights, float* sums) const {
        for_pieces(from, [&](Range piece, std::ptrdiff_t c) {
            for (std::ptrdiff_t d = 0; d < plan.op.head_dim; d += tile_rows) {
                Segment segments[most_panels];
                int n = 0;
                for (std::ptrdiff_t key = piece.begin, end; key < piece.end; key = end) {
                    end = smaller(piece.end, (key / panel_width + 1) * panel_width);
                    const float* left = plan.panel(panels, key) + d * panel_width + key % panel_width;
                    segments[n++] = {{left, panel_width}, weights + (key - from.begin) * strip + c, strip, end - key};
                }
                float* to = sums + d * strip + c;
                run_tiles(segments, n, smaller<std::ptrdiff_t>(tile_rows, plan.op.head_dim - d), columns - c,
                          {to, strip, to, strip});
            }
        });
    }
    static constexpr int most_panels = 4;  // of a range

    // Turns the products Q K of keys with the queries of the vector at column c into
    // capped scores and gives them to body(key, score); those of keys that a query does
    // not see are -infinity. Left out are keys behind the last that one of them sees.
    template <class Body>
    void for_scores(Range range, std::ptrdiff_t c, const float* products, Body&& body) const {
        const F begin = load(begins + c), end = load(ends + c), unseen = set(minus_infinity);
        const auto all_from = static_cast<std::ptrdiff_t>(begins[c + W - 1]),
                   all_to = static_cast<std::ptrdiff_t>(ends[c]);
        const std::ptrdiff_t last = smaller(range.end, end_of(c));
        for (std::ptrdiff_t key = range.begin; key < last; key++) {
            F value = plan.score(load(products + (key - range.begin) * strip + c), q, head, first + c, key);
            if (key < all_from || key >= all_to) {
                const F place = set(static_cast<float>(key));
                value = select(place < begin, unseen, select(place < end, value, unseen));
            }
            body(key, value);
        }
    }

    // Dropout factors of a range of keys, [key][column]; `rows` is memory for as many.
    void keep_factors(Range range, float* rows, float* factors) const {
        const std::ptrdiff_t size = range.end - range.begin;
        for (std::ptrdiff_t i = 0; i < count; i++)
            plan.keep_factors(q, head, first + i, range.begin, size, rows + i * size);
        transpose(rows, size, count, size, 1.0f, factors, strip);
    }

    // columns: whole vectors; what is computed behind `count` means nothing
    const std::ptrdiff_t first, count, columns;
    const Range keys;                            // that any of the queries sees

private:
    const AttentionPlan& plan;
    const Sequence& q;
    const std::ptrdiff_t head;
    alignas(64) float begins[strip], ends[strip];  // of the keys that each query sees
};

}  // namespace pn::PN_ISA
