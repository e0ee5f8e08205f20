#include "driver.h"

#include <cmath>

namespace pn::emu::tests {

class Streams : public DeviceTest {
protected:
    void* stream() {
        void* s = nullptr;
        EXPECT_EQ(cuStreamCreate(&s, non_blocking), 0);
        return s;
    }

    void* event() {
        void* e = nullptr;
        EXPECT_EQ(cuEventCreate(&e, 0), 0);
        return e;
    }

    int add_one(float* x, int n, void* on) {
        void* parameters[] = {&x, &n};
        return cuLaunchKernel(function("add_one"), 1, 1, 1, 32, 1, 1, 0, on, parameters, nullptr);
    }
};

TEST_F(Streams, Work_waits_until_somebody_waits_for_it) {
    const Buffer<float> x(std::vector<float>(32, 1.0f));
    void* s = stream();
    ASSERT_EQ(add_one(x.get(), 32, s), 0);
    EXPECT_EQ(x.values()[0], 1.0f) << "a copy on the default stream does not wait for a non-blocking stream";
    ASSERT_EQ(cuStreamSynchronize(s), 0);
    EXPECT_EQ(x.values()[0], 2.0f);
    void* blocking = nullptr;
    ASSERT_EQ(cuStreamCreate(&blocking, 0), 0);
    ASSERT_EQ(add_one(x.get(), 32, blocking), 0);
    EXPECT_EQ(x.values()[0], 3.0f) << "but for a blocking one it does";
}

TEST_F(Streams, Only_an_event_orders_two_streams) {
    for (const bool with_event : {true, false}) {
        const Buffer<float> x(std::vector<float>(32, 1.0f));
        void *first = stream(), *second = stream(), *between = event();
        float* p = x.get();
        ASSERT_EQ(add_one(p, 32, first), 0);
        if (with_event) {
            ASSERT_EQ(cuEventRecord(between, first), 0);
            ASSERT_EQ(cuStreamWaitEvent(second, between, 0), 0);
        }
        ASSERT_EQ(cuMemsetD32Async(x.pointer(), 0x41200000u /* 10.0f */, 32, second), 0);
        ASSERT_EQ(cuStreamSynchronize(second), 0);
        ASSERT_EQ(cuCtxSynchronize(), 0);
        EXPECT_EQ(x.values()[0], with_event ? 10.0f : 11.0f);
    }
}

TEST_F(Streams, Page_locked_memory_is_read_late_and_other_memory_at_once) {
    const Buffer<float> x(1), y(1);
    void* s = stream();
    float *locked = nullptr, other = 1;
    ASSERT_EQ(cuMemAllocHost_v2(reinterpret_cast<void**>(&locked), sizeof(float)), 0);
    *locked = 1;
    ASSERT_EQ(cuMemcpyHtoDAsync_v2(x.pointer(), locked, sizeof(float), s), 0);
    ASSERT_EQ(cuMemcpyHtoDAsync_v2(y.pointer(), &other, sizeof(float), s), 0);
    *locked = other = 2;
    ASSERT_EQ(cuStreamSynchronize(s), 0);
    EXPECT_EQ(x.values()[0], 2.0f);
    EXPECT_EQ(y.values()[0], 1.0f);
    EXPECT_EQ(cuMemFreeHost(locked), 0);
    EXPECT_EQ(cuMemFreeHost(locked), 1) << "twice";
}

TEST_F(Streams, A_captured_graph_runs_when_launched_and_as_often) {
    const Buffer<float> x(std::vector<float>(32, 0.0f)), y(std::vector<float>(32, 0.0f));
    void *s = stream(), *graph = nullptr, *other = nullptr, *executable = nullptr;
    const auto capture = [&](float* target, void** result) {
        ASSERT_EQ(cuStreamBeginCapture_v2(s, 1), 0);
        ASSERT_EQ(add_one(target, 32, s), 0);
        ASSERT_EQ(add_one(target, 32, s), 0);
        ASSERT_EQ(cuStreamEndCapture(s, result), 0) << last_report();
    };
    capture(x.get(), &graph);
    EXPECT_EQ(x.values()[0], 0.0f);
    ASSERT_EQ(cuGraphInstantiateWithFlags(&executable, graph, 0), 0);
    for (int i = 0; i < 3; i++) ASSERT_EQ(cuGraphLaunch(executable, s), 0);
    ASSERT_EQ(cuStreamSynchronize(s), 0);
    EXPECT_EQ(x.values()[31], 6.0f);
    capture(y.get(), &other);
    void* result[4] = {};
    ASSERT_EQ(cuGraphExecUpdate_v2(executable, other, result), 0) << last_report();
    ASSERT_EQ(cuGraphLaunch(executable, s), 0);
    ASSERT_EQ(cuStreamSynchronize(s), 0);
    EXPECT_EQ(x.values()[31], 6.0f);
    EXPECT_EQ(y.values()[31], 2.0f);
    EXPECT_EQ(cuGraphExecDestroy(executable), 0);
    EXPECT_EQ(cuGraphDestroy(graph), 0);
    EXPECT_EQ(cuGraphDestroy(other), 0);
    EXPECT_EQ(cuGraphDestroy(other), 400) << "twice";
}

TEST_F(Streams, An_allocation_or_a_wait_breaks_a_capture) {
    void *s = stream(), *graph = nullptr;
    ASSERT_EQ(cuStreamBeginCapture_v2(s, 1), 0);
    unsigned long long p = 0;
    EXPECT_EQ(cuMemAlloc_v2(&p, 16), 900);
    EXPECT_EQ(cuStreamEndCapture(s, &graph), 901);
    ASSERT_EQ(cuStreamBeginCapture_v2(s, 1), 0);
    EXPECT_EQ(cuStreamSynchronize(s), 900);
    EXPECT_EQ(cuStreamEndCapture(s, &graph), 901);
    ASSERT_EQ(cuStreamBeginCapture_v2(s, 1), 0);
    EXPECT_EQ(cuStreamEndCapture(s, &graph), 0) << "the stream is whole again";
}

TEST_F(Streams, Memory_ends_at_the_limit) {
    std::size_t available = 0, total = 0;
    ASSERT_EQ(cuMemGetInfo_v2(&available, &total), 0);
    pncuda_emu_set_memory_limit(1000);
    unsigned long long p = 0, q = 0;
    EXPECT_EQ(cuMemAlloc_v2(&p, 600), 0);
    EXPECT_EQ(cuMemAlloc_v2(&q, 600), 2);
    EXPECT_NE(last_report().find("limit of 1000"), std::string::npos) << last_report();
    EXPECT_EQ(cuMemFree_v2(p), 0);
    EXPECT_EQ(cuMemAlloc_v2(&q, 600), 0);
    EXPECT_EQ(cuMemFree_v2(q), 0);
    EXPECT_EQ(cuMemFree_v2(q), 1) << "twice";
    pncuda_emu_set_memory_limit(total);
}

TEST_F(Streams, The_chosen_call_fails_and_only_that_one) {
    const Buffer<float> x(32);
    unsigned long long p = 0;
    pncuda_emu_fail(2, "cuMemAlloc_v2", 2);
    EXPECT_EQ(cuMemAlloc_v2(&p, 16), 0);
    EXPECT_EQ(cuMemFree_v2(p), 0);
    EXPECT_EQ(cuMemAlloc_v2(&p, 16), 2);
    EXPECT_EQ(cuMemAlloc_v2(&p, 16), 0);
    EXPECT_EQ(cuMemFree_v2(p), 0);
    pncuda_emu_fail(1, nullptr, 719);
    EXPECT_EQ(cuCtxSynchronize(), 719);
    EXPECT_EQ(cuCtxSynchronize(), 719) << "a lost device stays lost";
}

}  // namespace pn::emu::tests
