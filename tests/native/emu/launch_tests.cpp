#include "driver.h"

#include <cmath>
#include <numeric>

namespace pn::emu::tests {

using Launches = DeviceTest;

std::vector<float> iota(std::size_t count) {
    std::vector<float> x(count);
    std::iota(x.begin(), x.end(), 0.0f);
    return x;
}

TEST_F(Launches, Kernels_without_barriers_reach_every_element) {
    for (const char* schedule : all_schedules) {
        ASSERT_EQ(pncuda_emu_set_schedule(schedule, 7), 1);
        const Buffer<float> x(iota(10000));
        ASSERT_EQ(launch("add_one", 40, 256, x.get(), 10000), 0) << last_report();
        const auto values = x.values();
        for (std::size_t i = 0; i < values.size(); i++) ASSERT_EQ(values[i], static_cast<float>(i) + 1) << schedule;
    }
}

TEST_F(Launches, Block_sums_are_the_same_bits_in_every_schedule) {
    std::vector<float> x(8 * 1000);
    for (std::size_t i = 0; i < x.size(); i++) x[i] = std::sin(static_cast<float>(i));
    std::vector<float> first;
    for (const char* schedule : all_schedules) {
        ASSERT_EQ(pncuda_emu_set_schedule(schedule, 7), 1);
        const Buffer<float> in(x), sums(8);
        ASSERT_EQ(launch("row_sums", 8, 256, in.get(), sums.get(), 1000), 0) << last_report();
        const auto values = sums.values();
        if (first.empty()) first = values;
        EXPECT_EQ(values, first) << schedule;
        for (int row = 0; row < 8; row++)
            EXPECT_NEAR(values[static_cast<std::size_t>(row)],
                        std::accumulate(x.begin() + 1000 * row, x.begin() + 1000 * (row + 1), 0.0), 1e-4);
    }
}

TEST_F(Launches, A_dropped_barrier_shows_in_some_schedule) {
    auto expected = iota(256);
    std::reverse(expected.begin(), expected.end());
    bool seen = false;
    for (const char* schedule : all_schedules) {
        ASSERT_EQ(pncuda_emu_set_schedule(schedule, 7), 1);
        const Buffer<float> right(iota(256)), wrong(iota(256));
        ASSERT_EQ(launch("reverse_block", 1, 256, right.get(), 1), 0) << last_report();
        ASSERT_EQ(launch("reverse_block", 1, 256, wrong.get(), 0), 0) << last_report();
        EXPECT_EQ(right.values(), expected) << schedule;
        seen = seen || wrong.values() != expected;
    }
    EXPECT_TRUE(seen);
}

TEST_F(Launches, Dynamic_shared_memory_is_as_large_as_asked_for) {
    const Buffer<float> x(iota(128));
    float* p = x.get();
    void* parameters[] = {&p};
    void* f = function("dynamic_reverse");
    ASSERT_EQ(cuLaunchKernel(f, 1, 1, 1, 128, 1, 1, 128 * 4, nullptr, parameters, nullptr), 0) << last_report();
    auto expected = iota(128);
    std::reverse(expected.begin(), expected.end());
    EXPECT_EQ(x.values(), expected);
    EXPECT_NE(cuLaunchKernel(f, 1, 1, 1, 128, 1, 1, 64 * 1024, nullptr, parameters, nullptr), 0)
        << "above 48 KiB without asking";
    ASSERT_EQ(cuFuncSetAttribute(f, 8, 64 * 1024), 0);
    EXPECT_EQ(cuLaunchKernel(f, 1, 1, 1, 128, 1, 1, 64 * 1024, nullptr, parameters, nullptr), 0) << last_report();
    EXPECT_NE(cuFuncSetAttribute(f, 8, 200 * 1024), 0);
}

TEST_F(Launches, Wrong_launches_are_refused_with_a_reason) {
    const Buffer<float> x(iota(128));
    EXPECT_EQ(launch("bounded", 1, 128, x.get()), 701);
    EXPECT_NE(last_report().find("launch bounds"), std::string::npos) << last_report();
    EXPECT_EQ(launch("add_one", 0, 32, x.get(), 0), 1);
    EXPECT_EQ(launch("add_one", 1, 33, x.get(), 0), 1);
    EXPECT_EQ(launch("add_one", 1, 2048, x.get(), 0), 1);
    void* f = nullptr;
    EXPECT_EQ(cuModuleGetFunction(&f, module_, "no_such_kernel"), 500);
    void* module = nullptr;
    EXPECT_EQ(cuModuleLoadData(&module, "nonsense"), 200);
    ASSERT_EQ(cuModuleLoadData(&module, "probes"), 0);
    ASSERT_EQ(cuModuleGetFunction(&f, module, "add_one"), 0);
    ASSERT_EQ(cuModuleUnload(module), 0);
    float* p = x.get();
    void* parameters[] = {&p, &p};
    EXPECT_EQ(cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 0, nullptr, parameters, nullptr), 400)
        << "a function of an unloaded module";
    EXPECT_EQ(cuCtxSetCurrent(nullptr), 0);
    EXPECT_EQ(cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 0, nullptr, parameters, nullptr), 201);
    EXPECT_EQ(cuCtxSetCurrent(context_), 0);
}

}  // namespace pn::emu::tests
