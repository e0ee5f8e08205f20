// In which order the threads of a block and the blocks of a
// grid run: four choices that no correct kernel can tell apart.
#pragma once

#include <cstdint>

namespace pn::emu {

enum class Order {
    forward,  // round the threads upwards
    reverse,  // round the threads downwards
    random,   // any that can go on, by the seed
    skewed,   // the highest warp as far ahead as it can get
};

struct Schedule {
    Order order = Order::forward;
    std::uint64_t seed = 1;
};

// Which threads of a block can go on, and the choice of the next.
class Ready {
public:
    void start(int threads, Schedule schedule, std::uint64_t block);
    void add(int thread);
    void add_lanes(int warp, unsigned lanes);
    int take();  // -1 when there is none

private:
    int take(int thread);
    int after(int position) const;
    int before(int position) const;
    unsigned random();

    unsigned warps_ = 0;
    unsigned lanes_[32] = {};
    int last_ = 0;
    Order order_ = Order::forward;
    std::uint64_t state_ = 0;
};

// Place i of a permutation of [0, count).
std::uint64_t block_at(std::uint64_t i, std::uint64_t count, Schedule schedule);

}  // namespace pn::emu
