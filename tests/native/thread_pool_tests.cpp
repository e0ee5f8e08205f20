#include "core/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace {

TEST(ThreadPool, runs_every_worker_exactly_once_per_job) {
    for (const int threads : {1, 2, 3, 8}) {
        pn::ThreadPool pool(threads);
        std::vector<int> runs(static_cast<std::size_t>(threads), 0);
        for (int round = 0; round < 2000; round++) pool.run(threads, [&](int worker) { runs[static_cast<std::size_t>(worker)]++; });
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
