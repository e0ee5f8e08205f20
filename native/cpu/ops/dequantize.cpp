// Matrices out of 4-bit and 8-bit codes. A byte of two 4-bit codes is looked up as the pair of its values; the block's maximum
// then multiplies whole vectors.
#include "ops/common.h"
#include "ops/ops.h"

namespace pn::PN_ISA {

namespace {

constexpr std::ptrdiff_t chunk = 64;

PN_INLINE void put(float* to, const float* values, F factor, std::ptrdiff_t count) {
    for_vectors(count, [&](std::ptrdiff_t c, int n) { store(to + c, load(values + c, n) * factor, n); });
}

// To nearest, ties to even; values are finite.
PN_INLINE void put(std::uint16_t* to, const float* values, F factor, std::ptrdiff_t count) {
    alignas(64) float scaled[chunk];
    put(scaled, values, factor, count);
    for (std::ptrdiff_t i = 0; i < count; i++) {
        std::uint32_t bits;
        std::memcpy(&bits, scaled + i, sizeof bits);
        to[i] = static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
    }
}

struct Source {
    const pn_dequantize& op;
    const std::uint8_t* codes;
    const float* pairs;  // both values of every byte; null for 8-bit codes

    float maximum(std::ptrdiff_t block) const {
        if (present(op.maxima)) return data(op.maxima)[block];
        const std::uint8_t code = static_cast<const std::uint8_t*>(op.maxima_codes.data)[block];
        return data(op.maxima_book)[code] * data(op.maxima_scales)[block / 256] + static_cast<float>(op.maxima_offset);
    }

    // Values of elements [e, e + count), count <= chunk, the maximum left out.
    void values(std::ptrdiff_t e, std::ptrdiff_t count, float* out) const {
        if (pairs == nullptr) {
            for (std::ptrdiff_t i = 0; i < count; i++) out[i] = static_cast<float>(static_cast<std::int8_t>(codes[e + i])) * (1.0f / 127);
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
void fill_row(const Source& source, std::ptrdiff_t first, std::ptrdiff_t columns, T* to) {
    alignas(64) float values[chunk];
    for (std::ptrdiff_t c = 0; c < columns;) {
        const std::ptrdiff_t e = first + c, size = source.op.block_size;
        const std::ptrdiff_t end = smaller(columns, (e / size + 1) * size - first);
        const F factor = set(source.maximum(e / size));
        for (; c < end; c += chunk) {
            const std::ptrdiff_t count = smaller(chunk, end - c);
            source.values(first + c, count, values);
            put(to + c, values, factor, count);
        }
        c = end;
    }
}

}  // namespace

void dequantize(pn_context& context, const pn_dequantize& op) {
    float* pairs = nullptr;
    if (present(op.book)) {
        pairs = context.workspace.floats(512);
        for (int byte = 0; byte < 256; byte++) {
            pairs[2 * byte] = data(op.book)[byte >> 4];
            pairs[2 * byte + 1] = data(op.book)[byte & 15];
        }
    }
    const Source source{op, static_cast<const std::uint8_t*>(op.codes.data), pairs};
    const std::ptrdiff_t columns = op.y.columns;
    for_rows(context, op.y.rows, static_cast<double>(columns), [&](std::ptrdiff_t i) {
        if (op.y.type == PN_FLOAT32) fill_row(source, i * columns, columns, row(op.y, i));
        else fill_row(source, i * columns, columns, static_cast<std::uint16_t*>(op.y.data) + i * op.y.stride);
    });
}

}  // namespace pn::PN_ISA
