// Fork-join over a fixed number of threads. The caller is worker 0. Waiting threads spin for a short while, then give
// up their time slice, then sleep, so that an idle pool costs nothing.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>
#include <type_traits>

namespace pn {

class ThreadPool {
public:
    using Job = void (*)(void* argument, int worker);

    explicit ThreadPool(int threads);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int size() const { return size_; }

    // Nanoseconds that a round with nothing to do takes when all threads are awake, measured once at the start: some
    // hundred where the cores share a cache, several times as many where they do not. Zero for one thread.
    double round_trip() const { return round_trip_; }

    // Runs job(argument, w) for w in [0, workers), workers <=
    // size(), and returns when all are done. Jobs must not throw.
    void run(int workers, Job job, void* argument);

    // The next task number of a job whose tasks are taken by whoever is free: 0, 1, 2, ...
    std::ptrdiff_t claim();

    template <class Body>
    void run(int workers, Body&& body) {
        auto* address = const_cast<void*>(static_cast<const void*>(&body));
        run(workers, [](void* b, int worker) { (*static_cast<std::remove_reference_t<Body>*>(b))(worker); }, address);
    }

private:
    void work(int worker);
    double measure_round_trip();

    // The last round that a worker has finished; written by that worker alone.
    struct alignas(64) Done {
        std::atomic<int> round{0};  // an int can be waited for without a detour
    };

    const int size_;
    double round_trip_ = 0;
    std::unique_ptr<std::thread[]> threads_;
    std::unique_ptr<Done[]> done_;
    // What a round is lies beside its number: a waiting worker gets all of it with one line from the caller's cache.
    alignas(64) std::atomic<unsigned> round_{0};
    Job job_ = nullptr;
    void* argument_ = nullptr;
    int workers_ = 0;
    bool stopping_ = false;
    alignas(64) std::atomic<int> sleeping_{0};
    alignas(64) std::atomic<std::ptrdiff_t> claimed_{0};
};

}  // namespace pn
