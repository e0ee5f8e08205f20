#include "core/thread_pool.h"

#include <chrono>

#if defined(PN_X86)
#include <immintrin.h>
#endif

namespace pn {

namespace {

inline void relax() {
#if defined(PN_X86)
    _mm_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
    __asm__ __volatile__("yield");
#endif
}

constexpr int spins_before_yield = 2000;  // some tens of microseconds
constexpr int yields_before_sleep = 200;

// True as soon as ready() holds; false when it took so long that the thread should sleep.
template <class Ready>
bool wait_awake(Ready ready) {
    for (int i = 0; i < spins_before_yield; i++) {
        if (ready()) return true;
        relax();
    }
    for (int i = 0; i < yields_before_sleep; i++) {
        if (ready()) return true;
        std::this_thread::yield();
    }
    return false;
}

}  // namespace

ThreadPool::ThreadPool(int threads)
    : size_(threads < 1 ? 1 : threads), threads_(new std::thread[size_]), done_(new Done[size_]) {
    for (int worker = 1; worker < size_; worker++) threads_[worker] = std::thread([this, worker] { work(worker); });
    if (size_ > 1) round_trip_ = measure_round_trip();
}

// The shortest of some rounds; where other programs want the cores, of the few that a millisecond is enough for.
double ThreadPool::measure_round_trip() {
    using Clock = std::chrono::steady_clock;
    using Nanoseconds = std::chrono::duration<double, std::nano>;
    constexpr int rounds = 200;
    constexpr std::chrono::milliseconds patience{1};
    const Clock::time_point start = Clock::now();
    double shortest = Nanoseconds(patience).count();
    for (int i = 0; i < rounds && Clock::now() - start < patience; i++) {
        const Clock::time_point begin = Clock::now();
        run(size_, [](int) {});
        const double taken = Nanoseconds(Clock::now() - begin).count();
        if (taken < shortest) shortest = taken;
    }
    return shortest;
}

ThreadPool::~ThreadPool() {
    stopping_ = true;
    round_.fetch_add(1);
    round_.notify_all();
    for (int worker = 1; worker < size_; worker++) threads_[worker].join();
}

void ThreadPool::run(int workers, Job job, void* argument) {
    workers = workers > size_ ? size_ : workers < 1 ? 1 : workers;
    claimed_.store(0, std::memory_order_relaxed);
    if (workers == 1) {
        job(argument, 0);
        return;
    }
    workers_ = workers;
    job_ = job;
    argument_ = argument;
    // seq_cst: either a worker sees the new round before sleeping or we see it asleep
    const unsigned round = round_.fetch_add(1) + 1;
    if (sleeping_.load() > 0) round_.notify_all();
    job(argument, 0);
    for (int worker = 1; worker < size_; worker++) {
        const std::atomic<int>& done = done_[worker].round;
        const int now = static_cast<int>(round), before = static_cast<int>(round - 1);
        while (!wait_awake([&] { return done.load(std::memory_order_acquire) == now; }))
            done.wait(before, std::memory_order_acquire);
    }
}

void ThreadPool::work(int worker) {
    for (unsigned round = 1;; round++) {
        if (!wait_awake([&] { return round_.load(std::memory_order_acquire) == round; })) {
            sleeping_.fetch_add(1);
            while (round_.load() != round) round_.wait(round - 1);
            sleeping_.fetch_sub(1);
        }
        if (stopping_) return;
        if (worker < workers_) job_(argument_, worker);
        done_[worker].round.store(static_cast<int>(round));  // seq_cst, so that a waiting caller is seen
        done_[worker].round.notify_one();
    }
}

std::ptrdiff_t ThreadPool::claim() { return claimed_.fetch_add(1, std::memory_order_relaxed); }

}  // namespace pn
