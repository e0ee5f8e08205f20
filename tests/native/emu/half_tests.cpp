#include "emu/kernel/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace pn::emu::tests {

TEST(Halves, Every_value_of_16_bits_survives_fp32) {
    for (unsigned bits = 0; bits < 0x10000; bits++) {
        const auto half = static_cast<std::uint16_t>(bits);
        const float b = widen(bf16{half}), h = widen(fp16{half});
        if (std::isnan(b))
            EXPECT_EQ(to_bf16(b).bits, 0x7fff);
        else
            EXPECT_EQ(to_bf16(b).bits, half);
        if (std::isnan(h))
            EXPECT_EQ(to_fp16(h).bits, 0x7fff);
        else
            EXPECT_EQ(to_fp16(h).bits, half);
    }
}

// Between neighbours a and b everything below the middle goes
// to a, above it to b, and the middle itself to the even one.
template <class T, class Round>
void check_middles(std::uint16_t last, Round round) {
    for (unsigned bits = 0; bits < last; bits++) {
        const T low{static_cast<std::uint16_t>(bits)}, high{static_cast<std::uint16_t>(bits + 1)};
        const double middle = (static_cast<double>(widen(low)) + widen(high)) / 2;
        const auto exact = static_cast<float>(middle);
        ASSERT_EQ(static_cast<double>(exact), middle);
        ASSERT_EQ(round(exact).bits, bits % 2 == 0 ? low.bits : high.bits);
        ASSERT_EQ(round(std::nextafter(exact, 0.0f)).bits, low.bits);
        ASSERT_EQ(round(std::nextafter(exact, INFINITY)).bits, high.bits);
        ASSERT_EQ(round(-exact).bits, (bits % 2 == 0 ? low.bits : high.bits) | 0x8000);
    }
}

TEST(Halves, Rounding_is_to_nearest_even) {
    check_middles<bf16>(0x7f7f, to_bf16);
    check_middles<fp16>(0x7bff, to_fp16);
    EXPECT_EQ(to_fp16(65519.0f).bits, 0x7bff);
    EXPECT_EQ(to_fp16(65520.0f).bits, 0x7c00);
    EXPECT_EQ(to_bf16(3.4e38f).bits, 0x7f80);
}

}  // namespace pn::emu::tests
