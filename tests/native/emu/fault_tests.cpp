#include "driver.h"

#include <cmath>

namespace pn::emu::tests {

using Faults = DeviceTest;

TEST_F(Faults, A_write_past_an_allocation_is_reported_with_thread_and_distance) {
    const Buffer<float> x(64);
    EXPECT_EQ(launch("write_at", 2, 32, x.get(), 64LL), 700);
    EXPECT_NE(last_report().find("byte 256 of allocation"), std::string::npos) << last_report();
    EXPECT_NE(last_report().find("kernel write_at, block (0, 0, 0), thread (3, 0, 0)"), std::string::npos)
        << last_report();
    EXPECT_EQ(cuCtxSynchronize(), 700);
}

TEST_F(Faults, A_use_after_free_is_reported) {
    float* p = nullptr;
    {
        const Buffer<float> x(64);
        p = x.get();
    }
    EXPECT_EQ(launch("write_at", 1, 32, p, 0LL), 700);
    EXPECT_NE(last_report().find("freed"), std::string::npos) << last_report();
}

TEST_F(Faults, Null_pointers_and_divisions_by_zero_end_the_launch_only) {
    EXPECT_EQ(launch("write_at", 1, 32, static_cast<float*>(nullptr), 0LL), 700);
    EXPECT_NE(last_report().find("null"), std::string::npos) << last_report();
    ASSERT_EQ(cuDevicePrimaryCtxRelease_v2(0), 0);
    SetUp();
    const Buffer<int> zeros(std::vector<int>(32, 0));
    EXPECT_EQ(launch("divide", 1, 32, zeros.get()), 700);
    EXPECT_NE(last_report().find("division"), std::string::npos) << last_report();
}

TEST_F(Faults, Writes_into_the_gap_after_an_odd_size_are_found_when_it_is_freed) {
    unsigned long long p = 0;
    ASSERT_EQ(cuMemAlloc_v2(&p, 40), 0);
    ASSERT_EQ(launch("write_at", 1, 32, reinterpret_cast<float*>(p), 10LL), 0);
    EXPECT_EQ(cuMemFree_v2(p), 700);
    EXPECT_NE(last_report().find("past the end"), std::string::npos) << last_report();
}

TEST_F(Faults, Writes_past_an_array_in_shared_memory_are_found) {
    const Buffer<float> x(std::vector<float>(32, 1.0f));
    EXPECT_EQ(launch("overrun_shared", 1, 32, x.get()), 700);
    EXPECT_NE(last_report().find("past the end of tile"), std::string::npos) << last_report();
}

TEST_F(Faults, New_memory_holds_NaN) {
    const Buffer<float> x(1000);
    for (float v : x.values()) ASSERT_TRUE(std::isnan(v));
}

}  // namespace pn::emu::tests
