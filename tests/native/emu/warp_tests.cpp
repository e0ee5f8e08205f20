#include "driver.h"
#include "emu/kernel/half.h"

#include <cmath>

namespace pn::emu::tests {

using Warps = DeviceTest;

TEST_F(Warps, Shuffles_move_values_between_lanes) {
    std::vector<float> x(32);
    for (int i = 0; i < 32; i++) x[static_cast<std::size_t>(i)] = static_cast<float>(i * i);
    for (const char* schedule : all_schedules) {
        ASSERT_EQ(pncuda_emu_set_schedule(schedule, 3), 1);
        const Buffer<float> in(x), out(5 * 32);
        ASSERT_EQ(launch("shuffles", 1, 32, in.get(), out.get()), 0) << last_report();
        const auto y = out.values();
        float sum = 0;
        for (float v : x) sum += v;
        for (int i = 0; i < 32; i++) {
            const auto at = [&](int lane) { return x[static_cast<std::size_t>(lane)]; };
            const float* own = &y[static_cast<std::size_t>(5 * i)];
            EXPECT_EQ(own[0], at(7));
            EXPECT_EQ(own[1], at(i ^ 5));
            EXPECT_EQ(own[2], at(i >= 3 ? i - 3 : i));
            EXPECT_EQ(own[3], at(i + 4 < 32 ? i + 4 : i));
            EXPECT_EQ(own[4], sum);
        }
    }
}

TEST_F(Warps, Halves_of_a_warp_vote_apart) {
    for (const char* schedule : all_schedules) {
        ASSERT_EQ(pncuda_emu_set_schedule(schedule, 3), 1);
        const Buffer<int> votes(32);
        ASSERT_EQ(launch("two_halves", 1, 32, votes.get()), 0) << last_report();
        const auto values = votes.values();
        for (int i = 0; i < 32; i++)
            EXPECT_EQ(static_cast<unsigned>(values[static_cast<std::size_t>(i)]), i < 16 ? 0x00009249u : 0x49240000u);
    }
}

TEST_F(Warps, Divergent_barriers_and_masks_are_reported_with_their_places) {
    struct Case {
        const char *kernel, *says;
    };
    for (const Case& wrong :
         {Case{"divergent_barrier", "different barriers"}, Case{"half_shuffles", "no thread of the block can go on"},
          Case{"wrong_mask", "collective"}}) {
        SCOPED_TRACE(wrong.kernel);
        {
            const Buffer<float> x(64);
            EXPECT_EQ(launch(wrong.kernel, 1, 64, x.get()), 700);
            EXPECT_NE(last_report().find(wrong.says), std::string::npos) << last_report();
            EXPECT_NE(last_report().find("probes.cu:"), std::string::npos) << last_report();
            EXPECT_EQ(cuCtxSynchronize(), 700) << "the device is lost until its context is";
        }
        ASSERT_EQ(cuDevicePrimaryCtxRelease_v2(0), 0);
        SetUp();
    }
}

TEST_F(Warps, Asynchronous_copies_arrive_at_the_wait_and_not_before) {
    std::vector<float> x(128, 2.0f);
    for (const char* schedule : all_schedules) {
        ASSERT_EQ(pncuda_emu_set_schedule(schedule, 3), 1);
        const Buffer<float> in(x), out(128), part(128), early(128);
        ASSERT_EQ(launch("copies", 1, 32, in.get(), out.get(), 1, 16), 0) << last_report();
        EXPECT_EQ(out.values(), x);
        ASSERT_EQ(launch("copies", 1, 32, in.get(), part.get(), 1, 4), 0) << last_report();
        EXPECT_EQ(part.values()[4], 2.0f);
        EXPECT_EQ(part.values()[5], 0.0f);
        ASSERT_EQ(launch("copies", 1, 32, in.get(), early.get(), 0, 16), 0) << last_report();
        for (float v : early.values()) EXPECT_TRUE(std::isnan(v));
    }
}

template <class T>
void check_product(const Buffer<T>& a, const Buffer<T>& b, const std::vector<float>& c) {
    const auto left = a.values(), right = b.values();
    for (std::size_t m = 0; m < 16; m++)
        for (std::size_t n = 0; n < 8; n++) {
            float sum = 0;
            for (std::size_t k = 0; k < 16; k++) sum += widen(left[m * 16 + k]) * widen(right[k * 8 + n]);
            EXPECT_EQ(c[m * 8 + n], sum) << m << ", " << n;
        }
}

TEST_F(Warps, Matrix_instructions_multiply) {
    std::vector<bf16> a(256), b(128);
    std::vector<fp16> c(256), d(128);
    for (std::size_t i = 0; i < 256; i++)
        a[i] = to_bf16(static_cast<float>(i * 37 % 19) - 9), c[i] = to_fp16(static_cast<float>(i * 29 % 17) - 8);
    for (std::size_t i = 0; i < 128; i++)
        b[i] = to_bf16(static_cast<float>(i * 41 % 13) - 6), d[i] = to_fp16(static_cast<float>(i * 31 % 11) - 5);
    const Buffer<bf16> left(a), right(b);
    const Buffer<fp16> other(c), another(d);
    const Buffer<float> product(128);
    ASSERT_EQ(launch("multiply_bf16", 1, 32, left.get(), right.get(), product.get()), 0) << last_report();
    check_product(left, right, product.values());
    ASSERT_EQ(launch("multiply_fp16", 1, 32, other.get(), another.get(), product.get()), 0) << last_report();
    check_product(other, another, product.values());
}

}  // namespace pn::emu::tests
