// One block of a grid, run on one thread of the system: its threads are fibers, started when their turn comes. A thread
// that never waits leaves its fiber to the next one, so a kernel without barriers is a plain loop.
#pragma once

#include "emu/kernel/thread.h"
#include "emu/run/copies.h"
#include "emu/run/fault.h"
#include "emu/run/fiber.h"
#include "emu/run/launch.h"
#include "emu/run/schedule.h"
#include "emu/run/shared.h"

#include <deque>
#include <string>
#include <vector>

namespace pn::emu {

constexpr int most_threads = 1024, most_warps = most_threads / lanes_of_warp;

class Block {
public:
    static Block& of_this_thread();
    static Block* running();  // null outside of kernels

    Block();
    ~Block();
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;

    // False when the block failed; the report says how.
    bool run(const Launch& launch, std::uint64_t index, Schedule schedule);

    int barrier(bool predicate, Site site);
    Meeting* meet(unsigned mask, Site site, const void* in, void* out, bool orders_memory);
    void leave(unsigned mask, bool orders_memory);
    void* shared_array(const void* key, std::size_t bytes, const char* name);
    void* dynamic_shared() const { return shared_.dynamic(); }
    void request_copy(void* to, const void* from, int bytes, Site site);
    void commit_copies() { thread().copies.commit(); }
    void wait_for_copies(int pending) { thread().copies.wait(pending); }
    int lane() const { return current_ % lanes_of_warp; }

    // Gives up the block and goes back to the one who runs it.
    [[noreturn]] void fail(const std::string& what, Site site);

    // Where the running thread is, in words; and its stack, for a fault on it.
    std::string whereabouts() const;
    Fiber& fiber() { return *thread().fiber; }

private:
    enum class State : unsigned char { unstarted, ready, running, at_barrier, at_collective, exited };

    struct Thread {
        Place place;
        Fiber* fiber = nullptr;
        Site site;
        unsigned mask = 0;
        const void* in = nullptr;
        void* out = nullptr;
        Copies copies;
    };

    struct Warp {
        unsigned waiting = 0, exited = 0;  // lanes
        unsigned round = 0;
        Meeting meeting;
        char order[2];  // what ThreadSanitizer knows __syncwarp by, turn and turn about
    };

    Thread& thread() { return threads_[current_]; }
    const Thread& thread() const { return threads_[current_]; }

    static void main_of_fiber();
    void run_threads();
    void prepare(const Launch& launch, std::uint64_t index, Schedule schedule);
    void enter(int next, Fiber& from);
    void wait();
    void exit_thread();
    void open_barrier();
    Fiber* fiber_for(int thread);
    std::string waiting_threads() const;
    std::string deadlock() const;

    FaultStack fault_stack_;
    const Launch* launch_ = nullptr;
    Surroundings around_;
    Ready ready_;
    SharedMemory shared_;
    Fiber home_;
    std::deque<Fiber> fibers_;
    std::vector<Fiber*> free_;
    std::vector<Thread> threads_;
    State states_[most_threads];
    Warp warps_[most_warps];
    int count_ = 0, current_ = 0, living_ = 0;
    int arrived_ = 0, votes_ = 0, result_ = 0;
    unsigned generation_ = 0;
    char order_[2];     // what ThreadSanitizer knows the barrier by, turn and turn about
    char begin_, end_;  // and the block
    bool failed_ = false;
};

}  // namespace pn::emu
