#include "ops/dropout.h"

#include "ops/common.h"
#include "ops/ops.h"

namespace pn::PN_ISA {

namespace {

constexpr int blocks = 16;  // Philox blocks at a time: 64 elements

using Words = std::uint32_t[blocks];

PN_INLINE void multiply_words(std::uint32_t factor, const Words& x, Words& high, Words& low) {
    for (int i = 0; i < blocks; i++) {
        const std::uint64_t product = static_cast<std::uint64_t>(factor) * x[i];
        high[i] = static_cast<std::uint32_t>(product >> 32);
        low[i] = static_cast<std::uint32_t>(product);
    }
}

// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") for the blocks first .. first + 15.
void philox(const pn_dropout_mask& mask, std::uint64_t first, Words (&x)[4]) {
    for (int i = 0; i < blocks; i++) {
        const std::uint64_t block = first + static_cast<std::uint64_t>(i);
        x[0][i] = static_cast<std::uint32_t>(block);
        x[1][i] = static_cast<std::uint32_t>(block >> 32);
        x[2][i] = static_cast<std::uint32_t>(mask.stream);
        x[3][i] = static_cast<std::uint32_t>(mask.stream >> 32);
    }
    auto key0 = static_cast<std::uint32_t>(mask.key), key1 = static_cast<std::uint32_t>(mask.key >> 32);
    for (int round = 0; round < 10; round++) {
        Words high0, low0, high1, low1;
        multiply_words(0xD2511F53u, x[0], high0, low0);
        multiply_words(0xCD9E8D57u, x[2], high1, low1);
        for (int i = 0; i < blocks; i++) {
            x[0][i] = high1[i] ^ x[1][i] ^ key0;
            x[1][i] = low1[i];
            x[2][i] = high0[i] ^ x[3][i] ^ key1;
            x[3][i] = low0[i];
        }
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
}

}  // namespace

void dropout_factors(const pn_dropout_mask& mask, std::uint64_t first, std::ptrdiff_t count, float* factors) {
    // word / 2^32 >= probability, exactly: the words below the ceiling of probability * 2^32 are dropped.
    const double bound = static_cast<double>(mask.probability) * 4294967296.0;
    auto dropped = static_cast<std::uint32_t>(bound);
    if (static_cast<double>(dropped) < bound) dropped++;
    const float kept = 1.0f / (1.0f - mask.probability);
    const std::uint64_t end = first + static_cast<std::uint64_t>(count);
    for (std::uint64_t element = first; element < end;) {
        Words x[4];
        const std::uint64_t start = element / 4 * 4;
        philox(mask, start / 4, x);
        float some[4 * blocks];
        for (int b = 0; b < blocks; b++)
            for (int w = 0; w < 4; w++) some[4 * b + w] = x[w][b] >= dropped ? kept : 0.0f;
        const std::uint64_t stop = smaller(end, start + 4 * blocks);
        std::memcpy(factors + (element - first), some + (element - start), sizeof(float) * (stop - element));
        element = stop;
    }
}

template <class T>
static void drop(pn_context& context, const pn_tensor& x, const pn_dropout_mask& mask, bool accumulate,
                 const pn_tensor& y) {
    constexpr std::ptrdiff_t chunk = 512;
    constexpr double cost = 8;  // of an element, in units of a simple operation
    for_rows(context, x.rows, cost * x.columns, [&](std::ptrdiff_t i) {
        float factors[chunk];
        for (std::ptrdiff_t c = 0; c < x.columns; c += chunk) {
            const std::ptrdiff_t count = smaller(chunk, x.columns - c);
            dropout_factors(
                mask,
                static_cast<std::uint64_t>(i) * static_cast<std::uint64_t>(x.columns) + static_cast<std::uint64_t>(c),
                count, factors);
            const T* from = row<T>(x, i) + c;
            T* to = row<T>(y, i) + c;
            for_vectors(count, [&](std::ptrdiff_t k, int n) {
                const F value = load(from + k, n) * load(factors + k, n);
                store(to + k, accumulate ? load(to + k, n) + value : value, n);
            });
        }
    });
}

void drop_rows(pn_context& context, const pn_tensor& x, const pn_dropout_mask& mask, bool accumulate,
               const pn_tensor& y) {
    with_element(x, [&](auto e) { drop<decltype(e)>(context, x, mask, accumulate, y); });
}

void dropout(pn_context& context, const pn_dropout& op) {
    if (op.mask.probability > 0) return drop_rows(context, op.x, op.mask, op.accumulate != 0, op.y);
    if (op.accumulate) return add_scaled(context, op.x, 1.0, op.y);
    with_element(op.x, [&](auto e) {
        using T = decltype(e);
        for_rows(context, op.x.rows, op.x.columns, [&](std::ptrdiff_t i) {
            std::memmove(row<T>(op.y, i), row<T>(op.x, i), sizeof(T) * static_cast<std::size_t>(op.x.columns));
        });
    });
}

}  // namespace pn::PN_ISA
