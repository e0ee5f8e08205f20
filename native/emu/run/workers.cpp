#include "emu/run/workers.h"

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace pn::emu {

namespace {

class Workers {
public:
    explicit Workers(int helpers) {
        for (int i = 0; i < helpers; i++) threads_.emplace_back([this] { serve(); });
    }

    ~Workers() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_all();
        for (std::thread& thread : threads_) thread.join();
    }

    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;

    void run(const std::function<void()>& work) {
        {
            const std::lock_guard lock(mutex_);
            work_ = &work;
            round_++;
            busy_ = threads_.size();
        }
        wake_.notify_all();
        work();
        std::unique_lock lock(mutex_);
        done_.wait(lock, [this] { return busy_ == 0; });
    }

private:
    void serve() {
        std::unique_lock lock(mutex_);
        for (std::uint64_t seen = 0;;) {
            wake_.wait(lock, [&] { return stopping_ || round_ != seen; });
            if (stopping_) return;
            seen = round_;
            const std::function<void()>* work = work_;
            lock.unlock();
            (*work)();
            lock.lock();
            if (--busy_ == 0) done_.notify_one();
        }
    }

    std::mutex mutex_;
    std::condition_variable wake_, done_;
    std::vector<std::thread> threads_;
    const std::function<void()>* work_ = nullptr;
    std::uint64_t round_ = 0;
    std::size_t busy_ = 0;
    bool stopping_ = false;
};

std::unique_ptr<Workers> workers;
int wanted = 0;

}  // namespace

void set_workers(int count) {
    wanted = count;
    workers.reset();
}

void run_on_workers(const std::function<void()>& work) {
    const int count = wanted > 0 ? wanted : static_cast<int>(std::thread::hardware_concurrency());
    if (count <= 1) return work();
    if (!workers) workers = std::make_unique<Workers>(count - 1);
    workers->run(work);
}

}  // namespace pn::emu
