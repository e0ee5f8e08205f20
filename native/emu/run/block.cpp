#include "emu/run/block.h"

#include "emu/run/report.h"
#include "emu/run/sanitizers.h"

#include <cstring>
#include <memory>

namespace pn::emu {

thread_local const Place* current = nullptr;

namespace {

thread_local Block* here = nullptr;

// ThreadSanitizer sees races between fibers, so every thread of
// a block has its own; otherwise they are used as they are free.
#if defined(PN_EMU_TSAN)
constexpr bool own_fibers = true;
#else
constexpr bool own_fibers = false;
#endif

}  // namespace

Block& Block::of_this_thread() {
    // On the heap: thread-local storage of a library that is loaded late is small.
    static thread_local const std::unique_ptr<Block> block = std::make_unique<Block>();
    return *block;
}

Block* Block::running() { return current == nullptr ? nullptr : here; }

Block::Block() : threads_(most_threads) {
    fiber_adopt_current(home_);
    for (Thread& thread : threads_) thread.place.in = &around_;
}

Block::~Block() {
    for (Fiber& fiber : fibers_) fiber_destroy(fiber);
}

bool Block::run(const Launch& launch, std::uint64_t index, Schedule schedule) {
    prepare(launch, index, schedule);
    here = this;
    publish(&begin_);
    enter(ready_.take(), home_);
    current = nullptr;
    observe(&end_);
    if (!failed_) {
        const std::string damage = shared_.check();
        if (damage.empty()) return true;
        report(damage + ", kernel " + launch.kernel().name + ", block " + std::to_string(index));
    }
    free_.clear();
    for (Fiber& fiber : fibers_) {
        fiber_restart(fiber, main_of_fiber);
        if (!own_fibers) free_.push_back(&fiber);
    }
    return false;
}

void Block::prepare(const Launch& launch, std::uint64_t index, Schedule schedule) {
    launch_ = &launch;
    const dim3 size = launch.block();
    const bool same_shape = count_ > 0 && size.x == around_.block_size.x && size.y == around_.block_size.y &&
                            size.z == around_.block_size.z;
    count_ = living_ = launch.threads();
    around_ = {launch.block_index(index), size, launch.grid()};
    if (!same_shape)
        for (unsigned i = 0; i < static_cast<unsigned>(count_); i++)
            threads_[i].place.thread = {i % size.x, i / size.x % size.y, i / size.x / size.y};
    std::memset(states_, static_cast<int>(State::unstarted), static_cast<std::size_t>(count_));
    for (int w = 0; w * lanes_of_warp < count_; w++) {
        const int rest = count_ - w * lanes_of_warp;
        warps_[w].waiting = 0;
        warps_[w].exited = rest >= lanes_of_warp ? 0 : ~0u << rest;  // lanes that the block does not have
    }
    ready_.start(count_, schedule, index);
    shared_.start(launch.shared_bytes());
    arrived_ = votes_ = 0;
    failed_ = false;
    // Made here and not when their turn comes: whoever makes a fiber comes before all that it does.
    while (own_fibers && fibers_.size() < static_cast<std::size_t>(count_))
        fiber_create(fibers_.emplace_back(), static_cast<int>(fibers_.size()), main_of_fiber);
}

// ---- switching ---------------------------------------------------------------------------------------------------

void Block::main_of_fiber() {
    fiber_started();
    here->run_threads();
}

void Block::run_threads() {
    for (;;) {
        Fiber& fiber = *thread().fiber;
        thread().copies.clear();
        observe(&begin_);
        launch_->call();
        publish(&end_);
        exit_thread();
        const int next = ready_.take();
        if (next < 0 && living_ > 0) fail(deadlock(), {});
        if (!own_fibers && next >= 0 && states_[next] == State::unstarted) {
            threads_[next].fiber = &fiber;
            states_[next] = State::running;
            current_ = next;
            current = &threads_[next].place;
            continue;
        }
        if (!own_fibers) free_.push_back(&fiber);
        if (next < 0)
            fiber_switch(fiber, home_);
        else
            enter(next, fiber);
    }
}

// Goes on with thread `next`; comes back when someone goes on with `from`.
void Block::enter(int next, Fiber& from) {
    if (states_[next] == State::unstarted) threads_[next].fiber = fiber_for(next);
    states_[next] = State::running;
    current_ = next;
    current = &threads_[next].place;
    fiber_switch(from, *threads_[next].fiber);
}

void Block::wait() {
    const int next = ready_.take();
    if (next < 0) fail(deadlock(), {});
    if (next == current_)
        states_[next] = State::running;
    else
        enter(next, fiber());
}

Fiber* Block::fiber_for(int thread) {
    if (own_fibers) return &fibers_[static_cast<std::size_t>(thread)];
    if (free_.empty()) {
        fiber_create(fibers_.emplace_back(), static_cast<int>(fibers_.size()), main_of_fiber);
        return &fibers_.back();
    }
    Fiber* const fiber = free_.back();
    free_.pop_back();
    return fiber;
}

void Block::exit_thread() {
    states_[current_] = State::exited;
    Warp& warp = warps_[current_ / lanes_of_warp];
    warp.exited |= 1u << lane();
    if (warp.waiting != 0)
        for (int l = 0; l < lanes_of_warp; l++) {
            const Thread& other = threads_[current_ / lanes_of_warp * lanes_of_warp + l];
            if ((warp.waiting >> l & 1) != 0 && (other.mask >> lane() & 1) != 0)
                fail("a thread has returned while lane " + std::to_string(l) + " waits for it at a collective",
                     other.site);
        }
    if (arrived_ == --living_ && arrived_ > 0) open_barrier();
}

void Block::fail(const std::string& what, Site site) {
    std::string text = what;
    if (site.line > 0) text += std::string(" (") + site.file + ":" + std::to_string(site.line) + ")";
    report(text + ", " + whereabouts());
    failed_ = true;
    Fiber abandoned;
    publish(&end_);
    fiber_switch(abandoned, home_);
    __builtin_unreachable();
}

// ---- the barrier -------------------------------------------------------------------------------------------------

int Block::barrier(bool predicate, Site site) {
    Thread& self = thread();
    self.site = site;
    states_[current_] = State::at_barrier;
    arrived_++;
    votes_ += predicate ? 1 : 0;
    // One mark for all barriers would let a late thread see what others did before the next one, and hide the race.
    char* const order = &order_[generation_ & 1];
    publish(order);
    if (arrived_ == living_) open_barrier();
    wait();
    observe(order);
    return result_;
}

void Block::open_barrier() {
    const Site* site = nullptr;
    for (int i = 0; i < count_; i++) {
        if (states_[i] != State::at_barrier) continue;
        if (site == nullptr) site = &threads_[i].site;
        if (!(*site == threads_[i].site))
            fail("threads of one block wait at different barriers: " + waiting_threads(), {});
        states_[i] = State::ready;
    }
    for (int w = 0; w * lanes_of_warp < count_; w++) ready_.add_lanes(w, ~warps_[w].exited);
    result_ = votes_;
    arrived_ = votes_ = 0;
    generation_++;
}

// ---- what reports say --------------------------------------------------------------------------------------------

std::string Block::whereabouts() const {
    const uint3 b = around_.block, t = thread().place.thread;
    const auto triple = [](uint3 v) {
        return "(" + std::to_string(v.x) + ", " + std::to_string(v.y) + ", " + std::to_string(v.z) + ")";
    };
    return std::string("kernel ") + launch_->kernel().name + ", block " + triple(b) + ", thread " + triple(t);
}

// Threads that wait, those side by side at one place together.
std::string Block::waiting_threads() const {
    std::string text;
    for (int i = 0; i < count_;) {
        int end = i + 1;
        const Site site = threads_[i].site;
        while (end < count_ && states_[end] == states_[i] && threads_[end].site.line == site.line) end++;
        if (states_[i] == State::at_barrier || states_[i] == State::at_collective) {
            text += (text.empty() ? "" : "; ") + std::string(end == i + 1 ? "thread " : "threads ") + std::to_string(i);
            if (end > i + 1) text += " to " + std::to_string(end - 1);
            text += std::string(states_[i] == State::at_barrier ? " at the barrier " : " at the collective ") +
                    site.file + ":" + std::to_string(site.line);
        }
        i = end;
    }
    return text;
}

std::string Block::deadlock() const {
    return "no thread of the block can go on, " + std::to_string(count_ - living_) +
           " have returned: " + waiting_threads();
}

}  // namespace pn::emu
