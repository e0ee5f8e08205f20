// The dropout mask must be the documented function of key, stream and element, the same everywhere.
#include <array>

#include "instruction_sets.h"

namespace {

using Counter = std::array<std::uint32_t, 4>;

// Philox4x32-10 straight from its definition.
Counter philox(Counter c, std::uint32_t key0, std::uint32_t key1) {
    for (int round = 0; round < 10; round++) {
        const std::uint64_t a = static_cast<std::uint64_t>(0xD2511F53u) * c[0],
                            b = static_cast<std::uint64_t>(0xCD9E8D57u) * c[2];
        c = {static_cast<std::uint32_t>(b >> 32) ^ c[1] ^ key0, static_cast<std::uint32_t>(b),
             static_cast<std::uint32_t>(a >> 32) ^ c[3] ^ key1, static_cast<std::uint32_t>(a)};
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return c;
}

TEST(Philox, gives_the_known_answers_of_its_authors) {
    EXPECT_EQ(philox({0, 0, 0, 0}, 0, 0), (Counter{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}));
    EXPECT_EQ(philox({~0u, ~0u, ~0u, ~0u}, ~0u, ~0u), (Counter{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}));
    EXPECT_EQ(philox({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, 0xa4093822u, 0x299f31d0u),
              (Counter{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}));
}

class Dropout : public InstructionSets {};

TEST_P(Dropout, keeps_exactly_the_documented_elements) {
    const ContextPointer context = open(GetParam(), 2);
    const std::uint64_t key = 0x0123456789abcdefu, stream = 0xfedcba9876543210u;
    for (const float probability : {0.1f, 0.5f, 0.999f, 1e-7f}) {
        Matrix x(37, 531), y(37, 531);
        x.fill(3.0f);
        pn_dropout op{};
        op.x = x.tensor();
        op.y = y.tensor();
        op.mask = {probability, key, stream};
        ASSERT_EQ(pn_dropout_forward(context.get(), &op), PN_OK) << pn_last_error();
        for (int i = 0; i < x.rows; i++)
            for (int j = 0; j < x.columns; j++) {
                const auto element = static_cast<std::uint64_t>(i) * 531 + static_cast<std::uint64_t>(j);
                const Counter words =
                    philox({static_cast<std::uint32_t>(element / 4), 0, static_cast<std::uint32_t>(stream),
                            static_cast<std::uint32_t>(stream >> 32)},
                           static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32));
                const double fraction = words[element % 4] / 4294967296.0;
                const float want = fraction < static_cast<double>(probability) ? 0.0f : 3.0f / (1.0f - probability);
                ASSERT_FLOAT_EQ(y.at(i, j), want) << element;
            }
    }
}

FOR_ALL_INSTRUCTION_SETS(Dropout);

}  // namespace
