// Matrices out of codes. A byte of two 4-bit codes is looked up as the pair of its values; the block's scale then
// multiplies whole vectors. Blocks as files have them are made whole one by one.
#include "ops/common.h"
#include "ops/ops.h"
#include "shared/block_values.h"

namespace pn::PN_ISA {

namespace {

constexpr std::ptrdiff_t chunk = 64;

// to = (values - zero) * factor
PN_INLINE void put(float* to, const float* values, F zero, F factor, std::ptrdiff_t count) {
    for_vectors(count, [&](std::ptrdiff_t c, int n) { store(to + c, (load(values + c, n) - zero) * factor, n); });
}

// To nearest, ties to even; what is not a number stays none.
PN_INLINE void narrow(std::uint16_t* to, const float* values, std::ptrdiff_t count) {
    for (std::ptrdiff_t i = 0; i < count; i++) {
        std::uint32_t bits;
        std::memcpy(&bits, values + i, sizeof bits);
        const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
        to[i] = static_cast<std::uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? bits >> 16 | 64u : rounded);
    }
}

PN_INLINE void put(std::uint16_t* to, const float* values, F zero, F factor, std::ptrdiff_t count) {
    alignas(64) float scaled[chunk];
    put(scaled, values, zero, factor, count);
    narrow(to, scaled, count);
}

PN_INLINE const std::uint8_t* bytes(const pn_tensor& t) { return static_cast<const std::uint8_t*>(t.data); }

struct Source {
    const pn_dequantize& op;
    const float* pairs;  // both values of every byte of 4-bit codes; else null

    float maximum(std::ptrdiff_t block) const {
        if (present(op.maxima)) return data(op.maxima)[block];
        const float value = data(op.maxima_book)[bytes(op.maxima_codes)[block]];
        return value * data(op.maxima_scales)[block / 256] + static_cast<float>(op.maxima_offset);
    }

    float zero_of(std::ptrdiff_t block) const {
        return present(op.zeros) ? data(op.book)[bytes(op.zeros)[block]] : 0.0f;
    }

    // Values of elements [e, e + count), count <= chunk, zero and maximum left out.
    void values(std::ptrdiff_t e, std::ptrdiff_t count, float* out) const {
        const std::uint8_t* codes = bytes(op.codes);
        if (pairs == nullptr) {
            const bool has_book = present(op.book);
            for (std::ptrdiff_t i = 0; i < count; i++)
                out[i] = has_book ? data(op.book)[codes[e + i]]
                                  : static_cast<float>(static_cast<std::int8_t>(codes[e + i])) * (1.0f / 127);
            return;
        }
        std::ptrdiff_t i = 0;
        if (e % 2 != 0) out[i++] = pairs[2 * codes[e / 2] + 1];
        const std::uint8_t* from = codes + (e + i) / 2;
        for (; i + 1 < count; i += 2) std::memcpy(out + i, pairs + 2 * *from++, 2 * sizeof(float));
        if (i < count) out[i] = pairs[2 * *from];
    }
};

template <class T>
void fill_row(const Source& source, std::ptrdiff_t n, std::ptrdiff_t columns, T* to) {
    alignas(64) float values[chunk];
    const pn_dequantize& op = source.op;
    const std::ptrdiff_t first = n * columns, size = op.block_size;
    const std::ptrdiff_t own = op.block_rows == 0 ? 0 : n / op.block_rows * ceil_div(columns, size);
    for (std::ptrdiff_t c = 0; c < columns;) {
        // Blocks that run on begin inside a row; others at its first column.
        const std::ptrdiff_t place = op.block_rows == 0 ? first + c : c, block = own + place / size;
        const std::ptrdiff_t end = smaller(columns, c + size - place % size);
        const F zero = set(source.zero_of(block)), factor = set(source.maximum(block));
        for (; c < end; c += chunk) {
            const std::ptrdiff_t count = smaller(chunk, end - c);
            source.values(first + c, count, values);
            put(to + c, values, zero, factor, count);
        }
        c = end;
    }
}

// Every column has a block of its own.
template <class T>
void fill_row_by_groups(const Source& source, std::ptrdiff_t n, std::ptrdiff_t columns, T* to) {
    alignas(64) float values[chunk];
    const pn_dequantize& op = source.op;
    const std::ptrdiff_t own = n / op.block_rows * ceil_div(columns, static_cast<std::ptrdiff_t>(op.block_size));
    for (std::ptrdiff_t c = 0; c < columns; c += chunk) {
        const std::ptrdiff_t count = smaller(chunk, columns - c);
        source.values(n * columns + c, count, values);
        for (std::ptrdiff_t i = 0; i < count; i++) {
            const std::ptrdiff_t block = own + ints(op.groups)[c + i];
            values[i] = (values[i] - source.zero_of(block)) * source.maximum(block);
        }
        put(to + c, values, set(0), set(1), count);
    }
}

template <int format, class T>
void fill_row_of_blocks(const std::uint8_t* from, std::ptrdiff_t columns, T* to) {
    const int held = blocks::elements(format);
    alignas(64) float values[256];
    for (std::ptrdiff_t c = 0; c < columns; c += held, from += blocks::bytes(format)) {
        for (int i = 0; i < held; i++) values[i] = blocks::value<format>(from, i);
        if constexpr (sizeof(T) == 2) narrow(to + c, values, held);
        else std::memcpy(to + c, values, static_cast<std::size_t>(held) * sizeof(float));
    }
}

template <class T>
void fill(pn_context& context, const Source& source) {
    const pn_dequantize& op = source.op;
    const std::ptrdiff_t columns = op.y.columns;
    const auto each = [&](auto&& body) {
        for_rows(context, op.y.rows, static_cast<double>(columns),
                 [&](std::ptrdiff_t n) { body(n, static_cast<T*>(op.y.data) + n * op.y.stride); });
    };
    if (op.format != 0)
        blocks::with_format(op.format, [&](auto format) {
            each([&](std::ptrdiff_t n, T* to) {
                fill_row_of_blocks<decltype(format)::value>(bytes(op.codes) + n * op.codes.stride, columns, to);
            });
        });
    else if (present(op.groups)) each([&](std::ptrdiff_t n, T* to) { fill_row_by_groups(source, n, columns, to); });
    else each([&](std::ptrdiff_t n, T* to) { fill_row(source, n, columns, to); });
}

}  // namespace

void dequantize(pn_context& context, const pn_dequantize& op) {
    float* pairs = nullptr;
    if (present(op.book) && op.book.columns == 16) {
        pairs = context.workspace.floats(512);
        for (int byte = 0; byte < 256; byte++) {
            pairs[2 * byte] = data(op.book)[byte >> 4];
            pairs[2 * byte + 1] = data(op.book)[byte & 15];
        }
    }
    const Source source{op, pairs};
    if (op.y.type == PN_FLOAT32) fill<float>(context, source);
    else fill<std::uint16_t>(context, source);
}

}  // namespace pn::PN_ISA
