#include "core/context.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace {

TEST(ThreadPool, runs_every_worker_exactly_once_per_job) {
    for (const int threads : {1, 2, 3, 8}) {
        pn::ThreadPool pool(threads);
        std::vector<int> runs(static_cast<std::size_t>(threads), 0);
        for (int round = 0; round < 2000; round++)
            pool.run(threads, [&](int worker) { runs[static_cast<std::size_t>(worker)]++; });
        for (const int count : runs) EXPECT_EQ(count, 2000) << threads << " threads";
    }
}

TEST(ThreadPool, runs_only_as_many_workers_as_asked_for) {
    pn::ThreadPool pool(4);
    for (int workers = 1; workers <= 4; workers++) {
        std::atomic<int> ran{0};
        pool.run(workers, [&](int worker) {
            EXPECT_LT(worker, workers);
            ran++;
        });
        EXPECT_EQ(ran, workers);
    }
}

TEST(ThreadPool, hands_out_every_task_once) {
    pn::ThreadPool pool(3);
    for (int round = 0; round < 50; round++) {
        std::vector<std::atomic<int>> taken(100);
        pool.run(3, [&](int) {
            for (std::ptrdiff_t task; (task = pool.claim()) < 100;) taken[static_cast<std::size_t>(task)]++;
        });
        for (const auto& count : taken) EXPECT_EQ(count, 1);
    }
}

TEST(ThreadPool, knows_how_long_a_round_takes) {
    EXPECT_EQ(pn::ThreadPool(1).round_trip(), 0);
    EXPECT_GT(pn::ThreadPool(2).round_trip(), 0);
}

// However far the cores are from each other: neighbours need two
// whole shares, the farthest are content with sixteen times as much.
TEST(Context, shares_what_is_worth_it) {
    const pn_context context(3, nullptr);
    EXPECT_EQ(context.workers(0), 1);
    EXPECT_EQ(context.workers(1.9 * 1000, 1000), 1);
    EXPECT_EQ(context.workers(3.0 * 16 * 1000, 1000), 3);
    EXPECT_EQ(context.workers(1e9), 3);
}

TEST(Context, gives_every_worker_memory_of_its_own) {
    pn_context context(3, nullptr);
    for (const std::ptrdiff_t count : {1, 1000, 1 << 20}) {
        float** memory = context.own_floats(3, count);
        for (int worker = 0; worker < 3; worker++) std::fill_n(memory[worker], count, static_cast<float>(worker));
        for (int worker = 0; worker < 3; worker++)
            EXPECT_EQ(std::count(memory[worker], memory[worker] + count, static_cast<float>(worker)), count);
    }
    context.reset();
    float** before = context.own_floats(2, 5);
    float* const first = before[1];
    context.reset();
    EXPECT_EQ(context.own_floats(2, 5)[1], first) << "the same place in every operation";
}

TEST(ThreadPool, wakes_workers_that_have_gone_to_sleep) {
    pn::ThreadPool pool(2);
    for (int round = 0; round < 3; round++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(60));
        std::atomic<int> ran{0};
        pool.run(2, [&](int) { ran++; });
        EXPECT_EQ(ran, 2);
    }
}

}  // namespace
