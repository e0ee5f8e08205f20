// The sanitizers see into kernels: what is right runs in silence, what is wrong ends the process.
#include "driver.h"

#include <numeric>

#if defined(__SANITIZE_THREAD__)
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_options() { return "halt_on_error=1"; }
#endif

namespace pn::emu::tests {

using Sanitizers = DeviceTest;

TEST_F(Sanitizers, Right_kernels_run_in_silence) {
    std::vector<float> x(256);
    std::iota(x.begin(), x.end(), 0.0f);
    for (const char* schedule : all_schedules) {
        ASSERT_EQ(pncuda_emu_set_schedule(schedule, 5), 1);
        const Buffer<float> in(x), sums(8), many(std::vector<float>(8 * 1000, 1.0f));
        ASSERT_EQ(launch("reverse_block", 1, 256, in.get(), 1), 0) << last_report();
        ASSERT_EQ(launch("row_sums", 8, 256, many.get(), sums.get(), 1000), 0) << last_report();
        ASSERT_EQ(launch("row_sums", 8, 256, many.get(), sums.get(), 1000), 0) << last_report();
        EXPECT_EQ(sums.values()[7], 1000.0f);
    }
}

#if defined(__SANITIZE_THREAD__)
constexpr const char* says = "data race";
constexpr const char* wrong = "reverse_block";
#else
constexpr const char* says = "AddressSanitizer";
constexpr const char* wrong = "overrun_shared";
#endif

TEST_F(Sanitizers, A_wrong_kernel_is_caught) {
    testing::GTEST_FLAG(death_test_style) = "threadsafe";
    const Buffer<float> x(std::vector<float>(256, 1.0f));
    EXPECT_DEATH(launch(wrong, 1, 32, x.get(), 0), says);
}

}  // namespace pn::emu::tests
